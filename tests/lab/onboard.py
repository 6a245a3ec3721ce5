"""`make site`: the lab, its hosts set up by the operator's playbook, and a pod that runs there."""

import subprocess
import sys
import time
from collections.abc import Sequence

from tests.lab import demo

BIN = demo.ROOT / ".venv" / "bin"
KUBECONFIG = demo.ROOT / ".lab" / "kubeconfig"
INVENTORY = "inventories/lab"

STEPS: Sequence[tuple[str, Sequence[str]]] = (
    ("start Kubernetes, Slurm and the hosts", ("python", "-m", "tests.lab", "up")),
    ("build the wheel and the archive of what it needs", ("python", "-m", "tests.tools.wheelhouse")),
    ("fetch the collection that reaches the lab's containers", ("python", "-m", "tests.tools.collections")),
    ("set up the hosts with the operator's playbook", ("dte", "site", "up", "-i", INVENTORY)),
)


def bring_up() -> int:
    """Take every step, each of which does nothing where all is done; returns an exit status."""
    for text, (program, *arguments) in STEPS:
        print(f"== {text}", flush=True)
        status = subprocess.run([str(BIN / program), *arguments], cwd=demo.ROOT, check=False).returncode
        if status != 0:
            print(f"{program} {' '.join(arguments)} failed with status {status}; its words are above", file=sys.stderr)
            return 1
    return 0


def show_pod() -> int:
    """Run the example pod and print what became of it; returns an exit status."""
    print(f"== run {demo.EXAMPLE.relative_to(demo.ROOT)}", flush=True)
    try:
        outcome = demo.run_pod(demo.Kubectl(KUBECONFIG))
    except demo.DemoFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(demo.table(outcome))
    return 0


def main() -> int:
    start = time.monotonic()
    status = bring_up() or show_pod()
    if status == 0:
        print(f"The site is up after {time.monotonic() - start:.0f} s. Try:")
        print(f"  .venv/bin/kubectl --kubeconfig {KUBECONFIG} get nodes,pods")
        print("  make site-down")
    return status


if __name__ == "__main__":
    sys.exit(main())
