"""A job from its claim to its exit code."""

import json
import os
import signal
import sys
from typing import Optional

from .files import claim, say
from .launcher import set_process_option
from .pod import WATCHED_SIGNALS, Pod

HELD_BY_ANOTHER_JOB = 73
"""Exit code of a job that found the pod's directory claimed: it has run nothing."""
PR_SET_CHILD_SUBREAPER = 36


def code_of_finished_run(directory: str, job_id: str) -> Optional[int]:
    """Exit code of this very job, had it already finished before it was requeued; else None."""
    try:
        with open(os.path.join(directory, "status.json"), "rb") as file:
            status = json.loads(file.read().decode())
        if status["job_id"] != job_id or status["finished_at"] is None:
            return None
        return int(status["exit_code"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def main(job_id: str) -> int:
    # Before anything else: a stop that arrives from now on waits until somebody looks.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
    directory = os.path.dirname(os.path.abspath(sys.argv[0]))
    os.chdir(directory)
    with open("spec.json", "rb") as file:
        spec = json.loads(file.read().decode())
    os.umask(spec["umask"])
    holder = claim(directory, job_id)
    if holder != job_id:
        say("job %s holds the claim on this pod; job %s runs nothing" % (holder, job_id))
        return HELD_BY_ANOTHER_JOB
    code = code_of_finished_run(directory, job_id)
    if code is not None:
        say("this pod has run to its end already")
        return code
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    return Pod(directory, job_id, spec).run()
