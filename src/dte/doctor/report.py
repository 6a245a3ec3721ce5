"""Results as lines for people and Nagios, and as JSON. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dte.runtime.doctor.findings import Finding, Level, Result, worst
from dte.runtime.errors import BadOutput

NOTHING = (
    "no daemon is configured in {etc}: what to do: run the playbook for this host, or name the directory with --etc"
)


def status_of(results: Sequence[Result]) -> Level:
    """The level of the whole host."""
    return worst(result.finding.level for result in results) if results else Level.UNKNOWN


def lines(host: str, results: Sequence[Result], *, is_verbose: bool) -> list[str]:
    """A line that sums up, then `host: check: problem: what to do`, the worst first; what is well if asked for."""
    shown = [result for result in results if is_verbose or result.finding.level is not Level.OK]
    weight = {Level.CRITICAL: 0, Level.WARNING: 1, Level.UNKNOWN: 2, Level.OK: 3}
    ordered = sorted(shown, key=lambda result: weight[result.finding.level])
    return [_summary(host, results), *(_line(host, result) for result in ordered)]


def _summary(host: str, results: Sequence[Result]) -> str:
    counts = Counter(result.finding.level for result in results)
    parts = [f"{counts[level]} {level.word}" for level in (Level.CRITICAL, Level.WARNING, Level.UNKNOWN, Level.OK)]
    shown = [part for part in parts if not part.startswith("0 ")]
    return f"DTE {status_of(results).name} - {host}: {', '.join(shown)}"


def _line(host: str, result: Result) -> str:
    finding = result.finding
    words = [finding.text] if finding.level is Level.OK else [finding.level.word, finding.text, finding.advice]
    # Words of other programs may hold line ends, and anything else.
    parts = [host, f"{result.instance} {result.check}", *words]
    line = ": ".join(" ".join(part.split()) for part in parts)
    return "".join(char if char.isprintable() else "?" for char in line)


def encode_results(host: str, results: Sequence[Result]) -> Mapping[str, Any]:
    """The JSON body."""
    return {
        "host": host,
        "status": status_of(results).word,
        "results": [
            {
                "instance": result.instance,
                "check": result.check,
                "level": result.finding.level.word,
                "text": result.finding.text,
                "advice": result.finding.advice,
            }
            for result in results
        ],
    }


def decode_results(body: Any) -> list[Result]:
    """The results in a JSON body. Raises BadOutput."""
    try:
        return [
            Result(
                str(item["instance"]),
                str(item["check"]),
                Finding(Level[str(item["level"]).upper()], str(item["text"]), str(item["advice"])),
            )
            for item in body["results"]
        ]
    except (KeyError, TypeError) as error:
        raise BadOutput(f"not what a doctor prints: {type(error).__name__} {error}") from error
