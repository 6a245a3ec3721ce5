import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.interlink_slurm.fake_slurm import FakeSlurm
from tests.unit.interlink_slurm.site import Clock, Site

MEMORY = Path("/dev/shm")

# No test may depend on how busy the machine is.
settings.register_profile("dte", deadline=None)
settings.load_profile("dte")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where that is possible: every record is fsynced, which a busy disk makes slow."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture
async def site(tmp_path):
    site = Site(tmp_path, FakeSlurm(), Clock())
    yield site
    site.pool.close()
