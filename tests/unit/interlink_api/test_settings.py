"""The configuration file: what is refused, and in which words."""

from pathlib import Path
from typing import Any

import pytest

from dte.interlink.api.job_config import JobScriptBuildSettings, job_config
from dte.interlink.api.settings import ApiSettings
from dte.runtime.address import TcpAddress, UnixAddress
from dte.runtime.errors import ConfigError
from dte.runtime.settings import settings_from

TLS = {"Enabled": True, "CertFile": "/c.pem", "KeyFile": "/k.pem", "CACertFile": "/ca.pem"}
TWIN01 = {"Name": "twin01", "Socket": "/run/dte/interlink-slurm/twin01.sock", "Namespaces": ["climate"]}
TWIN02 = {"Name": "twin02", "Socket": "unix:///run/dte/interlink-slurm/twin02.sock", "Namespaces": ["physics"]}


def config(**changes: Any) -> dict[str, Any]:
    whole = {
        "InterlinkAddress": "https://0.0.0.0",
        "InterlinkPort": "3000",
        "TLS": TLS,
        "Accounts": [TWIN01],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def read(**changes: Any) -> ApiSettings:
    return settings_from(ApiSettings, config(**changes), "api.yaml").settings


def problems(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    return caught.value.problems


def test_a_whole_configuration_is_read_with_its_defaults() -> None:
    settings = read(Accounts=[TWIN01, TWIN02])
    assert settings.listen_address() == TcpAddress("0.0.0.0", 3000)
    assert [item.address for item in settings.account_list()] == [
        UnixAddress(Path("/run/dte/interlink-slurm/twin01.sock")),
        UnixAddress(Path("/run/dte/interlink-slurm/twin02.sock")),
    ]
    assert settings.state_directory == Path("/var/lib/dte/interlink-api")


@pytest.mark.parametrize(
    "tls",
    [
        pytest.param(None, id="no TLS"),
        pytest.param({**TLS, "Enabled": False}, id="TLS off"),
        pytest.param({"Enabled": True, "CertFile": "/c.pem", "KeyFile": "/k.pem"}, id="no client CA"),
    ],
)
def test_a_port_that_cannot_know_its_clients_is_refused(tls: dict[str, Any] | None) -> None:
    (problem,) = problems(TLS=tls)
    assert problem.startswith("api.yaml: InterlinkAddress: a TCP port must know its clients")
    assert problem.endswith("(got 'https://0.0.0.0')")


def test_a_unix_socket_needs_no_tls_and_refuses_it() -> None:
    assert read(InterlinkAddress="unix:///run/api.sock", TLS=None).listen_address() == UnixAddress(
        Path("/run/api.sock")
    )
    assert "carries no TLS" in problems(InterlinkAddress="unix:///run/api.sock")[0]


def test_a_port_may_stand_in_the_address() -> None:
    assert read(InterlinkAddress="https://[::1]:3443", InterlinkPort=None).listen_address() == TcpAddress("::1", 3443)


def test_an_address_without_a_port_is_refused() -> None:
    assert problems(InterlinkPort=None)[0].startswith("api.yaml: InterlinkAddress: write host:port")


def test_all_problems_come_at_once() -> None:
    found = problems(
        InterlinkAddress=None, InterlinkPort="many", MaxBodyBytes=-1, Colour="blue", JobScriptTemplate="/x", Accounts=[]
    )
    keys = [problem.split(": ")[1] for problem in found]
    assert keys == ["Accounts", "Colour", "InterlinkAddress", "InterlinkPort", "JobScriptTemplate", "MaxBodyBytes"]


@pytest.mark.parametrize(
    ("second", "text"),
    [
        pytest.param(
            {"Namespaces": ["climate"]}, "'climate' (service accounts '*') is given to twin01 and twin02", id="ns"
        ),
        pytest.param({"Name": "twin01"}, "Name 'twin01' is given more than once", id="name"),
        pytest.param({"Socket": TWIN01["Socket"]}, "twin01.sock' is given more than once", id="socket"),
    ],
)
def test_accounts_must_differ(second: dict[str, Any], text: str) -> None:
    (problem,) = problems(Accounts=[TWIN01, {**TWIN02, **second}])
    assert problem.startswith("api.yaml: Accounts: ")
    assert text in problem


@pytest.mark.parametrize(
    ("item", "key"),
    [
        pytest.param({"Socket": "relative.sock"}, "Accounts.0.Socket", id="relative socket"),
        pytest.param({"Namespaces": []}, "Accounts.0.Namespaces", id="no namespace"),
        pytest.param({"Namespaces": ["Climate Team"]}, "Accounts.0.Namespaces.0", id="impossible namespace"),
        pytest.param({"Name": "-rf"}, "Accounts.0.Name", id="odd name"),
        pytest.param({"Namespace": ["x"]}, "Accounts.0.Namespace", id="unknown key"),
    ],
)
def test_a_faulty_account_is_named_by_its_place(item: dict[str, Any], key: str) -> None:
    assert problems(Accounts=[{**TWIN01, **item}])[0].startswith(f"api.yaml: {key}: ")


def test_upstreams_one_plugin_is_an_account_for_every_namespace() -> None:
    (account,) = read(Accounts=None, SidecarURL="http://127.0.0.1", SidecarPort="4000").account_list()
    assert (account.name, account.address, account.namespaces) == ("default", TcpAddress("127.0.0.1", 4000), ("*",))


@pytest.mark.parametrize("url", ["http://plugin.example:4000", "http://0.0.0.0:4000", "http://192.0.2.1:4000"])
def test_a_plugin_on_another_host_is_refused(url: str) -> None:
    assert "SidecarURL: a plugin has no authentication" in problems(Accounts=None, SidecarURL=url)[0]


@pytest.mark.parametrize("changes", [{"Accounts": None}, {"SidecarURL": "unix:///p.sock"}])
def test_accounts_and_one_plugin_exclude_each_other_and_one_is_required(changes: dict[str, Any]) -> None:
    assert "Accounts: give either Accounts or" in problems(**changes)[0]


def test_a_template_of_job_scripts_is_refused_by_name() -> None:
    assert problems(JobScriptTemplate="/etc/x.tmpl")[0].startswith(
        "api.yaml: JobScriptTemplate: this version builds no"
    )


def test_keys_of_other_programs_are_accepted_and_warned_about() -> None:
    loaded = settings_from(ApiSettings, config(DataRootFolder="/exa", SbatchPath="/usr/bin/sbatch"), "api.yaml")
    assert [text.split(": ")[1] for text in loaded.warnings] == ["DataRootFolder", "SbatchPath"]


def test_a_certificate_without_files_is_refused() -> None:
    assert problems(TLS={"Enabled": True, "CACertFile": "/ca.pem"}) == (
        "api.yaml: TLS: CertFile and KeyFile are required when Enabled is true",
    )


def test_job_config_is_complete_and_in_the_spelling_of_the_wire() -> None:
    build = {"apptainer_options": {"fuse_mode": "server", "no_home": True}, "volumes_options": {"scratch_area": "/s"}}
    sent = job_config(read(JobScriptBuildConfig=build).job_script_build_config)
    assert sent["ApptainerOptions"]["fuseMode"] == "server"
    assert sent["ApptainerOptions"]["noHome"] is True
    assert sent["Volumes"]["scratch_area"] == "/s"
    assert job_config(JobScriptBuildSettings())["Volumes"] == {
        "scratch_area": "",
        "apptainer_cachedir": "",
        "image_dir": "",
        "additional_directories_in_path": None,
        "fuse_sleep_seconds": 0,
    }


def test_the_token_of_the_image_proxy_does_not_show() -> None:
    settings = read(JobScriptBuildConfig={"singularity_hub": {"master_token": "hunter2"}})
    assert "hunter2" not in repr(settings)
    assert job_config(settings.job_script_build_config)["SingularityHubProxy"]["master_token"] == "hunter2"
