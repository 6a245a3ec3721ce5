"""Runs the containers of a pod inside its batch job, on the compute node.

`archive.py` beside this package makes one file of it, `supervisor.pyz`, which is copied into the job directory and run
there: `python3 supervisor.pyz JOB_ID`. So the modules here import each other and the standard library, nothing else,
and keep to Python 3.6. What they read and write, when, and what the exit codes mean is in docs/wire/job-directory.md.

Containers are the supervisor's children, each in a session of its own. Signals are blocked in all of its threads and
taken one by one, so that nothing happens between two lines that do not expect it. A container is started by a second
Python that runs `launcher` alone, inside bubblewrap when there are mounts: only there can the program's session,
signals and start errors be had exactly. Text from the specification is encoded as UTF-8, whatever the node's locale.
"""
