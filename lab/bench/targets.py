# SPDX-License-Identifier: GPL-2.0-only
"""
The targets that have to be reached, as ratios inside one boot.

`original` is one clean page for each fault, as the driver of Linux 4.20 to 5.12 did it, on the same
kernel and memory; `bar` a BAR of the same size behind stock vfio-pci; `mapped` the same copy from
and to memory that is mapped all the time.
"""

from typing import NamedTuple

from .figures import Figure

_SMALL = 4096
# A window of 64 MiB and one of 128 GiB.
_WINDOWS = (64, 128 * 1024)


class Target(NamedTuple):
    """A ratio with its limit, one of which is at least or at most what must be."""
    name: str
    what: str
    compute: object
    least: float = None
    most: float = None

    def holds(self, value):
        """Says whether a number reaches it."""
        return value >= self.least if self.most is None else value <= self.most

    @property
    def limit(self):
        """The limit as people read it."""
        return f">= {self.least:g}" if self.most is None else f"<= {self.most:g}"


class Verdict(NamedTuple):
    """The figure of a target on one kernel, and whether it is good enough."""
    target: Target
    figure: Figure
    ok: bool


def _touches(page, leaves, patterns):
    least = 200 if page == _SMALL else 28
    if leaves and page == _SMALL:
        least = 600
    for pattern in patterns:
        yield Target(f"load-{pattern}", f"first load, {pattern}: the original's to ours",
                     lambda boot, p=pattern: boot.touch("original", p, "load")
                     / boot.touch("block", p, "load"), least=least)
        yield Target(f"store-{pattern}", f"first store, {pattern}: the original's to ours",
                     lambda boot, p=pattern: boot.touch("original", p, "store")
                     / boot.touch("block", p, "store"), least=200 if page == _SMALL else 40)
        yield Target(f"store-to-load-{pattern}", f"first store to first load, {pattern}",
                     lambda boot, p=pattern: boot.touch("block", p, "store")
                     / boot.touch("block", p, "load"), most=1.05)
        for access in ("load", "store"):
            yield Target(f"bar-{access}-{pattern}",
                         f"first {access}, {pattern}: ours to a BAR of stock vfio-pci",
                         lambda boot, p=pattern, a=access: boot.touch("block", p, a)
                         / boot.touch("bar", p, a), most=1)


def _blocks(page, leaves):
    if leaves:
        yield Target("block", "a leaf to a fault that brings one page, in a block that has some",
                     lambda boot: boot.block() / boot.each(), most=0.75)
    else:
        yield Target("block", "a block to one fault and its other pages by remap_pfn_range()",
                     lambda boot: boot.block() / boot.floor(), most=0.3 if page == _SMALL else 0.75)
    yield Target("sparse", "one touch in each block to faults that bring one page",
                 lambda boot: boot.touch("block", "sparse", "load")
                 / boot.touch("original", "sparse", "load"), most=1.4 if page == _SMALL else 1.1)


def _copies(sizes):
    for kib, most in sizes:
        for direction in ("read", "write"):
            yield Target(f"{direction}-{kib}k", f"{direction} of {_size(kib)} to one that is mapped",
                         lambda boot, d=direction, k=kib: boot.copy("ours", d, k)
                         / boot.copy("mapped", d, k), most=most)


def _calls():
    small, large = _WINDOWS
    for name, most in (("open", 1.1), ("region_info", 1.02), ("mmap", 1.02)):
        yield Target(f"constant-{name}", f"{name} with a window of 128 GiB to one of 64 MiB",
                     lambda boot, n=name: boot.call(n, large) / boot.call(n, small), most=most)


def _size(kib):
    return f"{kib >> 10} MiB" if kib >= 1024 else f"{kib} KiB"


def targets(page, leaves):
    """Every target on a kernel of this page size."""
    found = [*_touches(page, leaves, ("sequential", "random")), *_blocks(page, leaves)]
    if leaves:
        found.append(Target("leaf-munmap", "munmap of leaves, instructions per MiB",
                            lambda boot: boot.munmap("block"), most=500))
    return [*found, *_copies(((64, 1.4), (1024, 1.15), (2048, 1.15), (4096, 1.15), (16384, 1.05))),
            *_calls()]


def ratios(page, leaves):
    """Returns the ratios that a short run can measure, and of which it notices a change for the worse."""
    return [*_touches(page, leaves, ("sequential",)), *_blocks(page, leaves),
            *_copies(((64, 1.4), (1024, 1.15), (16384, 1.05))), *_calls()]


def verdicts(series):
    """Yields the result of each target on one kernel."""
    first = series.boots[0]
    for target in targets(first.page, first.leaves):
        figure = series.figure(target.compute)
        yield Verdict(target, figure, target.holds(figure.median))
