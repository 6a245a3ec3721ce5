"""Nodes for the scenarios of molecule: `up` starts them in the lab of this checkout, `down` removes them.

The lab gives them a real Slurm of the same Debian release (DTE_SUITE) and a real Kubernetes API.
"""

import json
import os
import sys
from collections.abc import Sequence

from tests.lab import control_plane, engine, images, site, slurm, systemd
from tests.lab.names import Lab, this_lab, wanted_suite
from tests.tools.project import ROOT

NODES = ("role-edge", "role-federation")
STATE = ROOT / ".cache" / "molecule" / "nodes.json"
"""NAME -> container, address and suite; beside them `kubeconfig`. The inventory and tests/infra read it."""
VIRTUAL_NODES = ("role-main",)
"""Node objects that the scenario of the virtual kubelet leaves in the cluster."""


def up(lab: Lab, suite: str) -> None:
    """Start what does not run yet, and write STATE."""
    site.up(lab, ["kube", "slurm"], suite)
    image = images.ensure_image(suite)
    options = [*systemd.OPTIONS, *slurm.share_options(lab)]
    state: dict[str, object] = {"kubeconfig": str(control_plane.admin_kubeconfig(lab))}
    for name in NODES:
        engine.start(lab, name, image=image, key="molecule", options=options)
    site.join(lab, [lab.container(name) for name in NODES])
    for name in NODES:
        container = lab.container(name)
        address = engine.address(container, lab.network)
        state[name] = {"container": container, "address": address, "suite": suite}
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps(state, indent=2))


def down(lab: Lab) -> None:
    """Remove the nodes, and what they left in the cluster; the lab stays."""
    engine.remove_containers([lab.container(name) for name in NODES])
    if engine.inspect(lab.container(control_plane.HOST)):
        control_plane.kubectl(lab, "delete", "node", "--ignore-not-found", *VIRTUAL_NODES, check=False)
    STATE.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["up"]:
            up(this_lab(), wanted_suite(os.environ))
        case ["down"]:
            down(this_lab())
        case _:
            print("usage: python -m tests.tools.role_nodes up | down", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
