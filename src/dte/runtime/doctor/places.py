"""Directories and sockets as an account meets them, looked at by `probe`, and what their facts mean."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from dte.runtime.accounts import Account
from dte.runtime.commands import run_command
from dte.runtime.doctor import probe
from dte.runtime.doctor.checks import CannotCheck
from dte.runtime.doctor.clock import judge_offset
from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import BadOutput, Unavailable

PROBE_LIMIT_S: Final = 15.0
"""A file system that does not answer within this time counts as hung, as for the daemons (FileTimeout)."""
LITTLE_BYTES: Final = 1 << 30
LITTLE_PART: Final = 0.05
GIB: Final = 1 << 30
FREE: Final = "free space there"


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """A directory as the account saw it. The defaults are those of a look that ended at `error`."""

    error: str = ""
    """Why the account could not look at it; empty: it could."""
    is_directory: bool = False
    uid: int = -1
    mode: int = 0
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int = 0
    total_inodes: int = 0
    """0 on file systems that do not count them."""
    write_error: str = ""
    offset_s: float | None = None
    """How far this host's clock is ahead of the one that stamped the file written; None: nothing was written."""
    content: str | None = None
    """Of the file that was asked for; None: there is no such file."""


async def look_at_directory(path: Path, account: Account, *, file: str = "") -> DirectoryFacts:
    """Look as the account, with the content of `file` in it.

    Raises Unavailable where the file system hangs, CannotCheck where we may not act as the account.
    """
    return _decoded(await _probe(account, "directory", str(path), file))


async def connect_error(path: Path, account: Account) -> str:
    """Why the account cannot connect to the socket; empty: it can. Raises like look_at_directory."""
    return _decoded(await _probe(account, "socket", str(path))).error


async def _probe(account: Account, *arguments: str) -> bytes:
    if not account.can_be_taken_on:
        raise CannotCheck(f"only account {account.name} sees {arguments[1]}")
    argv = [sys.executable, "-I", probe.__file__, *arguments]
    completed = await run_command(argv, timeout_s=PROBE_LIMIT_S, account=account, max_output_bytes=1 << 20)
    if completed.status != 0:
        raise Unavailable(f"the look at {arguments[1]} failed: {completed.error_text}")
    return completed.stdout


def _decoded(data: bytes) -> DirectoryFacts:
    try:
        return msgspec.json.decode(data, type=DirectoryFacts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadOutput(f"the look at a directory printed {data[:200]!r}") from error


def judge_directory(path: Path, facts: DirectoryFacts, account: Account, *, relief: str = FREE) -> list[Finding]:
    """Whether the account owns the directory alone and can write there, for some time to come.

    `relief` is what to do when space runs out.
    """
    if facts.error:
        return [critical(f"{path}: {facts.error}", f"make it as {account.name}, mode 0700, or look at its mount")]
    if not facts.is_directory:
        return [critical(f"{path} is not a directory", "name a directory in the configuration")]
    findings: list[Finding] = []
    if facts.uid != account.uid:
        text = f"{path} belongs to uid {facts.uid}, not to {account.name} ({account.uid})"
        findings.append(critical(text, f"chown {account.name} {path}"))
    if facts.mode & 0o022:
        findings.append(critical(f"{path} may be written by others (mode {facts.mode:04o})", f"chmod 0700 {path}"))
    elif facts.mode & 0o077:
        findings.append(warning(f"{path} is open to others (mode {facts.mode:04o})", f"chmod 0700 {path}"))
    if facts.write_error:
        advice = f"mount it for writing, raise the quota, or {relief}"
        findings.append(critical(f"{account.name} cannot write to {path}: {facts.write_error}", advice))
    findings += _judge_space(path, facts, relief)
    return findings or [ok(f"{path}: {facts.free_bytes / GIB:.0f} GiB free, {account.name} can write")]


def _judge_space(path: Path, facts: DirectoryFacts, relief: str) -> list[Finding]:
    findings: list[Finding] = []
    if facts.total_bytes and facts.free_bytes < min(LITTLE_BYTES, facts.total_bytes * LITTLE_PART):
        text = f"{path}: {facts.free_bytes >> 20} MiB free"
        findings.append(warning(text, relief))
    if facts.total_inodes and facts.free_inodes < facts.total_inodes * LITTLE_PART:
        text = f"{path}: {facts.free_inodes} inodes free of {facts.total_inodes}"
        findings.append(warning(text, relief))
    return findings


def judge_server_clock(path: Path, facts: DirectoryFacts) -> list[Finding]:
    """The clock of a file server, from the time of a file just written; nothing when none was."""
    return [] if facts.offset_s is None else [judge_offset(facts.offset_s, f"the file system of {path}")]
