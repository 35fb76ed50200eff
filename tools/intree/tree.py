# SPDX-License-Identifier: GPL-2.0-only
"""
Puts the driver into a kernel's source tree, where such a driver lives, and takes it out again.

    python3 -m tools.intree add DIR
    python3 -m tools.intree remove DIR
    python3 -m tools.intree series DIR OUT
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from . import resolve

ROOT = Path(__file__).resolve().parents[2]
DRIVER = "drivers/vfio/pci/nvlink2"
HEADER = "include/uapi/linux/vfio_nvlink2.h"
PAGE = "Documentation/driver-api/vfio-nvlink2.rst"
ABI = "Documentation/ABI"
# By the names they have in docs/ABI.
_ABI_FILES = sorted(path.relative_to(ROOT / "docs/ABI").as_posix()
                    for path in (ROOT / "docs/ABI").glob("*/*"))
SUPPORTED = ((6, 12), (7, 2))


class TreeError(Exception):
    """The folder is no tree that the driver fits into; the text says why."""


@dataclass(frozen=True)
class Insertion:
    """Lines that go into a file of the tree, in front of the line that a pattern finds."""

    file: str
    before: str
    text: str


INSERTIONS = (
    Insertion("drivers/vfio/pci/Kconfig", r"^endmenu$",
              f'source "{DRIVER}/Kconfig"\n\n'),
    Insertion("drivers/vfio/pci/Makefile", r"\Z",
              "\nobj-$(CONFIG_NVLINK2_VFIO_PCI) += nvlink2/\n"),
    Insertion("Documentation/driver-api/index.rst", r"^   vfio-pci-device-specific",
              "   vfio-nvlink2\n"),
    # In the order of the alphabet, as all of them.
    Insertion("MAINTAINERS", r"^VFIO PCI DEVICE SPECIFIC DRIVERS$",
              "VFIO NVLINK2 PCI DRIVER\nL:\tkvm@vger.kernel.org\nL:\tlinuxppc-dev@lists.ozlabs.org\n"
              "S:\tMaintained\n" + "".join(f"F:\t{ABI}/{name}\n" for name in _ABI_FILES)
              + f"F:\t{PAGE}\nF:\t{DRIVER}/\nF:\t{HEADER}\n\n"),
)


def version_of(tree: Path,
               supported: tuple[tuple[int, int], ...] = SUPPORTED) -> tuple[int, int, int]:
    """The version of a kernel's source tree; TreeError when it is none, or another one."""
    makefile = tree / "Makefile"
    if not makefile.is_file():
        raise TreeError(f"{tree} is no kernel source tree: it has no Makefile")
    text = makefile.read_text("utf-8", "replace")
    found = [re.search(rf"^{name} = (\d+)$", text, re.M)
             for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(found):
        raise TreeError(f"{makefile} names no version: {tree} is no kernel source tree")
    major, minor, patch = (int(match[1]) for match in found if match)
    if (major, minor) not in supported:
        known = " and ".join(f"{a}.{b}" for a, b in supported)
        raise TreeError(f"{tree} is Linux {major}.{minor}; this puts the driver into {known} "
                        "(docs/kernels.md)")
    return major, minor, patch


def _makefile(text: str) -> str:
    """A Kbuild file as a tree's Makefile: what it includes lies beside it."""
    def included(line: re.Match[str]) -> str:
        return "ccflags-y += -I$(src)" + ("/..\n" if "$(src)/.." in line[0].split()[2] else "\n")

    text, count = re.subn(r"^ccflags-y \+= .*\n", included, text, count=1, flags=re.M)
    if count != 1:
        raise TreeError("a Kbuild file of the driver has no line `ccflags-y +=`")
    return text


def files_for(version: tuple[int, int, int]) -> dict[str, str]:
    """Every file of the driver, by its path in a tree of that version."""
    sources = {path.name: path.read_text("utf-8") for folder in ("kernel", "generated/kernel")
               for path in sorted((ROOT / folder).glob("*.[ch]"))}
    files = {f"{DRIVER}/{name}": text
             for name, text in resolve.resolve(sources, version).items()}
    files[f"{DRIVER}/Kconfig"] = (ROOT / "kernel/Kconfig").read_text("utf-8")
    files[f"{DRIVER}/Makefile"] = _makefile((ROOT / "kernel/Kbuild").read_text("utf-8"))
    for path in sorted((ROOT / "kernel/sim").glob("*.[ch]")):
        files[f"{DRIVER}/sim/{path.name}"] = path.read_text("utf-8")
    files[f"{DRIVER}/sim/Makefile"] = _makefile((ROOT / "kernel/sim/Kbuild").read_text("utf-8"))
    files[HEADER] = (ROOT / HEADER.removeprefix("include/")).read_text("utf-8")
    for name in _ABI_FILES:
        files[f"{ABI}/{name}"] = (ROOT / "docs/ABI" / name).read_text("utf-8")
    files[PAGE] = (ROOT / "generated/docs/vfio-nvlink2.rst").read_text("utf-8")
    return files


def _without(text: str, insertion: Insertion) -> str:
    return text.replace(insertion.text, "", 1)


def _with(text: str, insertion: Insertion) -> str:
    found = list(re.finditer(insertion.before, text, re.M))
    if len(found) != 1:
        raise TreeError(f"{insertion.file} has {len(found)} lines `{insertion.before}`, not 1: "
                        "the tree is of another kind than those this was made for")
    at = found[0].start()
    return text[:at] + insertion.text + text[at:]


def _own_file(tree: Path, name: str) -> str:
    if not (tree / name).is_file():
        raise TreeError(f"{tree} has no {name}: it is no whole kernel source tree")
    return (tree / name).read_text("utf-8")


def edited(tree: Path, present: bool = True) -> dict[str, str]:
    """The tree's own files with the driver's lines, or without."""
    files = {}
    for insertion in INSERTIONS:
        text = _without(_own_file(tree, insertion.file), insertion)
        files[insertion.file] = _with(text, insertion) if present else text
    return files


def edits(tree: Path, present: bool) -> dict[str, str]:
    """The tree's own files as they become; those that change."""
    return {name: text for name, text in edited(tree, present).items()
            if text != _own_file(tree, name)}


def write(tree: Path, files: dict[str, str]) -> int:
    """Writes files into a tree; how many were not there or are others now."""
    count = 0
    for name, text in files.items():
        path = tree / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A tree may share its files with another one, as links.
            path.unlink(missing_ok=True)
            path.write_text(text, "utf-8")
            count += 1
    return count


def clear(tree: Path, keep: Container[str] = ()) -> int:
    """Removes the driver's files, whatever version of it left them; how many."""
    ours = [path for path in sorted((tree / DRIVER).rglob("*")) if path.is_file()]
    single = (HEADER, PAGE, *(f"{ABI}/{name}" for name in _ABI_FILES))
    ours += [tree / name for name in single if (tree / name).exists()]
    gone = [path for path in ours if path.relative_to(tree).as_posix() not in keep]
    for path in gone:
        path.unlink()
    for folder in sorted((tree / DRIVER).rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if (tree / DRIVER).is_dir() and not any((tree / DRIVER).iterdir()):
        (tree / DRIVER).rmdir()
    return len(gone)


def add(tree: Path) -> int:
    """Puts the driver into a tree, or brings it up to date; how many files changed."""
    files = files_for(version_of(tree))
    changed = edits(tree, True)
    return clear(tree, set(files)) + write(tree, {**files, **changed})


def remove(tree: Path) -> int:
    """Takes the driver out of a tree again; how many files changed."""
    version_of(tree)
    changed = edits(tree, False)
    return write(tree, changed) + clear(tree)
