from pathlib import Path

import pytest

from dte.interlink.sidecars.slurm.settings import SlurmSettings
from dte.runtime.address import TcpAddress, UnixAddress
from dte.runtime.errors import ConfigError
from dte.runtime.settings import settings_from

MINIMAL = {"Socket": "unix:///run/s.sock", "DataRootFolder": "/exa/twin01/interlink/"}


def load(**changes):
    return settings_from(SlurmSettings, {**MINIMAL, **changes}, "twin01.yaml").settings


def problems(**changes):
    with pytest.raises(ConfigError) as refusal:
        load(**changes)
    return refusal.value.problems


def test_a_socket_and_a_job_root_are_enough():
    settings = load()

    assert settings.address == UnixAddress(Path("/run/s.sock"))
    assert settings.data_root_folder == Path("/exa/twin01/interlink")
    assert settings.umask == 0o027


def test_a_port_means_loopback():
    assert load(Socket="", SidecarPort="4000").address == TcpAddress("127.0.0.1", 4000)


def test_upstreams_other_keys_are_accepted_with_a_warning():
    loaded = settings_from(SlurmSettings, {**MINIMAL, "Tsocks": False, "VKTokenFile": "/x"}, "f")

    assert len(loaded.warnings) == 2


def test_all_problems_come_in_one_report():
    found = problems(
        PollInterval="fast",
        DataRootFolder="relative",
        DefaultFlavor="nosuch",
        Nodes={"n": {"Partitions": [], "DefaultFlavor": "other"}},
        FlagsAllowed=["arr"],
        JobUmask="27x",
        NoSuchKey=1,
    )

    keys = [problem.split(": ")[1] for problem in found]
    assert keys == sorted(
        [
            "DataRootFolder",
            "DefaultFlavor",
            "FlagsAllowed",
            "JobUmask",
            "NoSuchKey",
            "Nodes.n.Partitions",
            "PollInterval",
        ]
    )
    assert all(problem.startswith("twin01.yaml: ") for problem in found)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"Socket": "tcp://0.0.0.0:4000"}, "unix:///path", id="another scheme"),
        pytest.param({"Socket": "http://0.0.0.0:4000"}, "loopback", id="open to the network"),
        pytest.param({"Socket": ""}, "SidecarPort: either Socket or SidecarPort", id="no address"),
        pytest.param({"SbatchPath": "ssh 'host"}, "SbatchPath: No closing quotation", id="open quote"),
        pytest.param({"SbatchPath": ""}, "SbatchPath: must name a program", id="no program"),
        pytest.param({"DataRootFolder": "/exa/%u"}, "%", id="percent in the job root"),
        pytest.param({"DataRootFolder": "/exa/../etc"}, "..", id="dots in the job root"),
        pytest.param({"ContainerRuntime": "singularity"}, "set ContainerRuntime: plain", id="runtime of later"),
        pytest.param({"ContainerRuntime": "docker"}, "ContainerRuntime", id="unknown runtime"),
        pytest.param({"JobUmask": 23}, "JobUmask", id="umask as a number"),
        pytest.param({"Flavors": {"a": {"SlurmFlags": ["--job-name=x"]}}}, "--job-name", id="owned option"),
        pytest.param({"Flavors": {"a": {"SlurmFlags": ["--array=1-2"]}}}, "--array", id="refused option"),
        pytest.param({"Flavors": {"a": {"FlagsForced": ["-z"]}}}, "-z", id="unknown option"),
        pytest.param({"Flavors": {"a": {"UID": 2002}}}, "a sidecar for each account", id="another user"),
        pytest.param({"Flavors": {"a": {"Time": 43200}}}, "Flavors.a.Time", id="a time that YAML made a number"),
        pytest.param({"FlagsForced": ["--uid=0"]}, "FlagsForced.0", id="uid"),
        pytest.param({"FlagsAllowed": ["export"]}, "export", id="owned option allowed"),
        pytest.param({"Flavors": {"a": {"MemoryDefault": "many"}}}, "16G", id="no memory size"),
        pytest.param({"Nodes": {"n": {"Partitions": ["p"], "DefaultFlavor": "x"}}}, "'x'", id="flavor of a node"),
        pytest.param({"PollInterval": 0}, "greater than or equal to 1", id="bounds"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(changes, text):
    assert text in "\n".join(problems(**changes))


def test_a_list_of_allowed_options_knows_options_without_value():
    assert load(FlagsAllowed=["exclusive", "time", "contiguous"]).flags_allowed is not None
