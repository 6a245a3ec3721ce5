from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.parse import (
    Exit,
    NodeLine,
    parse_exit,
    parse_job_id,
    parse_sacct,
    parse_sinfo,
    parse_squeue,
    parse_time,
)
from dte.runtime.errors import BadOutput

DATA = Path(__file__).parent / "data"
RECORDED = ["22.05", "24.11"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", Exit(0, 0), id="22.05 exit 0"),
        pytest.param("768", Exit(3, 0), id="22.05 exit 3"),
        pytest.param("51200", Exit(200, 0), id="22.05 exit 200"),
        pytest.param("9", Exit(0, 9), id="22.05 signal 9"),
        pytest.param("15", Exit(0, 15), id="22.05 signal 15"),
        pytest.param("4021", Exit(1, 0), id="22.05 output file cannot be opened"),
        pytest.param("3:0", Exit(3, 0), id="24.11 exit 3"),
        pytest.param("0:9", Exit(0, 9), id="24.11 signal 9"),
        pytest.param("0:125", Exit(0, 125), id="24.11 out of memory"),
    ],
)
def test_an_exit_code_is_read_in_each_encoding(text, expected):
    assert parse_exit(text) == expected


@pytest.mark.parametrize("text", ["", ":", "3:", ":9", "a", "-1", "3:0:0", "٣", "1" * 30, "1:" + "1" * 9])
def test_an_exit_code_in_no_encoding_is_bad_output(text):
    with pytest.raises(BadOutput):
        parse_exit(text)


@pytest.mark.parametrize("version", RECORDED)
def test_every_recorded_job_is_read_with_its_state_exit_and_name(version):
    jobs = {job.name: job for job in parse_squeue((DATA / f"squeue-{version}.txt").read_text()).jobs}

    assert {name: (jobs[name].state, jobs[name].exit) for name in ("exit0", "exit3", "exit200", "signal9")} == {
        "exit0": ("COMPLETED", Exit(0, 0)),
        "exit3": ("FAILED", Exit(3, 0)),
        "exit200": ("FAILED", Exit(200, 0)),
        "signal9": ("FAILED", Exit(0, 9)),
    }
    assert jobs["timelimit"].state == "TIMEOUT"
    assert jobs["cancelrun"].state == jobs["cancelpend"].state == "CANCELLED"
    assert jobs["nodefail"].state == "NODE_FAIL"
    assert jobs["running"].state == "SUSPENDED"
    assert jobs["exit0"].comment == "dte1:default/exit0/default/"
    assert jobs["exit0"].work_dir == "/exa/twin01/d"


@pytest.mark.parametrize("version", RECORDED)
def test_a_comment_with_a_line_end_costs_one_line_and_no_job(version):
    text = (DATA / f"squeue-{version}.txt").read_text()

    listing = parse_squeue(text)

    assert listing.bad_lines == ("lines|with pipe|",)
    assert len(listing.jobs) == len(text.splitlines()) - 1


@pytest.mark.parametrize("version", RECORDED)
def test_an_absent_comment_is_empty_and_absent_times_are_none(version):
    jobs = {job.name: job for job in parse_squeue((DATA / f"squeue-{version}.txt").read_text()).jobs}

    assert jobs["plain"].comment == ""
    assert jobs["begins"].ended_at is None
    assert jobs["exit0"].started_at is not None


def test_recorded_accounting_is_read_with_states_exits_and_times():
    jobs = {job.name: job for job in parse_sacct((DATA / "sacct-24.11.txt").read_text()).jobs}

    assert {name: (job.state, job.exit) for name, job in jobs.items()} == {
        "exit0": ("COMPLETED", Exit(0, 0)),
        "exit3": ("FAILED", Exit(3, 0)),
        "exit200": ("FAILED", Exit(72, 0)),  # accounting loses the top bit
        "signal9": ("FAILED", Exit(0, 9)),
        "timelimit": ("TIMEOUT", Exit(0, 15)),
        "cancelrun": ("CANCELLED", Exit(15, 0)),
        "cancelpend": ("CANCELLED", Exit(0, 0)),
        "held": ("PENDING", Exit(0, 0)),
        "running": ("RUNNING", Exit(0, 0)),
        "a|b": ("COMPLETED", Exit(0, 0)),
    }
    assert jobs["cancelpend"].started_at is None
    assert jobs["exit0"].work_dir == "/exa/twin01/d"


def test_a_state_in_accounting_loses_who_cancelled_it():
    (job,) = parse_sacct("6|CANCELLED by 2001|0:0|1795564413|1795564413|1795564417|/exa/twin01/d|cancelrun\n").jobs

    assert (job.state, job.ended_at) == ("CANCELLED", 1795564417)


@pytest.mark.parametrize(
    ("printed", "job_id"),
    [("12\n", "12"), ("12;twin\n", "12"), ("Welcome to Vega\nquota 1 of 2\n4711;twin\n", "4711")],
)
def test_a_job_id_is_the_last_thing_that_sbatch_prints(printed, job_id):
    assert parse_job_id(printed) == job_id


@pytest.mark.parametrize("printed", ["", "\n", "Submitted batch job\n", "-5\n", "0\n", "--me\n", "12 of twin\n"])
def test_anything_else_is_no_job_id(printed):
    with pytest.raises(BadOutput):
        parse_job_id(printed)


def test_sinfo_of_a_real_cluster_is_read():
    nodes = parse_sinfo((DATA / "sinfo-24.11.txt").read_text())

    assert nodes[0] == NodeLine("n1", 16, 16000, "mix", True, (), "main")
    assert [(node.node, node.partition) for node in nodes][:3] == [("n1", "main"), ("n1", "short"), ("n2", "main")]


def test_generic_resources_are_read_with_and_without_type():
    (node,) = parse_sinfo("g1|64|512000|idle|up|gpu:h100:4(S:0-1),fpga:2|gpu\n")

    assert node.gres == (("gpu:h100", 4), ("fpga", 2))


@pytest.mark.parametrize("line", ["n1|16", "n1|x|1|idle|up|(null)|main", "n1|1|x|idle|up|(null)|main"])
def test_sinfo_of_another_shape_is_bad_output(line):
    with pytest.raises(BadOutput):
        parse_sinfo(line)


@pytest.mark.parametrize("text", ["N/A", "Unknown", "NONE", "", "0", "None", "9" * 30])
def test_a_time_that_has_not_come_is_none(text):
    assert parse_time(text) is None


def test_a_time_in_iso_form_is_this_hosts_local_time():
    assert parse_time("2026-01-01T00:00:00+00:00") == 1767225600
    assert parse_time("2026-01-01T12:00:00") is not None


@given(st.text())
def test_no_text_of_squeue_breaks_the_reader(text):
    listing = parse_squeue(text)

    assert all(job.job_id.isdigit() for job in listing.jobs)


FIELD = st.text(alphabet=st.characters(exclude_characters="|\n"), max_size=20)


@given(st.integers(1, 2**31), FIELD, FIELD, st.text(alphabet=st.characters(exclude_characters="\n"), max_size=40))
def test_a_comment_may_hold_any_character_but_a_line_end(job_id, work_dir, name, comment):
    line = f"{job_id}|{job_id}|RUNNING|0:0|None|1|2|N/A|{work_dir}|{name}|{comment}|\n"

    (job,) = parse_squeue(line).jobs

    assert (job.job_id, job.work_dir, job.name) == (str(job_id), work_dir, name)
    assert job.comment == ("" if comment == "(null)" else comment)
