"""Where containers run: the job directory on this node, and what is put in front of their programs."""

import contextlib
import os
import sys
from typing import Any, Dict, List, Optional

from .environment import inherited_environment
from .host_paths import node_path
from .launcher import Program
from .memory_volumes import Holder
from .sandbox import HostFiles, Mount, join, make_mount_point, plan_sandbox

Order = Dict[str, Any]
"""A container in spec.json."""


class Place:
    """Paths, commands and environments of one pod's containers."""

    def __init__(self, directory: str, spec: Dict[str, Any]) -> None:
        self.directory = directory
        self.spec = spec
        self.archive = os.path.abspath(sys.argv[0])
        self.holder: Optional[Holder] = None
        """Of the volumes in memory; None: the pod has none."""

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def file(self, order: Order, suffix: str) -> str:
        return self.path("%s-%s.%s" % ("init" if order["kind"] == "init" else "run", order["name"], suffix))

    def message_file(self, order: Order) -> str:
        """What the container's program says about its end (terminationMessagePath)."""
        return self.path("termination/" + str(order["name"]))

    def program(self, order: Order) -> Program:
        environment = inherited_environment(os.environb)
        environment.update(order["env"])
        return Program(
            argv=order["argv"],
            environment=sorted(environment.items()),
            directory=order["working_dir"] or self.path("work"),
            fallback_directory=None if order["working_dir"] else "/",
            umask=self.spec["umask"],
        )

    def prepare(self, order: Order) -> List[bytes]:
        """Make the files of a run; returns the command in front of the program: nothing without mounts.

        Blocks, for ever where a file system of the node hangs. Raises MountRefused, OSError.
        """
        self._keep_previous_output(order)
        self._clear_message(order)
        if not order["mounts"]:
            return []
        mounts = [self._mount(mount) for mount in order["mounts"]]
        root = self.holder.root if self.holder is not None else b""
        sandbox = plan_sandbox(mounts, HostFiles(root), os.fsencode(self.directory))
        for point in sandbox.mount_points:
            make_mount_point(point, root)
        enter = self.holder.wrapper(self.archive) if self.holder is not None else []
        return [*enter, self.spec["bwrap"].encode(), b"--die-with-parent", *sandbox.arguments(), b"--"]

    def _mount(self, mount: Order) -> Mount:
        source, is_device = join(os.fsencode(self.directory), mount["source"].encode()), False
        if mount.get("host") is not None:
            source, is_device = node_path(mount["host"], mount["source"])
        elif self.holder is not None and self._is_in_memory(mount["source"]):
            os.makedirs(self.holder.root + source, mode=0o755, exist_ok=True)  # a subPath of an empty volume
        return Mount(source, mount["target"].encode(), mount["read_only"], mount.get("is_optional", False), is_device)

    def _is_in_memory(self, source: str) -> bool:
        limits = [limit for limit in self.spec["size_limits"] if limit["is_memory"]]
        return any(source.startswith(limit["directory"] + "/") for limit in limits)

    def _keep_previous_output(self, order: Order) -> None:
        for suffix in ("out", "idx"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.file(order, suffix), self.file(order, "prev." + suffix))

    def _clear_message(self, order: Order) -> None:
        path = self.message_file(order)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # not emptied: an earlier run's processes may still have it
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
