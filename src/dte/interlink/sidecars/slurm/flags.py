"""sbatch options as data: the table of all of them, who may set each, and how a text splits into them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from dte.runtime.errors import Refused


class Arity(Enum):
    """Whether an option takes a value, as getopt_long knows it."""

    NONE = "none"
    ONE = "one"
    OPTIONAL = "optional"
    """Only glued: `--exclusive=user`, never `--exclusive user`."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One sbatch option: its long name, and its value (None: it has none)."""

    name: str
    value: str | None

    def argument(self) -> str:
        """The option as one argument of sbatch, every byte of the value unchanged."""
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"


_ONE: Final = (
    "account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container "
    "container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency "
    "distribution error exclude export export-file extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node "
    "gpus-per-socket gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep licenses mail-type "
    "mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks "
    "ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode output partition power prefer "
    "priority profile qos reservation segment signal sockets-per-node switches thread-spec threads-per-core time "
    "time-min tmp tres-bind tres-per-task uid wait-all-nodes wckey wrap"
)
_OPTIONAL: Final = "exclusive get-user-env nice no-kill oom-kill-step propagate resv-ports"
_NONE: Final = (
    "consolidate-segments contiguous help hold ignore-pbs no-requeue overcommit oversubscribe parsable quiet reboot "
    "requeue spread-job stepmgr test-only usage use-min-nodes verbose version wait"
)

ARITY_OF_FLAG: Final = MappingProxyType(
    dict.fromkeys(_ONE.split(), Arity.ONE)
    | dict.fromkeys(_OPTIONAL.split(), Arity.OPTIONAL)
    | dict.fromkeys(_NONE.split(), Arity.NONE)
)
"""Every long option of sbatch 22.05 and 24.11. getopt accepts abbreviations; we do not, for `--arr` is `--array`."""

LONG_OF_SHORT: Final = MappingProxyType(
    {
        "A": "account",
        "B": "extra-node-info",
        "C": "constraint",
        "D": "chdir",
        "F": "nodefile",
        "G": "gpus",
        "H": "hold",
        "J": "job-name",
        "L": "licenses",
        "M": "clusters",
        "N": "nodes",
        "O": "overcommit",
        "Q": "quiet",
        "S": "core-spec",
        "V": "version",
        "W": "wait",
        "a": "array",
        "b": "begin",
        "c": "cpus-per-task",
        "d": "dependency",
        "e": "error",
        "h": "help",
        "i": "input",
        "k": "no-kill",
        "m": "distribution",
        "n": "ntasks",
        "o": "output",
        "p": "partition",
        "q": "qos",
        "s": "oversubscribe",
        "t": "time",
        "v": "verbose",
        "w": "nodelist",
        "x": "exclude",
    }
)

_OWNED: Final = (
    "job-name output error input chdir comment parsable export propagate requeue no-requeue wait test-only "
    "export-file get-user-env open-mode quiet verbose"
)
OWNED_FLAGS: Final = frozenset(_OWNED.split())
"""The sidecar sets these (or leaves them unset on purpose); a user's value is dropped with a warning."""

REFUSED_FLAGS: Final = MappingProxyType(
    {
        "array": "a pod is one job; use a Job with completions",
        "clusters": "the virtual node chooses the cluster",
        "uid": "the sidecar's account runs the job",
        "gid": "the sidecar's account runs the job",
        "wrap": "the pod's containers are the job",
        "help": "it submits nothing",
        "usage": "it submits nothing",
        "version": "it submits nothing",
    }
)
"""Options that no pod can have, with the reason."""


def split_flags(text: str, *, source: str) -> tuple[Flag, ...]:
    """Read sbatch options written as on a command line: `-t 10 --gres=gpu:2 -N2 --exclusive`.

    `source` names where the text stands, for the error. Raises Refused at unbalanced quotes, a word that is no
    option, an unknown or abbreviated option, a missing or superfluous value.
    """
    try:
        words = shlex.split(text)
    except ValueError as e:
        raise Refused(f"{source}: {e} in {text!r}") from e
    return read_flags(words, source=source)


def read_flags(words: Sequence[str], *, source: str) -> tuple[Flag, ...]:
    """The options in a list of words; same rules and errors as `split_flags`."""
    flags: list[Flag] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if "\0" in word:
            raise Refused(f"{source}: an option holds a NUL character")
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            flags.append(_long_flag(name, value if equals else None, rest, source=source))
        elif word.startswith("-") and len(word) > 1 and word != "--":
            flags.extend(_short_flags(word[1:], rest, source=source))
        else:
            raise Refused(f"{source}: {word!r} is not an option; write --name=value")
    return tuple(flags)


def _long_flag(name: str, value: str | None, rest: list[str], *, source: str) -> Flag:
    arity = ARITY_OF_FLAG.get(name)
    if arity is None:
        raise Refused(f"{source}: sbatch has no option --{name} (write its full name)")
    if arity is Arity.NONE and value is not None:
        raise Refused(f"{source}: --{name} takes no value (got {value!r})")
    if arity is Arity.ONE and value is None:
        if not rest:
            raise Refused(f"{source}: --{name} needs a value")
        value = rest.pop(0)
    return Flag(name, value)


def _short_flags(letters: str, rest: list[str], *, source: str) -> list[Flag]:
    # As getopt: `-t10`, `-t 10`, and letters without values may stand together: `-HO`.
    name = LONG_OF_SHORT.get(letters[0])
    if name is None:
        raise Refused(f"{source}: sbatch has no option -{letters[0]}")
    remainder = letters[1:]
    if ARITY_OF_FLAG[name] is Arity.ONE:
        return [_long_flag(name, remainder or None, rest, source=source)]
    if ARITY_OF_FLAG[name] is Arity.OPTIONAL:
        return [Flag(name, remainder or None)]
    return [Flag(name, None), *(_short_flags(remainder, rest, source=source) if remainder else [])]
