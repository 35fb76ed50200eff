# SPDX-License-Identifier: GPL-2.0-only
"""
Entries of the cache go by themselves when nothing has used them for a month.

    python3 -m lab cache [--prune]

An entry is one thing that is made at once: a kernel, a set of headers, a private root, a source.
A program that needs one calls used() before looking whether it is there. Its stamp, a file below .used,
then has the time, and a shared lock on it that lasts as long as the process. prune() removes what
is old and takes the exclusive lock first, so that it never removes what a process at work may
read. An entry is renamed into .gone, and only then deleted: what an interrupted removal leaves
there goes next time.
"""

import contextlib
import fcntl
import os
import re
import stat
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab.errors import LabError
from lab.paths import cache
from lab.progress import note
from lab.unpack import remove

DAYS = 30
VARIABLE = "NVLINK2_CACHE_DAYS"
_DAY = 86400
_STAMPS, _GONE = ".used", ".gone"
# Folders with an entry in each of their files and folders, and folders that are one entry.
_MANY = ("kernels", "headers", "roots", "source", "clang-tree", "apt", "libc-dev",
         "build-trees")
_ONE = ("busybox", "kernel-doc", "reference-kernel", "ccache", "debs")
# The kernels that the lab builds; of each there is an archive, and what is unpacked of it.
_KERNELS, _ARCHIVE = "*-kernel", ".tar.xz"
# The locks of this process, by the entry's folder.
_held: dict[Path, int] = {}


class Entry(NamedTuple):
    """An entry: its name, when it was used last (None: not known), and whether a process uses it."""
    name: str
    last: float | None
    busy: bool


def days() -> float:
    """After how many days without use an entry goes; 0 for never."""
    text = os.environ.get(VARIABLE, "").strip() or str(DAYS)
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise LabError(f"{VARIABLE}={text}: expected a number of days, 0 for never")
    return number


def _stamp(name: str) -> Path:
    return cache() / _STAMPS / urllib.parse.quote(name, safe="")


def used(path: str | Path) -> Path:
    """
    Marks the entry that a path of the cache is, and keeps it until this process ends. Call it
    before looking whether the entry is there. Returns the path.
    """
    path = Path(path)
    if path not in _held:
        stamp = _stamp(str(path.relative_to(cache())))
        _held[path] = _locked(stamp, fcntl.LOCK_SH)
        os.utime(_held[path])
    return path


