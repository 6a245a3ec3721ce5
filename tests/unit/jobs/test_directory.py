from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.directory import JobDirectory, list_job_directories
from dte.runtime.errors import Refused

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"


def test_a_directory_has_upstreams_name() -> None:
    assert JobDirectory(Path("/exa"), "my-ns", UID).path == Path(f"/exa/my-ns-{UID}")


@pytest.mark.parametrize("namespace", ["", "..", "a/b", "A", "-a", "a-", "a\n", "a" * 64, "ä"])
def test_a_namespace_that_is_no_dns_label_is_refused(namespace: str) -> None:
    with pytest.raises(Refused, match="DNS label"):
        JobDirectory(Path("/exa"), namespace, UID)


@pytest.mark.parametrize("uid", ["", "..", "x", UID.upper(), UID + "/..", "{" + UID + "}", UID.replace("-", "")])
def test_a_uid_that_kubernetes_does_not_write_is_refused(uid: str) -> None:
    with pytest.raises(Refused, match="UUID"):
        JobDirectory(Path("/exa"), "default", uid)


@given(name=st.text())
def test_no_container_name_leads_out_of_the_directory(name: str) -> None:
    directory = JobDirectory(Path("/exa"), "default", UID)
    try:
        path = directory.log(name)
    except Refused:
        return
    assert path.parent == directory.path


def test_listing_finds_job_directories_and_nothing_else(tmp_path: Path) -> None:
    wanted = [JobDirectory(tmp_path, "a", UID), JobDirectory(tmp_path, "a-b", UID)]
    for directory in wanted:
        directory.path.mkdir()
    (tmp_path / ".notices").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / f"c-{UID}").write_text("a file")
    assert list(list_job_directories(tmp_path)) == wanted
