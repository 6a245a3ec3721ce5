"""How much a directory holds, for the size limits of emptyDir volumes."""

import os
from typing import Any, Dict, List, Optional

BLOCK_BYTES = 512  # the unit of st_blocks (stat(2))


def used_bytes(directory: str) -> int:
    """What all files in it take on the disk; what vanishes meanwhile, or may not be read, counts nothing."""
    total = 0
    for path, _, names in os.walk(directory.encode()):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * BLOCK_BYTES
            except OSError:
                continue
    return total


def overfull(limits: List[Dict[str, Any]], root: str) -> Optional[str]:
    """Words about the first volume that holds more than it may; None when there is none. Blocks."""
    for limit in limits:
        if used_bytes(os.path.join(root, limit["directory"])) > limit["size_bytes"]:
            # As kubelets say it.
            return 'Usage of EmptyDir volume "%s" exceeds the limit "%s".' % (limit["volume"], limit["text"])
    return None
