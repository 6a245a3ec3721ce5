"""What the control plane is built from, read from our own Go module."""

import pytest

from tests.lab.binaries import MODULE, go_version, kubernetes_version, numbers, packages
from tests.lab.names import LabError


def test_the_module_names_one_version_and_the_three_programs() -> None:
    go_mod = (MODULE / "go.mod").read_text()
    version = kubernetes_version(go_mod)
    assert version.startswith("v1.")
    assert f"=> k8s.io/client-go {version.replace('v1', 'v0')}" in go_mod
    programs = [path.rsplit("/", 1)[-1] for path in packages((MODULE / "tools.go").read_text())]
    assert programs == ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def test_versions_of_go_compare_as_numbers() -> None:
    assert go_version("module m\n\ngo 1.26.0\n") == (1, 26, 0)
    assert numbers("1.9") < numbers("1.26.0")


@pytest.mark.parametrize("read", [kubernetes_version, go_version])
def test_a_module_without_the_version_is_refused(read: object) -> None:
    assert callable(read)
    with pytest.raises(LabError, match=r"go\.mod: no line"):
        read("module m\n")
