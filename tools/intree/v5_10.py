# SPDX-License-Identifier: GPL-2.0-only
"""
Puts the driver into a source tree of Linux 5.10 in the place of the one that is there.

    python3 -m tools.intree replace DIR
    python3 -m tools.intree restore DIR

There it is a part of vfio-pci: one file, which this kernel's Makefile knows already, takes in
the files of the regions, which are those of the driver for later kernels, byte for byte. Nothing
else of vfio-pci changes. The file that was there is kept beside them.
"""

from __future__ import annotations

import re
from pathlib import Path

from . import tree as in_tree
from .tree import DRIVER, HEADER, ROOT, TreeError

VERSION = (5, 10)
PLACE = "drivers/vfio/pci/vfio_pci_nvlink2.c"
ORIGINAL = f"{DRIVER}/original.c.txt"
OWN = "kernel/v5_10"
# What of the driver for later kernels is taken as it is.
SAME = ("atsd.c", "gpu_ram.c", "gpu_ram.h", "gpu_ram_fault.c", "gpu_ram_rw.c", "lpar.c",
        "nvlink2.h", "platform.c", "platform.h", "range.h", "region.h", "registration.c",
        "topology.c", "topology.h")
# Two headers name what this kernel has elsewhere: (pattern, what takes its place, how often).
EDITS = {
    "trace.h": (
        # Up to 6.9 the source of the string was named once more.
        (r"__assign_str\(name\);", "__assign_str(name, pci_name(pdev));", 3),
        # Seen from include/trace; vfio-pci's Makefile adds no folder of its own.
        (r"^(#define TRACE_INCLUDE_PATH) \.$", rf"\1 ../../{DRIVER}", 1)),
    "nvlink2_regions.h": (
        (r"^#include <linux/container_of\.h>$", "#include <linux/kernel.h>", 1),),
}


def _edited(name: str, text: str) -> str:
    for pattern, new, times in EDITS.get(name, ()):
        text, count = re.subn(pattern, new, text, flags=re.M)
        if count != times:
            raise TreeError(f"{name} has {count} lines `{pattern}`, not {times}: what is changed "
                            "for 5.10 (tools/intree/v5_10.py) has to follow it")
    return text


def files(root: Path = ROOT) -> dict[str, str]:
    """Every file of the driver, by its path in the tree, without the original's copy."""
    beside = [root / "kernel" / name for name in (*SAME, "trace.h")]
    beside += sorted((root / "generated/kernel").glob("*.h")) + sorted((root / OWN).glob("*.h"))
    found = {f"{DRIVER}/{path.name}": _edited(path.name, path.read_text("utf-8"))
             for path in beside}
    found[PLACE] = (root / OWN / Path(PLACE).name).read_text("utf-8")
    found[HEADER] = (root / HEADER.removeprefix("include/")).read_text("utf-8")
    return found


def _check(tree: Path) -> None:
    in_tree.version_of(tree, (VERSION,))
    if not (tree / PLACE).is_file():
        raise TreeError(f"{tree} has no {PLACE}: it is no whole kernel source tree")


def replace(tree: Path, root: Path = ROOT) -> int:
    """
    Puts the driver in the place of the original, or brings it up to date; files changed. `root` has
    the driver's sources, side by side as in the repository.
    """
    _check(tree)
    wanted = files(root)
    kept = tree / ORIGINAL
    wanted[ORIGINAL] = (kept if kept.exists() else tree / PLACE).read_text("utf-8")
    return in_tree.clear(tree, set(wanted)) + in_tree.write(tree, wanted)


def restore(tree: Path) -> int:
    """Puts the original back and takes the driver out; how many files changed."""
    _check(tree)
    kept = tree / ORIGINAL
    changed = in_tree.write(tree, {PLACE: kept.read_text("utf-8")}) if kept.exists() else 0
    return changed + in_tree.clear(tree)
