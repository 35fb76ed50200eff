# SPDX-License-Identifier: GPL-2.0-only
"""The command: the driver into a kernel's source tree, out of it, or as patches."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import resolve, series, tree, v5_10


def _add(options: argparse.Namespace) -> str:
    return _summary(options.tree, tree.add(options.tree))


def _remove(options: argparse.Namespace) -> str:
    return _summary(options.tree, tree.remove(options.tree))


def _replace(options: argparse.Namespace) -> str:
    return _summary(options.tree, v5_10.replace(options.tree))


def _restore(options: argparse.Namespace) -> str:
    return _summary(options.tree, v5_10.restore(options.tree))


def _summary(folder: Path, count: int) -> str:
    return f"{folder}: {count} files changed" if count else f"{folder}: nothing to do"


def _series(options: argparse.Namespace) -> str:
    files, there = series.write(options.tree, options.out)
    return "\n".join([*(f"{options.tree} has {name} already" for name in there),
                      *map(str, files), f"to apply them: git am {options.out}/*.patch"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.intree", description="Puts the driver into the source tree of "
        "Linux 6.12 or 7.2, takes it out, or writes it as patches; or puts it in the place of the "
        "driver of 2018 in Linux 5.10. Doing it twice changes nothing the second time.",
        epilog="Then: make ARCH=powerpc menuconfig, Device Drivers, VFIO, `VFIO support for NVIDIA "
               "V100 GPUs with NVLink2`. Exit status: 0 done; 2 it is no such tree, or git, which "
               "writes the patches, does not know who you are.")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for name, run, text in (("add", _add, "put the driver into a tree, or bring it up to date"),
                            ("remove", _remove, "take the driver out of a tree"),
                            ("replace", _replace, "put the driver into a tree of 5.10, in the "
                             "place of the one of 2018, which is kept"),
                            ("restore", _restore, "put the driver of 2018 back"),
                            ("series", _series, "write patches for `git am`; the tree is only read")):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("tree", type=Path, metavar="DIR", help="the kernel's source tree")
        if run is _series:
            command.add_argument("out", type=Path, metavar="OUT",
                                 help="the folder for the patches; those of an earlier run go")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options))
    except (tree.TreeError, resolve.ResolveError, OSError) as error:
        print(f"in-tree: {error}", file=sys.stderr)
        return 2
    return 0
