"""One sidecar for the tests that need nothing special of it."""

from collections.abc import Iterator

import pytest

from tests.integration.interlink_slurm.sidecar import Sidecar, a_sidecar
from tests.lab.fixtures import SlurmLab


@pytest.fixture(scope="session")
def sidecar(lab_slurm: SlurmLab) -> Iterator[Sidecar]:
    """Running."""
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        yield sidecar