def _locked(stamp: Path, how: int) -> int:
    """The descriptor of a stamp with a lock on it; whoever removes an entry removes its stamp too."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(stamp, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), os.stat(stamp)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def entries() -> list[Entry]:
    """Every entry of the cache, the one that was used last first."""
    home = cache()
    found: dict[str, None] = {}
    for path in sorted(home.iterdir()) if home.is_dir() else ():
        if path.name in _ONE:
            found[path.name] = None
        elif path.name in _MANY or path.match(_KERNELS):
            for part in sorted(path.iterdir()):
                name = _name(part, path.match(_KERNELS))
                if name:
                    found[f"{path.name}/{name}"] = None
    known = [Entry(name, *_state(name)) for name in found]
    return sorted(known, key=lambda entry: -(entry.last or 0))


def _paths(name: str) -> list[Path]:
    """
    Returns the files and folders of an entry as they are now. A kernel's archive comes first: without
    it the kernel is not there.
    """
    path = cache() / name
    return [part for part in (path.with_name(f"{path.name}{_ARCHIVE}"), path,
                              path.with_name(f".{path.name}.draft")) if os.path.lexists(part)]


def _name(path: Path, kernel: bool) -> str | None:
    """The name of the entry that a file or folder belongs to, which may be its draft; None for no entry."""
    name = re.sub(r"^\.(.*)\.draft$", r"\1", path.name)
    if kernel:
        # There are the folders of a build as well, and records of versions.
        name = name.removesuffix(_ARCHIVE) if re.match(r"\d+\.\d+-", name) else "."
    return None if name.startswith(".") else name


def _state(name: str) -> tuple[float | None, bool]:
    """(when an entry was used last, whether a process uses it)"""
    folder, _, part = name.partition("/")
    # A kernel's archive is touched at each use, before the kernel has a stamp.
    stamps = [_stamp(name), cache() / folder / f"{part}{_ARCHIVE}"]
    if folder == "libc-dev":
        # The ABI gate fetches it, and leaves no mark but the lock of the folder.
        stamps.append(cache() / "libc-dev/.lock")
    times = [path.stat().st_mtime for path in stamps if path.exists()]
    busy = False
    if stamps[0].exists():
        try:
            os.close(_locked(stamps[0], fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            busy = True
    return (max(times) if times else None), busy


def prune() -> list[str]:
    """
    Removes what was not used for so many days, and what an interrupted removal has left, and says
    what it was. The names of what went.
    """
    limit = days()
    home = cache()
    if not limit or not home.is_dir():
        return []
    with _alone() as alone:
        if not alone:
            return []
        left = _delete_gone()
        gone = [entry.name for entry in reversed(entries()) if _remove(entry, limit * _DAY)]
        room = left + _delete_gone()
    if gone:
        note(f"cache: {', '.join(gone)} not used for {limit:g} days: removed, {room / 1e9:.1f} GB "
             f"({VARIABLE}=0 keeps all)")
    elif room:
        note(f"cache: the rest of an interrupted removal is gone, {room / 1e9:.1f} GB")
    return gone


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Yields True when no other process removes entries, and keeps others from it."""
    folder = cache() / _STAMPS
    folder.mkdir(exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("cache: another process removes what is old")
            yield False
            return
        yield True


def _remove(entry: Entry, limit: float) -> bool:
    """Moves an old entry out of the way when no process uses it; whether it did."""
    stamp = _stamp(entry.name)
    if entry.last is None:
        # It is older than the stamps are: its time begins now.
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()
        return False
    if entry.busy or time.time() - entry.last <= limit:
        return False
    try:
        descriptor = _locked(stamp, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        # It may have been used since it was looked at.
        if os.fstat(descriptor).st_mtime > entry.last:
            return False
        place = cache() / _GONE
        place.mkdir(exist_ok=True)
        for path in _paths(entry.name):
            if path.is_dir():
                # Packages carry write-protected folders, and such a one cannot be moved.
                path.chmod(0o755)
            path.rename(place / f"{os.getpid()}-{time.monotonic_ns()}")
        stamp.unlink()
    finally:
        os.close(descriptor)
    return True


def at_end() -> None:
    """prune() at the end of a run, which does not fail for it."""
    try:
        prune()
    except (LabError, OSError) as error:
        note(f"cache: {error}")


def _delete_gone() -> int:
    """Deletes what was moved out of the way; how many bytes that were."""
    place = cache() / _GONE
    room = 0
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        room += size(path)
        remove(path)
    return room


def size(path: Path) -> int:
    """The bytes of the disk that a file or folder takes."""
    seen: set[int] = set()
    todo: list[str | Path] = [path]
    total = 0
    while todo:
        current = todo.pop()
        try:
            status = os.lstat(current)
            if stat.S_ISDIR(status.st_mode):
                todo += [entry.path for entry in os.scandir(current)]
        except FileNotFoundError:
            # Somebody else works here.
            continue
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            total += status.st_blocks * 512
    return total


def show() -> str:
    """A line for each entry: its size, when it was used last, and whether a process uses it."""
    lines, total = [], 0
    for entry in entries():
        room = sum(map(size, _paths(entry.name)))
        total += room
        last = "not known"
        if entry.last is not None:
            last = time.strftime("%Y-%m-%d", time.localtime(entry.last))
        lines.append(f"{room / 1e6:8.1f} MB  {last:10}  {'in use' if entry.busy else '':6}  {entry.name}")
    limit = days()
    goes = f"what is not used for {limit:g} days goes" if limit else "nothing goes by itself"
    return "\n".join([*lines, f"{total / 1e6:8.1f} MB in {cache()}; {goes}"]) + "\n"
