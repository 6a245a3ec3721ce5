"""The page for operators says what the settings are."""

import re

import yaml
from prometheus_client.metrics import MetricWrapperBase

from dte.interlink.sidecars.slurm import metrics
from dte.interlink.sidecars.slurm.flags import OWNED_FLAGS, REFUSED_FLAGS
from dte.interlink.sidecars.slurm.settings import SlurmSettings
from dte.runtime.settings import settings_from
from tests.unit.interlink_slurm.settings_table import PAGE, page_with_tables

TEXT = PAGE.read_text()


def test_the_tables_of_keys_are_those_of_the_settings():
    assert page_with_tables(TEXT) == TEXT, "run python -m tests.unit.interlink_slurm.settings_table"


def test_the_example_is_a_good_configuration():
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

    assert settings_from(SlurmSettings, yaml.safe_load(example), "example").warnings == ()


def test_every_owned_and_every_refused_option_is_named():
    owned, refused = (set(re.findall(r"`--([a-z-]+)`", line)) for line in TEXT.splitlines() if line.startswith("| `--"))

    assert (owned, refused) == (set(OWNED_FLAGS), set(REFUSED_FLAGS))


def test_every_metric_is_named():
    ours = [item for item in vars(metrics).values() if isinstance(item, MetricWrapperBase)]
    names = [metric.name for item in ours for metric in item.describe()]

    assert len(names) == 11
    assert [name for name in names if name not in TEXT] == []
