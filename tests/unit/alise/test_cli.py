"""The commands of an administrator, on a database of a test."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from dte.alise.cli import app
from tests.unit.alise.site import DEMO, Site


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command sends the logs to its own standard error, which is gone when it ends."""
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers = handlers
    structlog.reset_defaults()


def run(site: Site, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--config", str(site.config_file)])
    return result.exit_code, result.stdout.strip()


async def test_a_key_is_made_listed_used_and_revoked(site: Site) -> None:
    path = "/api/v1/target/fac/validate_apikey/"
    status, key = run(site, "keys", "create", "--site", "fac", "--name", "teapot", "--days", "30")
    assert status == 0
    # The daemon of a test hashes with a secret of its own; the command made one in the state directory.
    assert (site.config_file.parent / "key-hash-secret").exists()
    made = json.loads(run(site, "keys", "list", "--json")[1])[-1]
    assert (made["name"], made["state"], made["expires_at"] - made["created_at"]) == ("teapot", "active", 30 * 86400)
    assert key not in json.dumps(made)
    assert run(site, "keys", "revoke", str(made["id"]), "--site", "fac") == (0, f"revoked key {made['id']} (teapot)")
    assert run(site, "keys", "revoke", str(made["id"]), "--site", "fac")[0] == 1
    assert "revoked" in run(site, "keys", "list", "--site", "fac")[1]
    assert (await site.get(path + key))[2] == '{"apikey":false}'


def test_a_link_is_listed_and_removed(site: Site) -> None:
    assert "a1b2" in run(site, "links", "list", "--site", "fac", "--search", "alice")[1]
    command = ("links", "remove", "--site", "fac", "--issuer", DEMO, "--subject", "a1b2")
    assert run(site, *command) == (0, "unlinked a1b2 from account alice1")
    assert run(site, *command)[0] == 1
    assert run(site, "export", "--site", "fac") == (0, "alice1 0123abcd@egi.eu")


@pytest.mark.parametrize("command", [("keys", "list", "--site", "x"), ("export", "--site", "x")])
def test_a_site_that_is_not_there_is_a_fault_of_the_configuration(site: Site, command: tuple[str, ...]) -> None:
    assert run(site, *command)[0] == 78


def test_check_tells_of_every_file_that_does_not_fit(site: Site) -> None:
    assert run(site, "check") == (0, f"{site.config_file}: ok")
    text = site.config_file.read_text().replace(
        "client_id = alise-egi", "client_id = x\nca_file = /none\nclient_secret_file = /none"
    )
    site.config_file.write_text(text)
    result = CliRunner().invoke(app, ["check", "--config", str(site.config_file)])
    assert result.exit_code == 78
    assert "client_secret_file: cannot read /none" in result.stderr


def test_the_helpers_of_upstream(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["urlencode", "a b/c", "d"]).stdout == "a+b%2Fc\nd\n"
    assert runner.invoke(app, ["hashencode", DEMO, DEMO]).stdout == "cacf747aa0b06d924453aaf75ab14aa5430c0a2b\n" * 2
    assert runner.invoke(app, ["hashencode"], input=f"{DEMO}\n").stdout == "cacf747aa0b06d924453aaf75ab14aa5430c0a2b\n"
