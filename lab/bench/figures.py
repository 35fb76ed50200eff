# SPDX-License-Identifier: GPL-2.0-only
"""
Figures of `nvtest bench`: what a boot printed, and what follows from it.

The program prints `bench NAME INSTRUCTIONS` for each time it measured something. A boot's value
is the median of those, of a call the least: an open runs what the kernel prints meanwhile, or does
not. A figure is computed inside one boot, and its median and range over several boots are
reported. So a figure that compares compares what ran side by side.
"""

import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Self, TypedDict

_LINE = re.compile(r"bench ([\w.]+) (\d+)")
_INFO = re.compile(r"bench-info (\w+) (\d+)")
BLOCK_MIB = 2


class Boot:
    """The measurements of one boot."""

    def __init__(self, page: int, leaves: bool, mib: int, values: Mapping[str, float]) -> None:
        self.page, self.leaves, self.mib = page, leaves, mib
        self.values = values

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Self:
        """Of the lines the program printed; ValueError when it did not get to its end."""
        values: dict[str, list[int]] = {}
        info: dict[str, int] = {}
        for line in lines:
            found = _LINE.fullmatch(line)
            if found:
                values.setdefault(found[1], []).append(int(found[2]))
            found = _INFO.fullmatch(line)
            if found:
                info[found[1]] = int(found[2])
        missing = {"page", "leaves", "len"} - set(info)
        if missing or not values:
            raise ValueError(f"the benchmark has no {', '.join(sorted(missing)) or 'figures'}")
        chosen = {name: min(many) if name.startswith("call.") else statistics.median(many)
                  for name, many in values.items()}
        return cls(info["page"], bool(info["leaves"]), info["len"] >> 20, chosen)

    def touch(self, kind: str, pattern: str, access: str, mib: int | None = None) -> float:
        """
        Instructions per MiB of address space of a first touch: what the same loads or stores
        take once everything is present is taken off.
        """
        mib = mib or self.mib
        name = f"touch.{kind}.{pattern}.{access}.{mib}"
        return (self.values[f"{name}.first"] - self.values[f"{name}.again"]) / mib

    def munmap(self, kind: str, pattern: str = "sequential", access: str = "store",
               mib: int | None = None) -> float:
        """Instructions per MiB to unmap what was touched."""
        mib = mib or self.mib
        return self.values[f"touch.{kind}.{pattern}.{access}.{mib}.munmap"] / mib

    def single(self, kind: str = "original") -> float:
        """Instructions of a fault that brings one page into a block that had none."""
        return self.touch(kind, "sparse", "load") * BLOCK_MIB

    def each(self) -> float:
        """Instructions of a fault that brings one page, where the block has others already."""
        return self.touch("original", "sequential", "load") * self.page / (1 << 20)

    def floor(self) -> float:
        """
        Instructions a block takes at the least when its pages go in one by one: one fault, and
        for the others what remap_pfn_range() takes for a page.
        """
        others = (BLOCK_MIB << 20) // self.page - 1
        each = (self.values["populate.block"] - self.values["populate.page"]) / others
        return self.single() + others * each

    def block(self, access: str = "load") -> float:
        """Instructions of the fault that fills one block."""
        return self.values[f"block.{access}"]

    def copy(self, kind: str, direction: str, kib: int) -> float:
        """Instructions to read or write so many KiB through a descriptor."""
        return self.values[f"copy.{kind}.{direction}.{kib}"]

    def call(self, name: str, mib: int) -> float:
        """Instructions of a call on a GPU with so large a window."""
        return self.values[f"call.{name}.{mib}"]

    def beside(self, left: int) -> float:
        """Instructions of an open, with so many parts of another GPU's RAM left."""
        return self.values[f"beside.{left}"]


# A figure of one boot.
Compute = Callable[[Boot], float]


def touch(kind: str, pattern: str, access: str, mib: int | None = None) -> Compute:
    """Boot.touch() as a figure."""
    return lambda boot: boot.touch(kind, pattern, access, mib)


def copy(kind: str, direction: str, kib: int) -> Compute:
    """Boot.copy() as a figure."""
    return lambda boot: boot.copy(kind, direction, kib)


def call(name: str, mib: int) -> Compute:
    """Boot.call() as a figure."""
    return lambda boot: boot.call(name, mib)


def beside(left: int) -> Compute:
    """Boot.beside() as a figure."""
    return lambda boot: boot.beside(left)


def ratio(one: Compute, other: Compute) -> Compute:
    """One figure to another one of the same boot."""
    return lambda boot: one(boot) / other(boot)


class Kept(TypedDict):
    """A Series as it is kept: for each name the values of all boots."""
    kernel: str
    emulator: str
    page: int
    leaves: bool
    mib: int
    values: dict[str, list[float]]


class Series(NamedTuple):
    """The boots of one kernel, and what they ran on."""
    kernel: str
    emulator: str
    boots: list[Boot]

    def as_json(self) -> Kept:
        """Returns the argument of `from_json`: for each name the values of all boots."""
        first = self.boots[0]
        return {"kernel": self.kernel, "emulator": self.emulator, "page": first.page,
                "leaves": first.leaves, "mib": first.mib,
                "values": {name: [boot.values[name] for boot in self.boots] for name in first.values}}

    @classmethod
    def from_json(cls, data: Kept) -> "Series":
        """Of what was kept."""
        count = len(next(iter(data["values"].values())))
        return cls(data["kernel"], data["emulator"],
                   [Boot(data["page"], data["leaves"], data["mib"],
                         {name: many[number] for name, many in data["values"].items()})
                    for number in range(count)])

    def figure(self, compute: Compute) -> "Figure":
        """Returns the figure of `compute(boot)` over all boots."""
        return Figure.of(compute(boot) for boot in self.boots)


class Figure(NamedTuple):
    """A number over several boots."""
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> "Figure":
        """Of one number for each boot."""
        numbers = list(numbers)
        return cls(statistics.median(numbers), min(numbers), max(numbers))
