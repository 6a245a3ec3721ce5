"""Events in, lines out: one line for each task with what it did on each host, and the words of a failure below it."""

from dte.site.events import Event, HostResult, Outcome, PlayStarted, TaskStarted, messages

MAX_MESSAGE_LINES = 20
"""Of one failed task and host; a page of standard error hides what matters."""
TITLE_WIDTH = 76


class Progress:
    """Gathers the results of the running task; `feed` gives the lines that are complete."""

    def __init__(self) -> None:
        self._play = ""
        self._play_shown = False
        self._task: TaskStarted | None = None
        self._results: list[HostResult] = []

    @property
    def current(self) -> str:
        """The running task, for a terminal's last line; empty when there is none."""
        return f"  {_title(self._task)} ..." if self._task else ""

    def feed(self, event: Event) -> list[str]:
        """Take an event in; the lines to print now."""
        match event:
            case PlayStarted(name):
                lines = self.finish()
                self._play, self._play_shown = name, False
                return lines
            case TaskStarted():
                lines = self.finish()
                self._task = event
                return lines
            case HostResult():
                self._results.append(event)
                return []

    def finish(self) -> list[str]:
        """The lines of the task that ran last. A task that was skipped everywhere gives none."""
        task, results = self._task, [item for item in self._results if item.outcome is not Outcome.SKIPPED]
        self._task, self._results = None, []
        if task is None or not results:
            return []
        lines = [] if self._play_shown else [self._play]
        self._play_shown = True
        return [*lines, task_line(task, results), *failure_lines(results)]


def task_line(task: TaskStarted, results: list[HostResult]) -> str:
    """`  role: task   edge ok, federation changed`."""
    outcomes = ", ".join(f"{item.host} {item.outcome.value}" for item in results)
    return f"  {_title(task):<{TITLE_WIDTH}} {outcomes}"


def failure_lines(results: list[HostResult]) -> list[str]:
    """`    edge: what the module said`, for each host where the task failed and the playbook did not expect it."""
    lines = []
    for item in results:
        if item.outcome in (Outcome.FAILED, Outcome.UNREACHABLE) and not item.ignored:
            said = messages(item.result) or ["no reason given"]
            lines += [f"    {item.host}: {line.removeprefix(f'{item.host}: ')}" for line in said[:MAX_MESSAGE_LINES]]
    return lines


def _title(task: TaskStarted | None) -> str:
    if task is None:
        return ""
    title = f"{task.role}: {task.name}" if task.role else task.name
    return title if len(title) <= TITLE_WIDTH else f"{title[: TITLE_WIDTH - 3]}..."
