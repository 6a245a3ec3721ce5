"""Parts of a lab and what they stand on."""

import pytest

from tests.lab.names import LabError, wanted_suite
from tests.lab.site import needed


def test_hosts_stand_on_everything_else() -> None:
    assert needed(["hosts"]) == {"slurm", "kube", "hosts"}
    assert needed(["kube"]) == {"kube"}


def test_an_unknown_part_is_refused_with_the_list() -> None:
    with pytest.raises(LabError, match="slurm, kube, hosts"):
        needed(["slrum"])


def test_the_environment_chooses_the_suite() -> None:
    assert wanted_suite({}) == "trixie"
    assert wanted_suite({"DTE_SUITE": "bookworm"}) == "bookworm"
    with pytest.raises(LabError, match="DTE_SUITE"):
        wanted_suite({"DTE_SUITE": "sid"})
