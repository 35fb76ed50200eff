# SPDX-License-Identifier: GPL-2.0-only
"""A shell in the machine, for debugging: busybox of the guest's own Debian release."""

import contextlib
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

from lab.ageing import used
from lab.debian.apt import Apt
from lab.kernels.flavours import GUEST_ARCH, RELEASE
from lab.paths import cache, locked
from lab.unpack import make_once, unpack


def busybox() -> Path:
    """A static busybox for the guest."""
    target = cache() / "busybox"
    with locked(cache()):
        used(target)
        if not target.exists():
            apt = Apt(f"{RELEASE}-{GUEST_ARCH}", [(RELEASE, [GUEST_ARCH])])
            apt.refresh()
            deb, = apt.fetch([f"busybox-static:{GUEST_ARCH}"], "busybox")
            make_once(target, lambda draft: unpack(deb, draft))
            deb.unlink()
    return next(path for path in (target / "bin/busybox", target / "usr/bin/busybox")
                if path.exists())


@contextlib.contextmanager
def terminal() -> Iterator[None]:
    """Gives the terminal back as it was: the emulator makes it raw and is killed then."""
    if not sys.stdin.isatty():
        yield
        return
    saved = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
