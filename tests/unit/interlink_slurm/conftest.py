import pytest

from tests.unit.interlink_slurm.fake_slurm import FakeSlurm
from tests.unit.interlink_slurm.site import Clock, Site


@pytest.fixture
async def site(tmp_path):
    site = Site(tmp_path, FakeSlurm(), Clock())
    yield site
    site.pool.close()
