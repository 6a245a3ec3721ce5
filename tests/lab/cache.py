"""What survives a lab: images, binaries, libraries, each in a directory named by the hash of its recipe."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

KEPT_UNUSED_S = 30 * 24 * 3600.0


def cache_root() -> Path:
    """DTE_CACHE, else ~/.cache/intertwin-dte."""
    return Path(os.environ.get("DTE_CACHE") or Path.home() / ".cache" / "intertwin-dte").absolute()


def key_of(*ingredients: str | bytes) -> str:
    """16 hexadecimal digits that differ as soon as an ingredient or its place differs."""
    digest = hashlib.sha256()
    for ingredient in ingredients:
        data = ingredient.encode() if isinstance(ingredient, str) else ingredient
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()[:16]


def forget_unused(folder: Path) -> None:
    """Remove entries that nobody asked for in KEPT_UNUSED_S: the images of weeks past."""
    now = time.time()
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink() and now - entry.stat().st_mtime > KEPT_UNUSED_S:
            shutil.rmtree(entry, ignore_errors=True)


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The directory `<cache>/<kind>/<key>`, filled by `make` when it is not there yet.

    `make` writes into an empty directory that takes its final name only when it is complete. Concurrent
    callers, other processes too, wait for the one that makes it.
    """
    folder = cache_root() / kind
    wanted = folder / key
    if wanted.is_dir():
        os.utime(wanted)
        return wanted
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted.is_dir():
            return wanted
        unfinished = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(wanted)
            forget_unused(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return wanted
