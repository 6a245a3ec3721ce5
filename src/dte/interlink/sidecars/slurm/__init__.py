"""The Slurm sidecar: the pods of one local account as batch jobs.

Pure, without any I/O: states, parse, refusals, flags, memory, options, shapes, life, record, evidence, matching, job.
Of the rest `commands` alone calls Slurm and `store` (with `owner`) alone touches the job directories; `routes`
decides nothing.
"""
