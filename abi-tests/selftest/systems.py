# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own <linux/vfio.h>, out of Debian's linux-libc-dev of several releases."""

import shutil
from pathlib import Path

from abigate.origins import cut
from lab.debian.apt import Apt, host_architecture
from lab.paths import cache, locked
from lab.unpack import make_once, unpack

#: {suite: the series of Linux it has}; a suite moves on within its series, forky beyond it.
SUITES = {"bookworm": "6.1", "trixie": "6.12", "forky": "7.2"}


def headers(suite: str) -> Path:
    """The kernel's headers as a suite has them now, kept in the cache: a directory of includes."""
    apt = Apt(f"libc-dev-{suite}", [(suite, [host_architecture()])])
    folder = cache() / "libc-dev"
    with locked(folder):
        apt.refresh()
        file, = apt.resolve(["linux-libc-dev"])
        target = folder / file.spec.partition("=")[2].replace("~", "_")
        if not target.exists():
            deb, = apt.fetch(["linux-libc-dev"], f"linux-libc-dev of {suite}")
            make_once(target, lambda draft: unpack(deb, draft, ["./usr/include/linux/*",
                                                                "./usr/include/asm-generic/*"]))
            deb.unlink()
    return target / "usr/include"


def without_nvlink2(folder: Path, into: Path) -> Path:
    """A <linux/vfio.h> as the deletion of Linux 5.13 would have left it, other headers beside it."""
    shutil.copytree(folder, into)
    path = into / "linux/vfio.h"
    path.write_text(cut(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path
