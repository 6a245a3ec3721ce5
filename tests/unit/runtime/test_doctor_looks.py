"""Verdicts on units, clocks, tokens and directories, and the looks that can be taken anywhere."""

import base64
import json
import os
import pwd
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.runtime.accounts import Account, account_named
from dte.runtime.doctor import clock, listeners, places, tokens, units
from dte.runtime.doctor.findings import Level
from dte.runtime.errors import BadOutput, NotFound, Unavailable

ME = account_named(pwd.getpwuid(os.getuid()).pw_name)
OTHER = Account("twin01", ME.uid + 1, ME.gid, (), "/")
UP = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "0"}
RESTARTED = {**UP, "NRestarts": "7"}
GOOD = places.DirectoryFacts(
    is_directory=True,
    uid=OTHER.uid,
    mode=0o700,
    free_bytes=1 << 40,
    total_bytes=2 << 40,
    free_inodes=10**6,
    total_inodes=10**7,
)


def changed(**facts: object) -> places.DirectoryFacts:
    values = {name: getattr(GOOD, name) for name in GOOD.__slots__}
    return places.DirectoryFacts(**(values | facts))  # type: ignore[arg-type]


# Units


def at(second: int) -> dict[str, str]:
    """When the unit became active."""
    return {"ActiveEnterTimestampMonotonic": str(second * 1_000_000)}


def test_units_are_told_apart_and_a_value_may_hold_an_equals_sign() -> None:
    found = units.parse_show("Id=a.service\nResult=x=y\n\nId=b.socket\nActiveState=active\n")
    assert found == {
        "a.service": {"Id": "a.service", "Result": "x=y"},
        "b.socket": {"Id": "b.socket", "ActiveState": "active"},
    }


@given(st.text())
def test_any_output_of_systemctl_can_be_read(text: str) -> None:
    for unit, properties in units.parse_show(text).items():
        units.judge_unit(unit, properties, 0.0)
        units.main_pid(properties)


@pytest.mark.parametrize(
    ("properties", "level", "words"),
    [
        pytest.param(UP, Level.OK, "is active", id="up"),
        pytest.param(None, Level.CRITICAL, "is not installed", id="not there"),
        pytest.param({**UP, "ActiveState": "failed", "Result": "signal"}, Level.CRITICAL, "failed (signal)", id="down"),
        pytest.param({**UP, "UnitFileState": "disabled"}, Level.WARNING, "after a reboot", id="disabled"),
        pytest.param({**RESTARTED, **at(9_000)}, Level.WARNING, "restarted 7 times", id="falls over"),
        pytest.param({**RESTARTED, **at(1_000)}, Level.OK, "is active", id="fell over long ago"),
    ],
)
def test_a_unit_is_judged_by_what_systemd_says(properties: dict[str, str] | None, level: Level, words: str) -> None:
    finding = units.judge_unit("u.service", properties, now=10_000.0)
    assert finding.level is level
    assert words in finding.text


# Clock


@pytest.mark.parametrize(
    ("offset", "level"),
    [(0.4, Level.OK), (-1.9, Level.OK), (5, Level.WARNING), (-5, Level.WARNING), (90, Level.CRITICAL)],
)
def test_clocks_that_differ_are_judged_by_how_much(offset: float, level: Level) -> None:
    assert clock.judge_offset(offset, "the API").level is level


def test_the_side_is_told() -> None:
    assert "30 s ahead of" in clock.judge_offset(30, "the API").text
    assert "30 s behind" in clock.judge_offset(-30, "the API").text


def test_a_date_header_gives_the_offset() -> None:
    [finding] = clock.judge_date("Sun, 06 Nov 1994 08:49:37 GMT", "the API", 784111777 + 10)
    assert "10 s ahead" in finding.text


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(date: str | None) -> None:
    assert clock.judge_date(date, "the API", 0.0) == []


@given(st.text())
def test_any_date_header_can_be_read(text: str) -> None:
    clock.judge_date(text, "x", 0.0)


def test_chronys_offset_is_the_fifth_field() -> None:
    said = "C0A80001,ntp1.example,3,1700000000.123,-0.000012,0.000001,0.00002,1.5,0.0,0.03,0.01,0.002,64.5,Normal\n"
    assert clock.parse_chrony(said) == -0.000012


@given(st.text())
def test_any_output_of_chrony_can_be_read(text: str) -> None:
    offset = clock.parse_chrony(text)
    assert offset is None or isinstance(offset, float)


@pytest.mark.parametrize(("said", "level"), [("yes\n", Level.OK), ("no\n", Level.WARNING), ("", Level.UNKNOWN)])
def test_timedatectl_tells_whether_the_clock_is_kept(said: str, level: Level) -> None:
    assert clock.judge_timedatectl(said).level is level


