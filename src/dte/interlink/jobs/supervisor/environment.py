"""What a container has of the job's environment."""

import os
import pwd
from typing import Dict

GPU_CHOICES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK")
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", *GPU_CHOICES)
INHERITED_PREFIX = "SLURM_"
NEVER_INHERITED = ("SLURM_JWT", "SLURM_EXPORT_ENV")
"""A credential, and what would make srun start its tasks without the container's variables."""


def inherited_environment(job: "os._Environ[bytes]") -> Dict[str, str]:
    """What a container has besides its own variables: of the job's only what it needs to work here."""
    try:
        user = pwd.getpwuid(os.getuid())
        name, home = user.pw_name, user.pw_dir
    except KeyError:  # a node without the site's directory service
        name, home = str(os.getuid()), "/"
    result = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "TMPDIR": "/tmp",  # noqa: S108 - what POSIX calls it when nobody says otherwise
    }
    for raw_name, raw_value in job.items():
        name = raw_name.decode("utf-8", "replace")
        if name in INHERITED or (name.startswith(INHERITED_PREFIX) and name not in NEVER_INHERITED):
            result[name] = raw_value.decode("utf-8", "replace")
    return result
