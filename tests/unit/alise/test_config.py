"""The configuration file: upstream's as it is, every fault at once, no secret in a message."""

from pathlib import Path

import pytest

from dte.alise.ini import find_file
from dte.alise.load import load_alise
from dte.alise.providers import providers_of
from dte.runtime.errors import ConfigError

UPSTREAM = """
[messages]
log_level = WARNING
log_file = /var/log/alise.log
[database]
db_name = alise
[oidc]
oidc_config = .env
[auth.vega]
op_url = https://sso.sling.si:8443/auth/realms/SLING
client_id = alise
client_secret = ${database:db_name}-pa$$word
scopes = profile  openid
    email openid
internal = Yes
username_claim = preferred_username
claims = ["a", "b"]
colour = blue
[auth.google]
op_url = https://accounts.google.com
client_id = g
client_secret = s
internal = no
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "alise.conf"
    path.write_text(text)
    return path


def problems(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_alise(write(directory, text))
    return "\n".join(caught.value.problems)


def test_upstreams_file_is_read_as_upstream_reads_it(tmp_path: Path) -> None:
    loaded = load_alise(write(tmp_path, UPSTREAM))
    vega = loaded.settings.auth["vega"]
    assert (vega.client_secret, vega.scopes, vega.internal) == ("alise-pa$word", ("profile", "openid", "email"), True)
    assert list(loaded.settings.auth) == ["vega", "google-oauth2"]
    texts = "\n".join(loaded.warnings)
    for part in ("auth.vega.colour: unknown key, ignored", "log_file", "oidc_config", "auth.vega.claims", "public_url"):
        assert part in texts


def test_every_fault_is_reported_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        "[server]\nlisten = 0.0.0.0:8000\nworkers = 4\n[auth.a b]\nop_url = http://x\nclient_secret = hush${no:where}\n"
        "[auth.fac]\nop_url = https://op\nclient_id = c\nclient_secret = hush\ninternal = maybe\n"
        "ignore_ssl_errors = true\nusernme_claim = x\nscopes = [1]\n[messages2]\nx = 1\n",
    )
    for part in (
        "server: keys and cookies would travel in clear",
        "server.workers: unknown key",
        "auth.a b.op_url: must be https://",
        "auth.a b.client_id: is required",
        "auth.a b.client_secret: ${...} names no key",
        "auth.fac.internal: must be true, yes, false or no (got 'maybe')",
        "auth.fac.ignore_ssl_errors: certificates are always verified: set ca_file",
        "auth.fac.usernme_claim: unknown key, did you mean username_claim?",
        "auth.fac.scopes: must be words",
        "messages2: unknown section, did you mean messages?",
    ):
        assert part in text
    assert "hush" not in text


SITE = "[auth.fac]\nop_url = https://op\nclient_id = c\ninternal = true\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(SITE.replace("true", "false"), "there is no site", id="no site"),
        pytest.param(SITE.replace("fac", "api"), "cannot be a site's name", id="site named as a path"),
        pytest.param(
            SITE + "".join(f"[auth.e{n}]\nop_url = https://e{'/' * n}\nclient_id = c\n" for n in (0, 1)),
            "e1 and e0 have the same op_url",
            id="one issuer twice",
        ),
        pytest.param(SITE + "services = nobody:x\n", "must be NAME:CLIENT", id="service of an unknown provider"),
        pytest.param("x = 1\n", "line 1 stands before the first [section]", id="no section"),
        pytest.param(SITE + "client_id = d\n", "auth.fac.client_id is given twice", id="key twice"),
        pytest.param("[server]\npublic_url = https://h/path\n" + SITE, "without a path", id="public_url with a path"),
        pytest.param("[server]\ntls_cert_file = /x\n" + SITE, "go together", id="certificate without key"),
        pytest.param("[database]\nurl = mysql://x/y\n" + SITE, "write postgresql://", id="another database"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems(tmp_path, text)


def test_without_config_the_first_of_upstreams_places_is_read(tmp_path: Path) -> None:
    places = [tmp_path / "a.conf", tmp_path / "b.conf"]
    places[1].touch()
    assert find_file(None, places) == places[1]
    assert find_file(tmp_path / "given", places) == tmp_path / "given"
    with pytest.raises(ConfigError, match="give --config FILE"):
        find_file(None, [tmp_path / "none"])


def test_a_secret_comes_from_its_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    settings = load_alise(write(tmp_path, SITE + f"client_secret_file = {tmp_path}/secret\n")).settings
    providers = providers_of(settings)
    assert providers.by_name["fac"].client_secret == "hush"
    assert "hush" not in repr(providers)
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match=r"auth\.fac\.client_secret_file: cannot read"):
        providers_of(settings)