# Tokens


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("claims", "level", "words"),
    [
        pytest.param({"iat": 0, "exp": 1000}, Level.OK, "8 minutes left", id="half of its life"),
        pytest.param({"iat": 0, "exp": 540}, Level.WARNING, "expires in 40 s", id="nearly over"),
        pytest.param({"iat": 0, "exp": 500 - 7200}, Level.CRITICAL, "expired 2 hours ago", id="over"),
        pytest.param({"exp": 500 + 1800}, Level.WARNING, "expires in 30 minutes", id="no iat, half an hour"),
        pytest.param({}, Level.WARNING, "never expires", id="no exp"),
        pytest.param({"exp": True}, Level.WARNING, "never expires", id="exp is no number"),
    ],
)
def test_a_token_is_judged_by_its_end(claims: dict[str, object], level: Level, words: str) -> None:
    finding = tokens.judge_token("token", tokens.parse_token(token(**claims)), 500)
    assert finding.level is level
    assert words in finding.text


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda text: f"a.{text}.b"),
        st.binary().map(lambda data: f"a.{base64.urlsafe_b64encode(data).decode().rstrip('=')}.b"),
    )
)
def test_what_is_no_token_is_refused_without_being_quoted(text: str) -> None:
    try:
        tokens.parse_token(text)
    except BadOutput as error:
        assert str(error) in ("it is no JSON Web Token", "its claims cannot be read")


# Directories


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        pytest.param(GOOD, Level.OK, "twin01 can write", id="good"),
        pytest.param(places.DirectoryFacts(error="No such file"), Level.CRITICAL, "No such file", id="not there"),
        pytest.param(changed(is_directory=False), Level.CRITICAL, "not a directory", id="a file"),
        pytest.param(changed(uid=0), Level.CRITICAL, "belongs to uid 0", id="owner"),
        pytest.param(changed(mode=0o777), Level.CRITICAL, "written by others", id="open"),
        pytest.param(changed(mode=0o755), Level.WARNING, "open to others", id="readable"),
        pytest.param(changed(write_error="Disk quota exceeded"), Level.CRITICAL, "Disk quota exceeded", id="quota"),
        pytest.param(changed(free_bytes=100 << 20), Level.WARNING, "100 MiB free", id="space"),
        pytest.param(changed(free_inodes=10), Level.WARNING, "10 inodes free", id="inodes"),
        pytest.param(changed(free_inodes=0, total_inodes=0), Level.OK, "can write", id="inodes are not counted"),
        pytest.param(changed(free_bytes=9 << 20, total_bytes=10 << 20), Level.OK, "can write", id="small, but empty"),
    ],
)
def test_a_directory_is_judged_as_its_account_meets_it(facts: places.DirectoryFacts, level: Level, words: str) -> None:
    [finding] = places.judge_directory(Path("/exa"), facts, OTHER)
    assert finding.level is level
    assert words in finding.text


async def test_a_look_at_a_directory_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("me")
    facts = await places.look_at_directory(tmp_path, ME, file="owner")
    assert (facts.is_directory, facts.uid, facts.content, facts.write_error) == (True, ME.uid, "me", "")
    assert facts.offset_s is not None
    assert abs(facts.offset_s) < 60
    assert [path.name for path in tmp_path.iterdir()] == ["owner"]


async def test_a_directory_that_is_not_there_is_told_with_the_systems_words(tmp_path: Path) -> None:
    assert (await places.look_at_directory(tmp_path / "x", ME)).error == "No such file or directory"


async def test_a_look_that_hangs_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "owner")  # nobody ever writes to it: the probe's open() blocks
    monkeypatch.setattr(places, "PROBE_LIMIT_S", 1.0)
    with pytest.raises(Unavailable, match="did not end within 1 s"):
        await places.look_at_directory(tmp_path, ME, file="owner")


async def test_a_socket_nobody_listens_on_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        assert await places.connect_error(tmp_path / "s", ME) == "Connection refused"
        bound.listen()
        assert await places.connect_error(tmp_path / "s", ME) == ""


def test_an_account_that_there_is_not_is_told_by_name() -> None:
    with pytest.raises(NotFound, match="no local account nobody-of-that-name"):
        account_named("nobody-of-that-name")


# Listeners


@pytest.mark.parametrize(
    ("status", "text", "level", "words"),
    [
        pytest.param(200, "ok\n", Level.OK, "it serves", id="ready"),
        pytest.param(503, "no poll yet\n", Level.CRITICAL, "no poll yet", id="not ready"),
        pytest.param(None, "Connection refused", Level.CRITICAL, "Connection refused", id="nobody there"),
    ],
)
def test_readiness_is_told_with_the_daemons_reason(status: int | None, text: str, level: Level, words: str) -> None:
    finding = listeners.judge_readiness(status, text, "u")
    assert finding.level is level
    assert words in finding.text


def test_a_file_in_the_place_of_a_socket_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    for path, words in ((tmp_path / "s", "not a socket"), (tmp_path / "t", "no such socket")):
        problem = listeners.socket_problem(path)
        assert problem is not None
        assert words in problem.text
