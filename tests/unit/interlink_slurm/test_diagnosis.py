"""What the doctor's looks at Slurm and at the owner file mean."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm import diagnosis
from dte.interlink.sidecars.slurm.doctor import _pod_of
from dte.interlink.sidecars.slurm.drain import Drain
from dte.interlink.sidecars.slurm.settings import SlurmSettings
from dte.runtime.commands import Completed
from dte.runtime.doctor.findings import Finding, Level
from dte.runtime.process_identity import ProcessIdentity

HERE = ProcessIdentity("edge", "boot-1", 100, 5000)
CONFIG = """\
Configuration data as of 2026-01-01T00:00:00
MaxJobCount             = 10000
MinJobAge               = 300 sec
SLURM_VERSION           = 24.11.5

Cgroup Support Configuration:
AllowedRAMSpace         = 100.0%
"""


def said(status: int, stderr: str = "") -> Completed:
    return Completed(status, b"", stderr.encode())


def test_settings_of_the_controller_are_read_line_by_line() -> None:
    config = diagnosis.parse_config(CONFIG)
    assert (config["SLURM_VERSION"], config["MinJobAge"], config["AllowedRAMSpace"]) == ("24.11.5", "300 sec", "100.0%")


@given(st.text())
def test_any_output_of_slurm_can_be_read(text: str) -> None:
    config = diagnosis.parse_config(text)
    diagnosis.judge_versions(text, config)
    diagnosis.judge_job_age(config, 5.0)
    diagnosis.seconds_of(text)


@pytest.mark.parametrize(
    ("client", "level", "words"),
    [
        pytest.param("slurm 24.11.5", Level.OK, "24.11", id="the same"),
        pytest.param("slurm-wlm 22.05.8", Level.OK, "22.05, controller 24.11", id="older"),
        pytest.param("slurm 25.05.0", Level.CRITICAL, "refuses newer commands", id="newer"),
        pytest.param("command not found", Level.UNKNOWN, "not understood", id="no version"),
    ],
)
def test_commands_may_be_older_than_the_controller_and_never_newer(client: str, level: Level, words: str) -> None:
    finding = diagnosis.judge_versions(client, diagnosis.parse_config(CONFIG))
    assert finding.level is level
    assert words in finding.text


def test_three_polls_must_fit_into_the_time_that_slurm_remembers_a_job() -> None:
    config = diagnosis.parse_config(CONFIG)
    assert diagnosis.judge_job_age(config, 100.0) is None
    late = diagnosis.judge_job_age(config, 101.0)
    assert late is not None
    assert late.advice == "set PollInterval to at most 100"
    assert diagnosis.judge_job_age({}, 101.0) is None


def test_munge_is_told_with_its_own_words() -> None:
    assert diagnosis.judge_munge(said(0), said(0)).level is Level.OK
    down = diagnosis.judge_munge(said(6, "munge: Error: Failed to access the socket"), None)
    assert (down.level, "Failed to access the socket" in down.text) == (Level.CRITICAL, True)
    assert "Rewound credential" in diagnosis.judge_munge(said(0), said(17, "unmunge: Error: Rewound credential")).text


@pytest.mark.parametrize(
    ("words", "level"),
    [
        pytest.param("sbatch: Job 7 to start at 2026-01-01T00:00:00", Level.OK, id="taken"),
        pytest.param("allocation failure: Invalid account or partition", Level.CRITICAL, id="final"),
        pytest.param("allocation failure: Required partition not available", Level.WARNING, id="again"),
        pytest.param("error: no\nallocation failure: Job violates accounting/QOS policy", Level.WARNING, id="policy"),
    ],
)
def test_a_flavor_is_judged_by_what_sbatch_says_of_it(words: str, level: Level) -> None:
    finding = diagnosis.judge_submit("gpu", said(0 if level is Level.OK else 1, words))
    assert finding.level is level
    assert "gpu" in finding.text
    assert level is Level.OK or words.splitlines()[-1] in finding.text


def owned(owner: ProcessIdentity | None, started: int | None, pid: int | None, content: str | None = "{}") -> Finding:
    return diagnosis.judge_owner(content, owner, HERE, started, pid)


@pytest.mark.parametrize(
    ("finding", "level", "words"),
    [
        pytest.param(owned(HERE, 5000, 100), Level.OK, "held by this sidecar", id="ours"),
        pytest.param(owned(HERE, 5000, 200), Level.CRITICAL, "pid 100 of this host", id="another one here"),
        pytest.param(owned(HERE, None, 200), Level.CRITICAL, "pid 100, which is gone", id="dead, and we run"),
        pytest.param(owned(HERE, None, None), Level.OK, "next start takes it over", id="dead, and we do not run"),
        pytest.param(
            owned(HERE, 9999, None), Level.OK, "next start takes it over", id="the pid is somebody else's now"
        ),
        pytest.param(
            owned(ProcessIdentity("edge", "boot-0", 100, 5000), 5000, None),
            Level.OK,
            "which is gone",
            id="before a reboot",
        ),
        pytest.param(
            owned(ProcessIdentity("edge2", "boot-9", 7, 1), None, 200),
            Level.CRITICAL,
            "on host edge2 (pid 7)",
            id="foreign",
        ),
        pytest.param(owned(None, None, 200, None), Level.CRITICAL, "is gone", id="removed under a running one"),
        pytest.param(owned(None, None, None, None), Level.OK, "nobody holds", id="nobody"),
        pytest.param(owned(None, None, 200), Level.CRITICAL, "cannot be read", id="garbage"),
    ],
)
def test_the_owner_of_a_job_root_is_judged(finding: Finding, level: Level, words: str) -> None:
    assert finding.level is level
    assert words in finding.text
    assert finding.advice or level is Level.OK


def test_a_drain_is_told_with_its_reason_to_those_whom_it_holds() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    over = Drain("old", until=now)
    assert diagnosis.judge_drains([over, Drain("x", account="twin02")], now, "twin01")[0].level is Level.OK
    [finding] = diagnosis.judge_drains([over, Drain("new kernel", node="vega-gpu")], now, "twin01")
    assert finding.level is Level.WARNING
    assert finding.text == "virtual node vega-gpu: the site takes no new jobs: new kernel"


def test_a_flavor_is_tried_on_a_node_that_has_its_partition() -> None:
    settings = SlurmSettings.model_validate(
        {
            "SidecarPort": 1,
            "DataRootFolder": "/exa",
            "Flavors": {"gpu": {"Partition": "gpu"}, "lost": {"Partition": "lost"}},
            "Nodes": {"a": {"Partitions": ["cpu"]}, "b": {"Partitions": ["gpu"]}},
        }
    )
    pod = _pod_of(settings, "gpu")
    assert pod is not None
    assert pod["spec"]["nodeName"] == "b"
    assert _pod_of(settings, "lost") is None
