"""How much of a message is kept, and of what."""

import os
from pathlib import Path

import pytest

from dte.interlink.jobs.supervisor.termination import last_words, message


@pytest.mark.parametrize(("containers", "size"), [(1, 4096), (3, 4096), (6, 2048), (100, 122)])
def test_containers_share_what_a_pod_may_say(tmp_path: Path, containers: int, size: int) -> None:
    (tmp_path / "m").write_bytes(b"x" * 10_000)
    assert len(message(str(tmp_path / "m"), containers)) == size
    assert len(last_words(str(tmp_path / "m"), containers)) == min(size, 2048)


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"a\xff\0b")
    assert message(str(tmp_path / "m"), 1) == "a\N{REPLACEMENT CHARACTER}\0b"


def test_what_is_not_a_file_says_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert [message(str(tmp_path / name), 1) for name in ("fifo", "link", "none")] == ["", "", ""]
