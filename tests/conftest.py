"""Fixtures that stand on real systems, for all tests; they start nothing until a test asks for them."""

from tests.lab.fixtures import lab_kube, lab_slurm

__all__ = ["lab_kube", "lab_slurm"]
