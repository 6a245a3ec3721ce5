"""Each component has a release of its own on a host: it is looked at by that one, whose packages and checks it has."""

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from dte.doctor.report import decode_results
from dte.runtime.commands import run_command
from dte.runtime.doctor.findings import Result, unknown
from dte.runtime.errors import BadOutput, Unavailable

RELEASE_LIMIT_S: Final = 120.0
MAX_WORDS: Final = 500
"""The end of what a release that broke had to say."""
HERE_OPTION: Final = "--here"
STATUSES: Final = frozenset(range(4))
"""What `dte doctor` ends with; any other is that of a release which has no doctor, or of a fault."""


def command_of(name: str, releases: Path) -> Path | None:
    """The `dte` of the component's current release; None where there is none, or it is the one that runs."""
    prefix = releases / name / "current"
    command = prefix / "bin" / "dte"
    if not command.exists() or prefix.resolve() == Path(sys.prefix).resolve():
        return None
    return command


async def examine_there(command: Path, name: str, etc: Path) -> list[Result]:
    """Let another release look at its component; that it could not is a result, too."""
    argv = [str(command), "doctor", name, "--json", HERE_OPTION, "--etc", str(etc)]
    try:
        completed = await run_command(argv, timeout_s=RELEASE_LIMIT_S)
        if completed.status not in STATUSES or not completed.stdout:
            raise BadOutput(completed.error_text[-MAX_WORDS:])
        return decode_results(_body(completed.stdout))
    except (Unavailable, BadOutput) as error:
        advice = "see whether that release is whole, and not older than this one"
        return [Result(name, "release", unknown(f"{command} doctor: {error}", advice))]


def _body(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadOutput(f"printed {data[:200]!r}") from error
