# SPDX-License-Identifier: GPL-2.0-only
"""
The source of a Debian package as it is built: unpacked with Debian's patches applied, in the
cache. Nothing of it goes into the tree.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from lab.ageing import used
from lab.debian.apt import Apt
from lab.errors import LabError
from lab.kernels import build
from lab.paths import cache, locked
from lab.progress import note
from lab.unpack import make_once, remove_tree


def tree(suite: str, name: str, version: str, keep: Sequence[str]) -> Path:
    """
    The folder with a source package's files.

    suite: Debian's, whose signed index names the files
    name, version: of the source package; another version there is an error, as is none
    keep: the top folders wanted
    """
    target = cache() / "source" / f"{name}-{re.sub('[^A-Za-z0-9.]', '_', version)}"
    with locked(cache() / "source"):
        used(target)
        if not all((target / part).exists() for part in keep):
            remove_tree(target)
            apt = Apt(f"{suite}-source", [(suite, ["amd64"])], sources=True)
            apt.refresh()
            try:
                files = apt.fetch([f"{name}={version}"], f"the source of {name} {version}")
            except LabError as error:
                raise LabError(f"{error}. If the suite has a newer one by now, `/usr/bin/python3 -m "
                               "lab fetch --refresh` brings what was built from it") from None
            make_once(target, lambda draft: _unpack(files, draft, keep))
            for file in files:
                file.unlink()
            for other in target.parent.glob(f"{name}-*"):
                if other != target:
                    remove_tree(other)
    return target


def _unpack(files: Sequence[Path], draft: Path, keep: Sequence[str]) -> None:
    description, = (file for file in files if file.suffix == ".dsc")
    note(f"unpacking {description.stem}")
    raw = draft / ".raw"
    # The files' checksums are the signed index's; whose signature the .dsc has is of no use.
    build.run(["dpkg-source", "--no-check", "--extract", description, raw], description.name)
    for part in keep:
        if not (raw / part).exists():
            raise LabError(f"{description.stem} has no {part}: its layout has changed")
        (raw / part).rename(draft / part)
    remove_tree(raw)
