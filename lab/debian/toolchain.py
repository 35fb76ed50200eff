# SPDX-License-Identifier: GPL-2.0-only
"""
A newer Debian release's cross compiler, without installing it.

Its programs, and the build tools of its kernels, want that release's C library. They run by the
loader and with the libraries of the private root they come from: each is replaced by a script that
says so. No root, no chroot, no container.
"""

import shlex
from pathlib import Path

from lab.debian import privateroot
from lab.paths import locked

CROSS = "powerpc64le-linux-gnu-"
# libelf and libssl are what the kernel's own build tools are linked with.
_PACKAGES = ("gcc-powerpc64le-linux-gnu", "libelf1t64", "libssl3t64", "zlib1g")
# Debian 12's sparse does not know the words of newer headers; of this one, which could use much
# more, only the checker itself is wanted.
_BARE = ("sparse",)
_FOLDERS = ("usr/bin", "usr/libexec/gcc-cross")
_READY = ".wrapped"


def root_of(suite: str, refresh: bool = False) -> privateroot.PrivateRoot:
    """The private root with the compiler. Takes the cache's lock."""
    return privateroot.packages(suite, list(_PACKAGES), refresh=refresh, bare=_BARE)


def bin_folder(suite: str) -> Path:
    """The folder with the cross compiler's names, to stand first in PATH."""
    root = root_of(suite)
    names = root.path / "cross"
    with locked(root.path):
        if not (root.path / _READY).exists():
            for folder in _FOLDERS:
                wrap(root.path / folder, root)
            names.mkdir(exist_ok=True)
            tools = root.path / "usr/bin"
            for path in [*sorted(tools.glob(f"{CROSS}*")), *(tools / name for name in _BARE)]:
                link = names / path.name
                link.unlink(missing_ok=True)
                link.symlink_to(path)
            (root.path / _READY).touch()
    return names


def wrap(folder: Path, root: privateroot.PrivateRoot) -> None:
    """
    Puts a script in the place of each dynamic program below a folder, which then runs by the loader
    and with the libraries of the root; a second time does nothing.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.endswith(".elf"):
            continue
        loader = _loader(path)
        if not loader:
            continue
        program = path.with_name(f".{path.name}.elf")
        path.rename(program)
        # With its own place given, a compiler finds the parts that stand beside it.
        words = [root.file(loader), "--inhibit-cache", "--library-path", root.library_path(),
                 "--argv0", path, program]
        path.write_text(f"#!/bin/sh\nexec {shlex.join(map(str, words))} \"$@\"\n", "utf-8")
        path.chmod(0o755)


def _loader(path: Path) -> str | None:
    """The loader a program names, None when it is no dynamic program."""
    with open(path, "rb") as handle:
        if handle.read(4) != b"\x7fELF":
            return None
    return privateroot.interpreter(Path(path))
