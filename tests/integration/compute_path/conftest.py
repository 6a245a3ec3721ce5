"""One running chain for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.compute_path.chain import Chain, a_chain
from tests.lab.fixtures import KubeLab, SlurmLab


@pytest.fixture
def chain(lab_kube: KubeLab, lab_slurm: SlurmLab, tmp_path: Path) -> Iterator[Chain]:
    with a_chain(lab_kube, lab_slurm, tmp_path) as chain:
        yield chain
