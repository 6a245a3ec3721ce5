"""The page for operators says what the program does."""

import re
from pathlib import Path

from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings

PAGE = (Path(__file__).parents[3] / "docs" / "virtual-kubelet.md").read_text()


def test_the_table_of_keys_is_the_settings():
    documented = re.findall(r"^\| `(\w+)` \|", PAGE.split("## Configure")[1].split("## A pod's life")[0], re.MULTILINE)
    assert sorted(documented) == sorted(field.alias for field in VirtualKubeletSettings.model_fields.values())


def test_every_metric_is_named():
    names = {name for family in vars(metrics).values() for name in [getattr(family, "_name", None)] if name}
    missing = [name for name in names if name not in PAGE]
    assert missing == []
