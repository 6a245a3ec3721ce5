"""Where the kernel counts what it killed for want of memory."""

from pathlib import Path

import pytest

from dte.interlink.jobs.supervisor.memory import count_oom_kills

EVENTS = "low 0\nhigh 0\nmax 51\noom 2\noom_kill 2\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"


@pytest.mark.parametrize(
    ("groups", "files", "count"),
    [
        ("0::/job_29/step_batch/task_0\n", {"job_29/step_batch/task_0/memory.events": EVENTS}, 2),
        ("0::/job_29/step_batch/task_0\n", {"job_29/memory.events": EVENTS}, 2),
        ("5:memory:/slurm/job_29\n0::/\n", {"memory/slurm/job_29/memory.oom_control": CONTROL}, 3),
        ("5:cpu,memory:/j\n0::/j\n", {"memory/j/memory.oom_control": CONTROL, "j/memory.events": EVENTS}, 3),
        ("0::/../other\n", {}, None),
        ("0::/job_29\n", {"job_29/memory.events": "oom 1\n"}, None),
        ("nonsense\n", {}, None),
    ],
    ids=["unified", "in a parent", "first hierarchy", "both", "not to be seen", "old kernel", "nonsense"],
)
def test_the_nearest_group_that_counts_is_asked(tmp_path: Path, groups: str, files: dict[str, str], count: int) -> None:
    (tmp_path / "groups").write_text(groups)
    root = tmp_path / "root"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert count_oom_kills(str(tmp_path / "groups"), str(root)) == count


def test_a_machine_without_control_groups_counts_nothing(tmp_path: Path) -> None:
    assert count_oom_kills(str(tmp_path / "none"), str(tmp_path)) is None
