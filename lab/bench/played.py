# SPDX-License-Identifier: GPL-2.0-only
"""The output of the benchmark as a machine would print it, for runs in which none is started."""

from lab.bench import page, targets


def lines(**changes: int) -> list[str]:
    """The output of a program that measured everything; `changes` are instructions by name."""
    values: dict[str, int] = {}
    for kind in ("block", "page", "original", "bar"):
        for pattern in ("sequential", "random", "sparse"):
            for access in ("load", "store"):
                name = f"touch.{kind}.{pattern}.{access}.64"
                values |= {f"{name}.first": 64 * 2000, f"{name}.again": 64 * 500,
                           f"{name}.munmap": 64 * 100}
    values |= {"populate.page": 1000, "populate.block": 1000 + 511 * 10,
               "block.load": 2000, "block.store": 2000}
    for kib in page.SIZES:
        for direction in ("read", "write"):
            values |= {f"copy.ours.{direction}.{kib}": 1100, f"copy.mapped.{direction}.{kib}": 1000}
    for call in ("open", "region_info", "mmap"):
        for mib in page.WINDOWS:
            values[f"call.{call}.{mib}"] = 100
    values |= {f"beside.{left}": 100 for left in targets.LEFT}
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    return ["bench-info page 4096", "bench-info leaves 0", f"bench-info len {64 << 20}",
            *(f"bench {name} {value}" for name, value in values.items())]
