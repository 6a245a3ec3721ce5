"""Bring the whole lab up, take it down, tell what there is."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from tests.lab import control_plane, engine, slurm
from tests.lab.cache import cache_root
from tests.lab.names import PARTS, Lab, LabError
from tests.lab.progress import say


@contextlib.contextmanager
def _alone(lab: Lab) -> Iterator[None]:
    """One `up` or `down` of a lab at a time; others wait."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / lab.name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command on this lab")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _claim_directory(lab: Lab) -> None:
    """`.lab` belongs to one lab. LabError when another one has it."""
    lab.directory.mkdir(exist_ok=True)
    owner = lab.directory / "name"
    if owner.exists() and (name := owner.read_text().strip()) != lab.name:
        raise LabError(
            f"{lab.directory} belongs to lab {name}, this is {lab.name}: take that one down "
            f"(DTE_LAB={name} python -m tests.lab down) or use another checkout"
        )
    owner.write_text(f"{lab.name}\n")


def up(lab: Lab, parts: Sequence[str], suite: str) -> None:
    """Bring up `parts` (of PARTS) and what they need; what already runs is left alone."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise LabError(f"parts: use {', '.join(PARTS)} (got {', '.join(unknown)})")
    with _alone(lab):
        engine.require_engine()
        _claim_directory(lab)
        engine.ensure_network(lab)
        engine.ensure_volume(lab)
        if "slurm" in parts:
            slurm.up(lab, suite)
            say("Slurm is up")
        if "kube" in parts:
            control_plane.up(lab)
            say("Kubernetes is up")


def down(lab: Lab) -> None:
    """Remove containers, network, volume and `.lab`. Images and caches stay, named by content."""
    with _alone(lab):
        engine.require_engine()
        engine.remove_lab(lab)
        owner = lab.directory / "name"
        if not owner.exists() or owner.read_text().strip() == lab.name:
            shutil.rmtree(lab.directory, ignore_errors=True)
    (cache_root() / "locks" / lab.name).unlink(missing_ok=True)
    say("the lab is gone")


def show(lab: Lab) -> dict[str, Any]:
    """The containers of this lab as the Engine tells them: name -> state, address."""
    found: dict[str, Any] = {}
    for container in engine.containers_of(lab):
        facts = engine.inspect(container)
        if facts:
            networks = facts["NetworkSettings"]["Networks"]
            found[facts["Name"].removeprefix("/")] = {
                "state": facts["State"]["Status"],
                "address": networks.get(lab.network, {}).get("IPAddress", ""),
            }
    return found


def read_site(lab: Lab) -> dict[str, Any]:
    """`.lab/site.json`. LabError when the lab is not up."""
    path = lab.directory / "site.json"
    if not path.exists():
        raise LabError(f"{path}: no such file; `python -m tests.lab up` makes it")
    site: dict[str, Any] = json.loads(path.read_text())
    return site
