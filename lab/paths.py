# SPDX-License-Identifier: GPL-2.0-only
"""Where things are. Everything the lab writes is below build/ or in the cache folder."""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lab.progress import note

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
# The room that a cold run of `make test`, lint included, takes at its peak, in GB: see docs/lab.md.
NEEDED = 7


def cache() -> Path:
    """
    The folder of everything that is fetched or built once, which all clones of a user share.
    NVLINK2_CACHE names another one; else it is in the user's cache folder, as XDG has it.
    """
    named = os.environ.get("NVLINK2_CACHE")
    if named:
        return Path(named).absolute()
    # By the specification programs ignore a relative path.
    home = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (home if home.is_absolute() else Path.home() / ".cache") / "vfio-nvlink2"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time works in a folder. The lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for other work in {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def disk_full(error: BaseException | str) -> str | None:
    """The sentence about a full disk, for an OSError or the text of a program that met one; else None."""
    if isinstance(error, OSError):
        met, file = error.errno in (errno.ENOSPC, errno.EDQUOT), error.filename
    else:
        met, file = os.strerror(errno.ENOSPC) in str(error), None
    if not met:
        return None
    rooms = ", ".join(dict.fromkeys(
        f"{shutil.disk_usage(_there(folder)).free / 1e9:.1f} GB are free in {folder}"
        for folder in (cache(), BUILD)))
    return (f"no room on the disk{f' for {file}' if file else ''}: a whole run needs about {NEEDED} GB "
            f"below {cache()} and {BUILD} together; {rooms}. Free some, or set NVLINK2_CACHE to a folder "
            "on another disk")


def _there(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Names a path in the error of a failed write: Python does not name the file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and not error.filename:
            error.filename = str(path)
        raise


def write_atomic(path: Path, data: bytes | str) -> None:
    """Writes bytes or text so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    if isinstance(data, str):
        data = data.encode()
    try:
        with writing(path):
            draft.write_bytes(data)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
