"""What a job is on disk and inside its allocation, whatever batch system runs it.

`directory` names the files, `spec` and `volumes` turn a pod into what they hold, `prepare` writes them, `supervisor`
runs them on the compute node, `status`, `container_status` and `logs` read what it left. No batch system's word is in
here: commands, states and records of a batch system belong to its sidecar. docs/wire/job-directory.md is the format.
"""
