"""Names of a lab."""

from pathlib import Path

import pytest

from tests.lab.names import Lab, LabError, lab_name


def test_the_default_name_derives_from_the_path_of_the_checkout() -> None:
    assert lab_name({}, Path("/srv/a")) == lab_name({"DTE_LAB": ""}, Path("/srv/a"))
    assert lab_name({}, Path("/srv/a")) != lab_name({}, Path("/srv/b"))
    assert len(lab_name({}, Path("/srv/a"))) == 8


@pytest.mark.parametrize("given", ["A", "a_b", "-a", "a" * 32, "a/b", "a b"])
def test_a_name_that_no_container_can_have_is_refused(given: str) -> None:
    with pytest.raises(LabError, match="DTE_LAB"):
        lab_name({"DTE_LAB": given}, Path("/"))


def test_everything_carries_the_name_of_the_lab() -> None:
    lab = Lab(lab_name({"DTE_LAB": "ci-7"}, Path("/srv/a")), Path("/srv/a"))
    assert lab.container("edge") == "dte-ci-7-edge"
    assert (lab.network, lab.volume, lab.label) == ("dte-ci-7", "dte-ci-7-exa", "dte.lab=ci-7")
    assert lab.directory == Path("/srv/a/.lab")
