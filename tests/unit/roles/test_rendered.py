"""What the roles write is what the daemons accept and what systemd would run."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from dte.interlink.api.settings import ApiSettings
from dte.interlink.sidecars.slurm.settings import SlurmSettings
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.runtime.settings import load_settings, settings_from

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "roles" / "golden"
NAMES = (
    "interlink-api.service",
    "interlink-api.socket",
    "interlink-api.yaml",
    "interlink-slurm-twin02.yaml",
    "interlink-slurm@.service",
    "interlink-slurm@.socket",
    "virtual-kubelet-vega-gpu.yaml",
    "virtual-kubelet@.service",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_the_recorded_one(rendered: Path, name: str) -> None:
    if os.environ.get("DTE_RECORD"):  # DTE_RECORD=1 pytest ... writes the recorded files anew
        GOLDEN.mkdir(exist_ok=True)
        shutil.copyfile(rendered / name, GOLDEN / name)
    assert (rendered / name).read_text() == (GOLDEN / name).read_text()


def test_the_slurm_sidecar_accepts_its_file(rendered: Path) -> None:
    loaded = load_settings(SlurmSettings, rendered / "interlink-slurm-twin02.yaml")
    assert loaded.warnings == ()
    settings = loaded.settings
    assert (str(settings.data_root_folder), settings.slurm_account) == ("/exa/twin02/interlink", "d2026-07")
    assert settings.flavors["gpu"].gres_map == {"nvidia.com/gpu": "gpu:h100"}
    assert settings.nodes["vega-cpu"].partitions == ("cpu", "largemem")
    assert (settings.admin.listen, settings.umask) == ("127.0.0.1:9111", 0o027)


def test_the_interlink_api_accepts_its_file(rendered: Path) -> None:
    loaded = load_settings(ApiSettings, rendered / "interlink-api.yaml")
    assert loaded.warnings == ()
    first, second = loaded.settings.accounts
    assert (first.name, str(first.socket)) == ("twin01", "/run/dte/interlink-slurm/twin01.sock")
    assert second.namespaces == ["physics", "lofar-*"]
    assert str(loaded.settings.listen_address()) == "0.0.0.0:443"


def test_the_virtual_kubelet_accepts_its_file(rendered: Path, tmp_path: Path) -> None:
    raw = yaml.safe_load((rendered / "virtual-kubelet-vega-gpu.yaml").read_text())
    file = tmp_path / "file"
    file.touch()  # it refuses files that are not there
    keys = ("KubeconfigFile", "KubeletCertFile", "KubeletKeyFile", "KubeletClientCAFile")
    raw |= dict.fromkeys(keys, str(file))
    raw["TLS"] |= dict.fromkeys(("CertFile", "KeyFile", "CACertFile"), str(file))
    settings = settings_from(VirtualKubeletSettings, raw, "file").settings
    assert settings.node_labels == ("accelerator=h100",)
    assert (settings.node_taints[0].key, settings.ping_interval_s) == ("vega.example/gpu", 60)
    assert (settings.kubelet_address.port, settings.admin.listen) == (10251, "127.0.0.1:9131")
