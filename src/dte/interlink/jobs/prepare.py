"""Writes a planned job to its directory. Blocks: call it through a FilePool."""

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.spec import JobPlan


def write_job(plan: JobPlan, directory: JobDirectory) -> None:
    """Make the directory (0700) if need be and write everything of `plan` into it, and make the notice directory.

    Repeating it, also after a crash at any point, gives the same files; other files in the directory, as the record,
    stay. When it returns, spec, script and supervisor are on disk. Raises OSError.
    """
    raise NotImplementedError
