"""Pods of the benchmarks on the running site: applied together, gone afterwards."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

from tests.lab import demo
from tests.lab.running import Site

LABEL = "dte-bench"
PER_APPLY = 100
"""kubectl sends them one after the other and has two minutes for a call."""
NODE = "lab-main"
REMOVAL_LIMIT_S = 900.0


@contextmanager
def applied(site: Site, commands: Mapping[str, str]) -> Iterator[None]:
    """Pods by name with a shell command each."""
    try:
        names = list(commands)
        for start in range(0, len(names), PER_APPLY):
            items = [manifest(name, commands[name]) for name in names[start : start + PER_APPLY]]
            body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            site.kubectl.run("create", "--filename=-", stdin=body)
        yield
    finally:
        remove(site)


def remove(site: Site) -> None:
    """Delete all of them and wait until they are gone. Raises TimeoutError."""
    chosen = ("pods", f"--selector={LABEL}")
    site.kubectl.run("delete", *chosen, "--grace-period=1", "--ignore-not-found", "--wait=false")
    deadline = time.monotonic() + REMOVAL_LIMIT_S
    while site.kubectl.run("get", *chosen, "--output=name").strip():
        if time.monotonic() > deadline:
            raise TimeoutError(f"pods of the benchmark are still there after {REMOVAL_LIMIT_S:.0f} s")
        time.sleep(1)


def manifest(name: str, command: str) -> Mapping[str, Any]:
    """The example pod with another name and command, bound to NODE."""
    pod = yaml.safe_load(demo.EXAMPLE.read_text())
    pod["metadata"] = {"name": name, "labels": {LABEL: ""}}
    pod["spec"]["containers"][0]["args"] = [command]
    pod["spec"]["nodeName"] = NODE
    return dict(pod)


def listed(site: Site) -> Sequence[Mapping[str, Any]]:
    """All of them as Kubernetes has them now."""
    found: Sequence[Mapping[str, Any]] = json.loads(
        site.kubectl.run("get", "pods", f"--selector={LABEL}", "--output=json")
    )["items"]
    return found
