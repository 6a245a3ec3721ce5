"""`dte interlink-api check`, and a start that must not happen."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.interlink_api.site import DTE, Site


async def run(verb: str, config: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(DTE),
        "interlink-api",
        verb,
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def stopped(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.configure()
    return site


async def test_a_good_file_is_ok_and_unused_keys_are_named(stopped: Site) -> None:
    stopped.configure(SbatchPath="/usr/bin/sbatch")
    code, out, err = await run("check", stopped.config_file)
    assert (code, err) == (0, "")
    assert "SbatchPath: accepted, but this daemon does not use it" in out
    assert out.endswith("interlink-api.yaml: ok\n")
    await stopped.close()


@pytest.mark.parametrize("verb", ["check", "serve"])
async def test_every_problem_is_told_and_nothing_starts(stopped: Site, verb: str) -> None:
    stopped.configure(TLS=None, AccountList=[], MaxRequests=0)
    code, out, err = await run(verb, stopped.config_file)
    file = stopped.config_file
    assert (code, out) == (78, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == ["AccountList", "InterlinkAddress", "MaxRequests"]
    assert all(line.startswith(f"{file}: ") for line in err.splitlines())
    await stopped.close()


@pytest.mark.parametrize("verb", ["check", "serve"])
async def test_a_certificate_that_is_not_there_is_told(stopped: Site, verb: str) -> None:
    stopped.server.certificate.unlink()
    code, _, err = await run(verb, stopped.config_file)
    assert code == 78
    assert "api.pem" in err
    assert "Traceback" not in err
    await stopped.close()


async def test_a_table_of_a_running_api_is_not_opened_twice(stopped: Site) -> None:
    await stopped.start()
    code, _, err = await run("serve", stopped.config_file)
    assert code == 78
    assert "is in use by another process" in err
    await stopped.close()
