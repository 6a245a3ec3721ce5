"""Run molecule: all scenarios, or what follows (`python -m tests.tools.molecule converge -s interlink_api`).

DTE_SUITE=bookworm takes Debian 12 nodes and the Slurm of Debian 12.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.tools import collections, wheelhouse
from tests.tools.project import BIN, ROOT


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
    command = [str(BIN / "molecule"), *(arguments or ["test", "--all"])]
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
