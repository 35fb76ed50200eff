# SPDX-License-Identifier: GPL-2.0-only
"""Live progress on standard error: one moving line on a terminal, sparse lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable

_lock = threading.Lock()
_sink: Callable[[str], object] | None = None  # pylint: disable=invalid-name  # no constant


def redirect(sink: Callable[[str], object] | None) -> None:
    """Sends every line to `sink(text)` instead (a test runner that owns the terminal)."""
    global _sink  # pylint: disable=global-statement,invalid-name  # there is one standard error
    _sink = sink


def note(text: str) -> None:
    """One line of progress."""
    with _lock:
        if _sink:
            _sink(text)
        else:
            print(f"lab: {text}", file=sys.stderr, flush=True)


class ProgressReporter:
    """Tells how far something of known size is: often on a terminal, else every 10 s."""

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        self.live = sys.stderr.isatty() and not _sink
        self.last = time.monotonic()
        note(f"{what} ({_size(total)})")

    def update(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last < (0.2 if self.live else 10):
            return
        self.last = now
        text = f"{self.what}: {_size(done)} of {_size(self.total)}"
        if self.live:
            print(f"\r\033[Klab: {text}", end="", file=sys.stderr, flush=True)
        else:
            note(text)

    def close(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB"
