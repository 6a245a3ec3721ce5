"""Labs side by side, and what is left of one that was taken down."""

import os
from pathlib import Path

from tests.lab import engine, site
from tests.lab.fixtures import SlurmLab
from tests.lab.names import Lab, wanted_suite


def traces(lab: Lab) -> list[str]:
    """Whatever the Engine still has under the lab's label."""
    kinds = (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
    return [line for kind in kinds for line in engine.docker(*kind, "-q", "--filter", f"label={lab.label}").split()]


def test_a_second_lab_comes_and_goes_beside_the_first(lab_slurm: SlurmLab, tmp_path: Path) -> None:
    lab_slurm.run("touch", "/exa/twin01/of-the-first-lab")
    second = Lab(f"{lab_slurm.lab.name[:20]}-second", tmp_path)
    try:
        site.up(second, ["slurm"], wanted_suite(os.environ))
        container = second.container("slurm1")
        assert engine.execute(container, ["ls", "/exa/twin01"], user="twin01") == ""
        submit = ["sbatch", "--wait", "--export=NIL", "--chdir=/exa/twin01"]
        engine.execute(container, submit, user="twin01", stdin=b"#!/bin/sh\ntrue\n")
    finally:
        site.down(second)
    assert traces(second) == []
    assert not second.directory.exists()
    assert "main" in lab_slurm.run("sinfo", "--noheader")
    lab_slurm.run("test", "-e", "/exa/twin01/of-the-first-lab")


def test_a_cluster_without_its_controller_is_started_anew(lab_slurm: SlurmLab) -> None:
    lab_slurm.run("slurm-daemons", "stop-controller", user="root")
    site.up(lab_slurm.lab, ["slurm"], lab_slurm.suite)
    assert "main" in lab_slurm.run("sinfo", "--noheader")
