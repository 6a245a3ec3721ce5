"""Bring the whole lab up, take it down, tell what there is."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.lab import control_plane, engine, hosts, images, slurm
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
    """`.lab` belongs to one lab. LabError when another one has it.

    Where `.lab` is new, containers of that name hold keys that nobody knows any more: they go.
    """
    lab.directory.mkdir(exist_ok=True)
    owner = lab.directory / "name"
    if not owner.exists():
        engine.remove_lab(lab)
    if owner.exists() and (name := owner.read_text().strip()) != lab.name:
        raise LabError(
            f"{lab.directory} belongs to lab {name}, this is {lab.name}: take that one down "
            f"(DTE_LAB={name} python -m tests.lab down) or use another checkout"
        )
    owner.write_text(f"{lab.name}\n")


def needed(parts: Sequence[str]) -> set[str]:
    """The parts and those they stand on. LabError for one we do not know."""
    if unknown := sorted(set(parts) - set(PARTS)):
        raise LabError(f"parts: use {', '.join(PARTS)} (got {', '.join(unknown)})")
    return set(PARTS) if "hosts" in parts else set(parts)


def up(lab: Lab, parts: Sequence[str], suite: str) -> None:
    """Bring up `parts` (of PARTS) and what they need; what already runs is left alone.

    `suite` is that of Slurm and of the edge, which must agree: Slurm refuses clients older than itself.
    """
    wanted = needed(parts)
    with _alone(lab):
        engine.require_engine()
        _claim_directory(lab)
        engine.ensure_network(lab)
        engine.ensure_volumes(lab)
        # Side by side: the control plane's build takes all the time that the images do not.
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(images.ensure_image, images.FIRST)] if "hosts" in wanted else []
            if "kube" in wanted:
                started.append(pool.submit(_said, "Kubernetes is up", control_plane.up, lab))
            if "slurm" in wanted:
                started.append(pool.submit(_said, f"Slurm ({suite}) is up", slurm.up, lab, suite))
            for part in started:
                part.result()
        if "hosts" in wanted:
            with ThreadPoolExecutor() as pool:
                edge = pool.submit(hosts.edge_up, lab, suite)
                federation = pool.submit(hosts.federation_up, lab, images.FIRST)
                edge.result()
                federation.result()
            say("hosts edge and federation are up")
        _write_site(lab)


def _said(text: str, start: Callable[..., str], *arguments: Any) -> str:
    found = start(*arguments)
    say(text)
    return found


def _write_site(lab: Lab) -> None:
    """`.lab/site.json`: where the inventory and the tests find each host that runs."""
    found = {}
    for host in (slurm.HOST, control_plane.HOST, hosts.EDGE, hosts.FEDERATION):
        facts = engine.inspect(lab.container(host))
        if facts and facts["State"]["Running"]:
            place = facts["NetworkSettings"]["Networks"][lab.network]
            groups = hosts.GROUPS.get(host, [])
            found[host] = {"container": facts["Id"], "address": place["IPAddress"], "groups": groups}
    site = {"kubeconfig": str(control_plane.admin_kubeconfig(lab)), "hosts": found}
    path = lab.directory / "site.json"
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(site, indent=2))
    unfinished.rename(path)


def join(lab: Lab, containers: Sequence[str]) -> None:
    """Make containers that somebody else started hosts of this lab; the lab itself must be up."""
    with _alone(lab):
        engine.require_engine()
        _claim_directory(lab)
        for container in containers:
            hosts.join(lab, container)
            say(f"{container} joined")


def down(lab: Lab) -> None:
    """Remove containers, network, volumes and `.lab`. Images and caches stay, named by content."""
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
