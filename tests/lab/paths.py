# SPDX-License-Identifier: GPL-2.0-only
"""Where things are. Everything the lab writes is below build/ or in the cache folder."""

import contextlib
import fcntl
import os
from pathlib import Path

from .progress import note

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"


def cache():
    """
    The folder of everything that is fetched or built once, which all clones of a user share.
    NVLINK2_CACHE names another one; else it is in the user's cache folder, as XDG has it.
    """
    named = os.environ.get("NVLINK2_CACHE")
    if named:
        return Path(named).absolute()
    # The specification tells programs to ignore a relative path.
    home = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (home if home.is_absolute() else Path.home() / ".cache") / "vfio-nvlink2"


@contextlib.contextmanager
def locked(folder):
    """One process at a time works in a folder. The lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for other work in {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomic(path, data):
    """Writes bytes or text so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    if isinstance(data, str):
        data = data.encode()
    draft.write_bytes(data)
    draft.replace(path)
