# SPDX-License-Identifier: GPL-2.0-only
"""
The targets that have to be reached, as ratios inside one boot.

`original` is one clean page for each fault, as the driver of Linux 4.20 to 5.12 did it, on the same
kernel and memory; `bar` a BAR of the same size behind stock vfio-pci; `mapped` the same copy from
and to memory that is mapped all the time.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .figures import Compute, Figure, Series, beside, call, copy, ratio, touch

_SMALL = 4096
# Parts of another GPU's RAM that are left registered while one is opened.
LEFT = (1, 4000)
# A window of 64 MiB and one of 128 GiB.
_WINDOWS = (64, 128 * 1024)


class Target(NamedTuple):
    """A ratio with its limit, one of which is at least or at most what must be."""
    name: str
    what: str
    compute: Compute
    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        """Says whether a number reaches it."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def limit(self) -> str:
        """The limit as people read it."""
        return f">= {self.least:g}" if self.most is None else f"<= {self.most:g}"


class Verdict(NamedTuple):
    """The figure of a target on one kernel, and whether it is good enough."""
    target: Target
    figure: Figure
    ok: bool


def _touches(page: int, leaves: bool, patterns: Iterable[str]) -> Iterator[Target]:
    least = 200 if page == _SMALL else 28
    if leaves and page == _SMALL:
        least = 600
    for pattern in patterns:
        yield Target(f"load-{pattern}", f"first load, {pattern}: the original's to ours",
                     ratio(touch("original", pattern, "load"), touch("block", pattern, "load")), least=least)
        yield Target(f"store-{pattern}", f"first store, {pattern}: the original's to ours",
                     ratio(touch("original", pattern, "store"), touch("block", pattern, "store")),
                     least=200 if page == _SMALL else 40)
        yield Target(f"store-to-load-{pattern}", f"first store to first load, {pattern}",
                     ratio(touch("block", pattern, "store"), touch("block", pattern, "load")), most=1.05)
        for access in ("load", "store"):
            yield Target(f"bar-{access}-{pattern}",
                         f"first {access}, {pattern}: ours to a BAR of stock vfio-pci",
                         ratio(touch("block", pattern, access), touch("bar", pattern, access)), most=1)


def _blocks(page: int, leaves: bool) -> Iterator[Target]:
    if leaves:
        yield Target("block", "a leaf to a fault that brings one page, in a block that has some",
                     lambda boot: boot.block() / boot.each(), most=0.75)
    else:
        yield Target("block", "a block to one fault and its other pages by remap_pfn_range()",
                     lambda boot: boot.block() / boot.floor(), most=0.3 if page == _SMALL else 0.75)
    yield Target("sparse", "one touch in each block to faults that bring one page",
                 ratio(touch("block", "sparse", "load"), touch("original", "sparse", "load")),
                 most=1.4 if page == _SMALL else 1.1)


def _copies(sizes: Iterable[tuple[int, float]]) -> Iterator[Target]:
    for kib, most in sizes:
        for direction in ("read", "write"):
            yield Target(f"{direction}-{kib}k", f"{direction} of {_size(kib)} to one that is mapped",
                         ratio(copy("ours", direction, kib), copy("mapped", direction, kib)), most=most)


def _calls() -> Iterator[Target]:
    small, large = _WINDOWS
    for name, most in (("open", 1.1), ("region_info", 1.02), ("mmap", 1.02)):
        yield Target(f"constant-{name}", f"{name} with a window of 128 GiB to one of 64 MiB",
                     ratio(call(name, large), call(name, small)), most=most)


def _leftovers() -> Iterator[Target]:
    few, many = LEFT
    yield Target("constant-left_N4", "open, with 4 000 parts of another GPU's RAM left, to one part",
                 ratio(beside(many), beside(few)), most=1.1)


def _size(kib: int) -> str:
    return f"{kib >> 10} MiB" if kib >= 1024 else f"{kib} KiB"


def targets(page: int, leaves: bool) -> list[Target]:
    """Every target on a kernel of this page size."""
    found = [*_touches(page, leaves, ("sequential", "random")), *_blocks(page, leaves)]
    if leaves:
        found.append(Target("leaf-munmap", "munmap of leaves, instructions per MiB",
                            lambda boot: boot.munmap("block"), most=500))
    return [*found, *_copies(((64, 1.4), (1024, 1.15), (2048, 1.15), (4096, 1.15), (16384, 1.05))),
            *_calls()]


def ratios(page: int, leaves: bool) -> list[Target]:
    """Returns the ratios that a short run can measure, and of which it notices a change for the worse."""
    return [*_touches(page, leaves, ("sequential",)), *_blocks(page, leaves),
            *_copies(((64, 1.4), (1024, 1.15), (16384, 1.05))), *_calls(), *_leftovers()]


def verdicts(series: Series) -> Iterator[Verdict]:
    """Yields the result of each target on one kernel."""
    first = series.boots[0]
    for target in targets(first.page, first.leaves):
        figure = series.figure(target.compute)
        yield Verdict(target, figure, target.holds(figure.median))
