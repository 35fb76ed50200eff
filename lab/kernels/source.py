# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's source, from Debian's linux-source package of the series the tests run on."""

import re
import subprocess
import time
from pathlib import Path

from lab.ageing import used
from lab.debian.apt import Apt, Package
from lab.errors import LabError
from lab.paths import cache, locked
from lab.progress import note
from lab.unpack import make_once, remove_tree, unpack


def package(apt: Apt, series: str) -> tuple[Package, str]:
    """The package file of a series' source as the signed index has it, and its version."""
    apt.refresh()
    file, = apt.resolve([f"linux-source-{series}"])
    return file, file.spec.partition("=")[2]


def tree(apt: Apt, series: str) -> Path:
    """The unpacked source of a series, kept in the cache (1.5 GB); nobody writes into it."""
    file, version = package(apt, series)
    folder = cache() / "source"
    target = folder / f"{series}-{re.sub('[^A-Za-z0-9.]', '_', version)}"
    with locked(folder):
        used(target)
        if not target.exists():
            deb, = apt.download([file], f"linux-source-{series}")
            make_once(target, lambda draft: _unpack(deb, draft, series))
            deb.unlink()
            for other in folder.glob(f"{series}-*"):
                if other != target:
                    remove_tree(other)
    return target


def have(series: str) -> Path | None:
    """The unpacked source of a series in the cache, or None."""
    for path in sorted((cache() / "source").glob(f"{series}-*"), reverse=True):
        # It may go before it is marked.
        if used(path).exists():
            return path
    return None


def kept(apt: Apt, series: str) -> Path:
    """The unpacked source of a series as the cache has it; only when it has none, a new one."""
    return have(series) or tree(apt, series)


def _unpack(deb: Path, draft: Path, series: str) -> None:
    raw = draft / ".raw"
    unpack(deb, raw, ["./usr/src/linux-source-*.tar.xz"])
    archive, = raw.glob("usr/src/*.tar.xz")
    started = said = time.monotonic()
    note(f"unpacking the source of Linux {series} (1.5 GB, about a minute)")
    with subprocess.Popen(["tar", "-xJf", str(archive), "--no-same-owner", "--strip-components=1",
                           "-C", str(draft)], stderr=subprocess.PIPE, text=True) as tar:
        try:
            while tar.poll() is None:
                time.sleep(0.2)
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    note(f"unpacking: {said - started:.0f} s")
        except BaseException:
            tar.kill()
            raise
        if tar.returncode:
            assert tar.stderr, "it is a pipe"
            raise LabError(f"{deb.name} cannot be unpacked: {tar.stderr.read().strip()}")
    remove_tree(raw)
