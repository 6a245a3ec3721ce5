"""`make site`: the lab, the hosts of its inventory set up by the operator's playbook, and a pod that runs there."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import demo

ROOT = demo.ROOT
BIN = ROOT / ".venv" / "bin"
INVENTORY = "inventories/lab"

STEPS: Sequence[tuple[str, Sequence[str]]] = (
    ("start Kubernetes, Slurm and the hosts", ("python", "-m", "tests.lab", "up")),
    ("build the wheel and its dependencies' archive", ("python", "-m", "tests.tools.wheelhouse")),
    ("set up the hosts with the operator's playbook", ("dte", "site", "up", "-i", INVENTORY)),
)


def main() -> int:
    start = time.monotonic()
    for text, (program, *arguments) in STEPS:
        print(f"== {text}", flush=True)
        status = subprocess.run([str(BIN / program), *arguments], cwd=ROOT, check=False).returncode
        if status != 0:
            print(f"{program} {' '.join(arguments)} failed with status {status}; its words are above", file=sys.stderr)
            return 1
    kubeconfig = ROOT / ".lab" / "kubeconfig"
    print(f"== run {demo.EXAMPLE.relative_to(ROOT)}", flush=True)
    try:
        outcome = demo.run_pod(demo.Kubectl(kubeconfig))
    except demo.DemoFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(demo.table(outcome))
    print(f"The site is up after {time.monotonic() - start:.0f} s. Try:")
    print(f"  .venv/bin/kubectl --kubeconfig {kubeconfig} get nodes,pods")
    print("  make site-down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
