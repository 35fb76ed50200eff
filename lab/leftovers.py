# SPDX-License-Identifier: GPL-2.0-only
"""
Ends the programs that an interrupted run would leave, and removes its temporary files.

The emulator ends with whoever started it (machine.py). A build does not: make ends its shells, and
these leave a compiler behind. So `python3 -m lab` takes the orphans of its programs over and
ends them when a signal ends it. A process of pytest that is interrupted ends its programs, because
its tests would wait for them.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.paths import BUILD
from lab.unpack import remove

# Programs get so long to end by themselves, in seconds.
_PATIENCE = 3
_PR_SET_CHILD_SUBREAPER = 36


def _parents() -> dict[int, int]:
    """{pid: parent} of all processes that live."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(folder.name)] = int(parent)
    return found


def descendants(pid: int) -> list[int]:
    """The processes below a process, those that it started itself first."""
    parents = _parents()
    found: list[int] = []
    todo = [pid]
    while todo:
        children = [child for child, parent in parents.items() if parent in todo]
        found += children
        todo = children
    return found


def _end(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_descendants() -> None:
    """Ends every process below this one: asks once, and kills what is there after a while."""
    asked: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while left := descendants(os.getpid()):
        if time.monotonic() > deadline:
            _end(left, signal.SIGKILL)
        _end(set(left) - asked, signal.SIGTERM)
        asked |= set(left)
        time.sleep(0.05)
        with contextlib.suppress(ChildProcessError):
            # The orphans are nobody's else to wait for.
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@contextlib.contextmanager
def ending_all() -> Iterator[None]:
    """Around a command: when a signal ends it, all that it has started ends too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    except SystemExit as stopped:
        if stopped.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            end_descendants()
            sweep()
        raise


def end_children_from_now() -> None:
    """
    Ends the children of this process, and those that it still starts, until it ends itself. Each is
    asked once, so that it can end its own; after a while it is killed.
    """
    threading.Thread(target=_end_children, daemon=True).start()


def _end_children() -> None:
    since: dict[int, float] = {}
    while True:
        now = time.monotonic()
        children = [pid for pid, parent in _parents().items() if parent == os.getpid()]
        _end([pid for pid in children if pid not in since], signal.SIGTERM)
        for pid in children:
            since.setdefault(pid, now)
        _end([pid for pid in children if now - since[pid] > _PATIENCE], signal.SIGKILL)
        time.sleep(0.1)


def sweep() -> None:
    """Removes the temporary files of machines whose run was killed; what is in use stays."""
    place = BUILD / "run"
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.name.startswith(("tmp", "npu2-")) and not _is_used(str(path)):
            with contextlib.suppress(FileNotFoundError):
                remove(path)


def _is_used(path: str) -> bool:
    """Says whether a process has a file open, or one below it, or was called with its name."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if path in (folder / "cmdline").read_bytes().decode(errors="replace"):
                return True
            for link in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(link).startswith(path):
                        return True
    return False
