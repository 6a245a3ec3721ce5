"""The cache of what labs are made of."""

import os
import time
from pathlib import Path

import pytest

from tests.lab.cache import KEPT_UNUSED_S, cached, key_of


def test_ingredients_that_join_to_the_same_text_have_different_keys() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("a") == key_of(b"a")


def test_a_thing_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTE_CACHE", str(tmp_path))
    calls = []

    def make(directory: Path) -> None:
        calls.append(directory)
        (directory / "tool").write_text("x")

    first, second = cached("tool", "k", make), cached("tool", "k", make)
    assert first == second == tmp_path / "tool" / "k"
    assert len(calls) == 1
    assert (first / "tool").read_text() == "x"


def test_a_thing_that_failed_half_way_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTE_CACHE", str(tmp_path))

    def fail(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        cached("tool", "k", fail)
    assert not (tmp_path / "tool" / "k").exists()
    assert [entry.name for entry in (tmp_path / "tool").iterdir()] == [".k.lock"]


def test_what_nobody_used_for_long_goes_when_something_new_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DTE_CACHE", str(tmp_path))
    old, used = (cached("tool", key, lambda directory: None) for key in ("old", "used"))
    long_ago = time.time() - KEPT_UNUSED_S - 60
    for entry in (old, used):
        os.utime(entry, (long_ago, long_ago))
    assert cached("tool", "used", lambda directory: None) == used
    cached("tool", "new", lambda directory: None)
    assert not old.exists()
    assert used.exists()
