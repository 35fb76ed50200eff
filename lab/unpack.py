# SPDX-License-Identifier: GPL-2.0-only
"""Takes Debian package files apart, without root and without dpkg's database."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabError
from lab.paths import disk_full, writing

# Nothing reads these here, and they are most of the files.
_UNREAD = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info",
           "./usr/share/lintian", "./usr/share/zoneinfo")


def unpack(deb: Path, into: Path, members: Sequence[str] = (), some: bool = False) -> None:
    """
    Unpacks a .deb, or only the members that match tar wildcards. A wildcard that matches nothing
    is an error; with `some`, not.
    """
    into.mkdir(parents=True, exist_ok=True)
    tar = ["tar", "-x", "--no-same-owner", "-C", str(into)]
    if members:
        tar += ["--wildcards", *members]
    else:
        tar += [f"--exclude={path}" for path in _UNREAD]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as source:
        assert source.stdout and source.stderr, "they are pipes"
        sink = subprocess.run(tar, stdin=source.stdout, capture_output=True, check=False)
        source.stdout.close()
        errors = source.stderr.read() + sink.stderr
    missing = [line for line in sink.stderr.splitlines() if b"Not found in archive" not in line
               and b"Exiting with failure status" not in line]
    failed = sink.returncode and (missing or not some)
    if failed or source.returncode not in (0, -13):
        said = errors.decode(errors="replace").strip()
        raise LabError(f"cannot unpack {Path(deb).name}: {disk_full(said) or said}")


def unpack_all(debs: Iterable[Path], into: Path) -> None:
    """Unpacks several packages into one folder, two at a time."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        list(pool.map(lambda deb: unpack(deb, into), debs))


def make_once(target: Path, fill: Callable[[Path], object]) -> Path:
    """Makes a folder completely or not at all: `fill(draft)` works in a draft beside it."""
    if target.exists():
        return target
    draft = target.with_name(f".{target.name}.draft")
    remove_tree(draft)
    draft.mkdir(parents=True)
    with writing(target):
        fill(draft)
    draft.rename(target)
    return target


def remove_tree(path: Path) -> None:
    """Removes a folder, also one whose packages carry write-protected folders."""
    if not path.is_symlink() and path.is_dir():
        for folder, _, _ in os.walk(path):
            os.chmod(folder, 0o755)
        shutil.rmtree(path)


def remove(path: Path) -> None:
    """Removes a file or a folder."""
    if path.is_dir():
        remove_tree(path)
    else:
        path.unlink()
