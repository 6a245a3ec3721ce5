"""The virtual kubelet as it runs at a federation: its own process with a configuration file."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.progress import wait_for

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
WRITES_METRIC = "dte_vk_api_writes_per_pod"


@dataclass(frozen=True)
class Forgotten:
    """Pods, and requests that changed them or made events of them."""

    pods: int
    writes: int


class KubeletProcess:
    """Started, killed and started again by tests; its log is `log`."""

    def __init__(self, directory: Path, settings: dict[str, object], admin_address: str) -> None:
        self.config = directory / "vk.yaml"
        self.config.write_text(yaml.safe_dump({**settings, "Admin": {"Listen": admin_address}}))
        self.log = directory / "vk.log"
        self._admin = f"http://{admin_address}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        self._launch()
        wait_for("the virtual kubelet", self._missing, START_LIMIT_S)

    def _launch(self) -> None:
        command = [str(Path(sys.executable).parent / "dte"), "virtual-kubelet", "serve", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def _missing(self) -> str | None:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        return self.why_not_ready() or None

    def start_waiting(self) -> None:
        """Returns at once: this one may have to wait for another."""
        self._launch()

    def why_not_ready(self) -> str:
        """What /readyz says; empty when it is ready."""
        try:
            with urllib.request.urlopen(f"{self._admin}/readyz", timeout=2):
                return ""
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except (urllib.error.URLError, OSError) as error:
            return str(error)

    def stop(self) -> int:
        """As systemd stops it; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(STOP_LIMIT_S)

    def forgotten(self) -> "Forgotten":
        """The pods whose life was over since its start."""
        with urllib.request.urlopen(f"{self._admin}/metrics", timeout=5) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        values = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
        return Forgotten(int(values[f"{WRITES_METRIC}_count"]), int(values[f"{WRITES_METRIC}_sum"]))
