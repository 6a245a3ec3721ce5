"""Run molecule: all scenarios, or what follows (`python -m tests.tools.molecule converge -s interlink_api`).

DTE_SUITE=bookworm takes Debian 12 nodes and the Slurm of Debian 12.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.tools import collections, wheelhouse
from tests.tools.project import BIN, ROOT

LOG = ROOT / ".cache" / "molecule" / "log"
STEP = re.compile(r"\] Executed: |\d+ passed|\d+ failed|^fatal: ")
SHOWN_LINES = 150


def main(arguments: Sequence[str]) -> int:
    wheelhouse.archive()
    environ = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections.ensure()),
        # Per checkout: molecule names its folder by the last part of the path only.
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".cache" / "molecule" / "state"),
        "PYTHONPATH": str(ROOT),
    }
    if arguments:
        return subprocess.run([BIN / "molecule", *arguments], cwd=ROOT, env=environ, check=False).returncode
    return test_all({**environ, "NO_COLOR": "1"})


def test_all(environ: Mapping[str, str]) -> int:
    """Every scenario, a line for each step; the whole output goes to LOG, and its end is shown when a step failed."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    command = [BIN / "molecule", "test", "--all"]
    start = time.monotonic()
    with LOG.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None, "asked for"
        for line in process.stdout:
            log.write(line)
            log.flush()
            if STEP.search(line):
                print(f"{time.monotonic() - start:5.0f} s  {line.strip()}", flush=True)
    status = process.wait()
    if status != 0:
        print("".join(LOG.read_text().splitlines(keepends=True)[-SHOWN_LINES:]))
        print(f"molecule ended with {status}; all it said is in {LOG}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
