"""The configuration file."""

import pytest

from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.runtime.address import TcpAddress
from dte.runtime.errors import ConfigError
from dte.runtime.settings import settings_from


def problems(raw):
    with pytest.raises(ConfigError) as caught:
        settings_from(VirtualKubeletSettings, raw, "vk.yaml")
    return caught.value.problems


def test_the_smallest_file_starts_with_these_defaults(raw_settings):
    settings = settings_from(VirtualKubeletSettings, raw_settings, "vk.yaml").settings
    assert (settings.status_interval_s, settings.ping_interval_s, settings.lease_duration_s) == (5, 30, 40)
    assert settings.kubelet_address == TcpAddress("0.0.0.0", 10250)
    assert settings.interlink_tls is None


def test_an_empty_file_names_every_key_that_is_required():
    keys = {line.split(": ")[1] for line in problems({})}
    assert keys == {
        "NodeName",
        "NodeIP",
        "KubeletCertFile",
        "KubeletKeyFile",
        "KubeletClientCAFile",
        "InterlinkURL",
    }


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        pytest.param("NodeNam", "vk", "unknown key", id="a typing error"),
        pytest.param("NodeName", "Vega CPU", "match pattern", id="no name of a node"),
        pytest.param("KubeletCertFile", "/absent.pem", "no such file", id="a missing file"),
        pytest.param("KubeletListen", "unix:///run/k.sock", "write address:port", id="a kubelet on a socket"),
        pytest.param("InterlinkURL", "http://site.example", "unencrypted", id="secrets in clear"),
        pytest.param("InterlinkURL", "unix://relative", "unix:///absolute/path", id="a relative socket"),
        pytest.param("StatusInterval", 0, "greater than or equal to 1", id="a hammer"),
        pytest.param("NodeIP", "edge.example", "does not appear to be", id="a name for an address"),
        pytest.param("NodeLabels", ["novalue"], "name=value", id="a label without value"),
        pytest.param("Resources", {"CPU": "-4"}, "quantity", id="negative cores"),
        pytest.param("TLS", {"Enabled": True, "CertFile": "/c.pem"}, "belong together", id="half a key pair"),
    ],
)
def test_a_bad_value_is_named_with_its_key(raw_settings, key, value, words):
    (line,) = [line for line in problems({**raw_settings, key: value}) if words in line]
    assert line.startswith(f"vk.yaml: {key}")


@pytest.mark.parametrize("url", ["http://127.0.0.1:3000", "http://localhost:3000", "http://[::1]:3000"])
def test_plain_http_is_fine_on_loopback(raw_settings, url):
    settings_from(VirtualKubeletSettings, {**raw_settings, "InterlinkURL": url}, "vk.yaml")


def test_plain_http_elsewhere_is_an_explicit_choice(raw_settings):
    raw = {**raw_settings, "InterlinkURL": "http://site.example", "InterlinkPort": "3000", "HTTP": {"Insecure": True}}
    settings = settings_from(VirtualKubeletSettings, raw, "vk.yaml").settings
    assert settings.interlink_address == TcpAddress("site.example", 3000)


def test_upstreams_spellings_are_read_and_its_other_keys_accepted_with_a_warning(raw_settings):
    del raw_settings["NodeIP"]
    raw = {
        **raw_settings,
        "PodIP": "192.0.2.10",
        "InterlinkURL": "https://site.example",
        "InterlinkPort": "3000",
        "KubernetesApiPort": "",
        "Resources": {"CPU": 100, "Memory": "3000G", "Pods": "10000"},
        "VKConfigPath": "/etc/interlink/InterLinkConfig.yaml",
        "SkipDownwardAPIResolution": True,
    }
    loaded = settings_from(VirtualKubeletSettings, raw, "vk.yaml")
    assert loaded.settings.internal_ip == "192.0.2.10"
    assert loaded.settings.interlink_address == TcpAddress("site.example", 3000)
    assert loaded.settings.resources.cpu == "100"
    assert [line.split(": ")[1] for line in loaded.warnings] == ["SkipDownwardAPIResolution", "VKConfigPath"]
