"""What the sidecar counts; the admin listener serves it at /metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CREATES: Final = Counter("dte_slurm_creates", "Creates answered", ["result"])
DELETES: Final = Counter("dte_slurm_deletes", "Deletes answered", ["result"])
COMMANDS: Final = Counter("dte_slurm_commands", "Slurm commands run", ["program", "result"])
POLLS: Final = Counter("dte_slurm_polls", "Looks at the queue that succeeded")
POLL_SECONDS: Final = Histogram("dte_slurm_poll_seconds", "Time of one look at the queue")
POLL_FAILURES: Final = Counter("dte_slurm_poll_failures", "Looks at the queue that failed")
BAD_OUTPUT: Final = Counter("dte_slurm_bad_output", "Things read that were not understood", ["source"])
JOBS: Final = Gauge("dte_slurm_jobs", "Pods on record", ["state"])
NOTICES: Final = Counter("dte_slurm_notices", "Notices of jobs taken", ["found"])
REMOVAL_FAILURES: Final = Counter("dte_slurm_removal_failures", "Rounds of retention that could not remove something")
KEPT_BYTES: Final = Gauge("dte_slurm_kept_bytes", "Bytes of finished jobs' directories; 0 without RetentionGiB")
