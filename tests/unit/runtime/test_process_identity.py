"""Processes told apart by what cannot be reused."""

import os
import subprocess
from dataclasses import replace

from dte.runtime import process_identity
from dte.runtime.process_identity import is_alive, start_time, this_process, this_process_or_unknown


def test_this_process_lives():
    me = this_process()
    assert me.pid == os.getpid()
    assert me.started == start_time(os.getpid())
    assert is_alive(me, me) is True


def test_one_that_ended_does_not():
    child = subprocess.Popen(["true"])
    child.wait()
    me = this_process()
    assert is_alive(replace(me, pid=child.pid), me) is False


def test_another_with_the_same_pid_is_not_it():
    me = this_process()
    assert is_alive(replace(me, started=me.started + 1), me) is False


def test_of_another_boot_or_container_nothing_is_known():
    me = this_process()
    assert is_alive(replace(me, boot_id="other"), me) is None
    assert is_alive(replace(me, pid_namespace="pid:[0]"), me) is None


def test_where_proc_is_hidden_a_process_is_like_no_other(monkeypatch, tmp_path):
    monkeypatch.setattr(process_identity, "_BOOT_ID", tmp_path / "hidden")
    one, other = this_process_or_unknown(), this_process_or_unknown()
    assert one.pid == os.getpid()
    assert is_alive(one, other) is None
