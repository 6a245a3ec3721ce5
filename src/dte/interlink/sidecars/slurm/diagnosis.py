"""What the doctor's looks at Slurm and at a job root mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from dte.runtime.commands import Completed
from dte.runtime.doctor.findings import Finding, critical, ok, unknown, warning
from dte.runtime.process_identity import ProcessIdentity

from .drain import Drain
from .owner import OWNER_FILE
from .refusals import Answer, answer_of, words_of

POLLS_PER_AGE: Final = 3
"""Three polls must fit into MinJobAge, or a job may be forgotten between two of them."""

_VERSION = re.compile(r"\b(\d{2})\.(\d{1,2})(?:[.-]\S*)?")
_SETTING = re.compile(r"^(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


def parse_version(text: str) -> tuple[int, int] | None:
    """Slurm's release in `slurm 24.11.5`: (24, 11); None where there is none."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2])) if match else None


def parse_config(text: str) -> dict[str, str]:
    """The settings that `scontrol show config` prints, a `NAME = value` a line."""
    return dict(_SETTING.findall(text))


def seconds_of(text: str) -> int | None:
    """`300 sec` of scontrol; None for anything else."""
    number, _, unit = text.partition(" ")
    return int(number) if number.isascii() and number.isdigit() and unit == "sec" else None


def judge_versions(client_said: str, config: dict[str, str]) -> Finding:
    """Slurm serves commands of its own and of older releases, never of newer ones."""
    client, controller = parse_version(client_said), parse_version(config.get("SLURM_VERSION", ""))
    if client is None or controller is None:
        return unknown(f"versions were not understood: {client_said.strip()[:80]!r}", "look at `sbatch --version`")
    texts = [f"{year}.{month:02}" for year, month in (client, controller)]
    if client > controller:
        text = f"Slurm's commands here are {texts[0]}, the controller is {texts[1]}: it refuses newer commands"
        return critical(text, f"install Slurm's commands of {texts[1]} on this host")
    return ok(f"Slurm's commands {texts[0]}, controller {texts[1]}")


def judge_job_age(config: dict[str, str], poll_interval_s: float) -> Finding | None:
    """None where the controller does not say, or keeps finished jobs for long enough."""
    age_s = seconds_of(config.get("MinJobAge", ""))
    if age_s is None or poll_interval_s * POLLS_PER_AGE <= age_s:
        return None
    text = f"Slurm forgets finished jobs after {age_s} s (MinJobAge), PollInterval is {poll_interval_s:g} s"
    return warning(text, f"set PollInterval to at most {age_s // POLLS_PER_AGE}")


def judge_munge(encoded: Completed, decoded: Completed | None) -> Finding:
    """From `munge -n`, and from `unmunge` of its credential (None: there was none)."""
    failed = encoded if encoded.status or decoded is None else decoded
    if failed.status == 0:
        return ok("munge makes credentials, and reads them")
    advice = "systemctl start munge; /etc/munge/munge.key must be that of the cluster"
    return critical(f"munge: {words_of(failed.stderr or failed.stdout, failed.status)}", advice)


def judge_submit(flavor: str, completed: Completed) -> Finding:
    """From `sbatch --test-only` with the options of a pod of the flavor (empty: of none)."""
    what = f"flavor {flavor}" if flavor else "a pod without flavor"
    if completed.status == 0:
        return ok(f"sbatch would take {what}")
    words = " / ".join(words_of(completed.stderr or completed.stdout, completed.status).splitlines())
    text = f"sbatch would not take {what}: {words}"
    if answer_of(words) is Answer.FINAL:
        return critical(text, "correct the flavor in the configuration, or the account's rights in Slurm")
    return warning(text, "pods wait meanwhile; look at the controller, the partition and the account's limits")


def judge_owner(
    content: str | None, owner: ProcessIdentity | None, this: ProcessIdentity, started: int | None, pid: int | None
) -> Finding:
    """Who holds the job root.

    `content` is the owner file's (None: there is none), `owner` what was read in it, `started` when the process of
    its pid started on this host (None: there is none), `this` any process of this host, `pid` that of the sidecar of
    this root (None: it does not run).
    """
    if content is None:
        if pid is None:
            return ok("nobody holds the job root, and the sidecar does not run")
        text = f"the sidecar runs, but {OWNER_FILE} is gone: another sidecar may take the job root"
        return critical(text, "find out who removed it, then restart the sidecar")
    if owner is None:
        return critical(f"{OWNER_FILE} cannot be read", "stop all sidecars of this root, remove it, start one")
    if owner.host != this.host:
        text = f"the job root is held by a sidecar on host {owner.host} (pid {owner.pid})"
        return critical(text, f"stop one of the two; if that host is gone, remove {OWNER_FILE} and restart this one")
    if owner.boot_id != this.boot_id or started != owner.started:
        if pid is None:
            return ok(f"the job root was held by pid {owner.pid}, which is gone: the next start takes it over")
        text = f"{OWNER_FILE} names pid {owner.pid}, which is gone, but pid {pid} runs"
        return critical(text, "restart the sidecar: it then takes the job root, or says who has it")
    if owner.pid != pid:
        text = f"the job root is held by pid {owner.pid} of this host, which is not this sidecar"
        return critical(text, f"ps -fp {owner.pid} shows what it is; stop one of the two")
    return ok(f"the job root is held by this sidecar (pid {pid})")


def judge_drains(drains: Iterable[Drain], now: datetime, account: str) -> list[Finding]:
    """Which entries of the drain file keep new jobs of the account out, for all or for single virtual nodes."""
    findings = []
    for drain in drains:
        if drain.holds(now, node=drain.node, account=account):
            where = f"virtual node {drain.node}: " if drain.node else ""
            findings.append(warning(f"{where}{drain.text()}", "remove the entry from the drain file when it is done"))
    return findings or [ok("new jobs are taken")]
