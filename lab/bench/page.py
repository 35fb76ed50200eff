# SPDX-License-Identifier: GPL-2.0-only
"""
The tables of docs/performance.md, made of the figures kept in docs/performance/.

Instructions are given to three digits: that much repeats from boot to boot.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from . import targets
from .figures import Compute, Series, call, touch

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
KEPT = ROOT / "docs/performance"
KINDS = {
    "block": "ours",
    "page": "ours, `fault_around=page`",
    "original": "one clean page a fault, as in 2018",
    "bar": "a BAR of stock vfio-pci",
    "anonymous": "anonymous memory",
    "thp": "anonymous memory, huge pages",
}
PATTERNS = {"sequential": "one after the other", "random": "in any order",
            "sparse": "one in each 2 MiB"}
WINDOWS = {64: "64 MiB", 1024: "1 GiB", 131072: "128 GiB"}
SIZES = (4, 16, 64, 256, 1024, 2048, 4096, 16384)


def as_text(series: Series) -> str:
    """The text of a file of figures: a name a line, so that a difference can be read."""
    data = series.as_json()
    head = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in data.items() if key != "values"]
    body = [f"  {json.dumps(name)}: {json.dumps(many)}" for name, many in data["values"].items()]
    return "\n".join(["{", *head, ' "values": {', ",\n".join(body), " }", "}", ""])


def kept(folder: Path = KEPT) -> dict[str, Series]:
    """{flavour: Series} of the committed figures."""
    return {path.stem: Series.from_json(json.loads(path.read_text("utf-8")))
            for path in sorted(folder.glob("*.json"))}


def number(value: float) -> str:
    """Three digits, and thousands set apart."""
    if abs(value) < 99.95:
        return f"{value:#.3g}"
    digits = max(0, len(str(int(abs(value)))) - 3)
    return f"{round(value, -digits):,.0f}".replace(",", " ")


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def _targets_table(all_series: Mapping[str, Series]) -> str:
    names: dict[str, str] = {}
    cells: dict[tuple[str, str], str] = {}
    for flavour, series in all_series.items():
        for verdict in targets.verdicts(series):
            key = verdict.target.name
            names.setdefault(key, verdict.target.what)
            figure = verdict.figure
            spread = "" if number(figure.low) == number(figure.high) else \
                f" ({number(figure.low)} to {number(figure.high)})"
            text = f"{number(figure.median)}{spread}, {verdict.target.limit}"
            cells[key, flavour] = text if verdict.ok else f"**missed: {text}**"
    return _table(["", *all_series],
                  [[what, *(cells.get((key, flavour), "-") for flavour in all_series)]
                   for key, what in names.items()])


def _touch_table(all_series: Mapping[str, Series], access: str) -> str:
    rows = []
    for kind, text in KINDS.items():
        for pattern, how in PATTERNS.items():
            rows.append([f"{text}, {how}"] + [
                number(series.figure(touch(kind, pattern, access)).median)
                for series in all_series.values()])
    return _table([f"first {access}, instructions per MiB", *all_series], rows)


def _block_table(all_series: Mapping[str, Series]) -> str:
    rows: dict[str, Compute] = {
        "a block, first load": lambda boot: boot.block("load"),
        "a block, first store": lambda boot: boot.block("store"),
        "a page in a block that had none, as in 2018": lambda boot: boot.single(),
        "the same, `fault_around=page`": lambda boot: boot.single("page"),
        "a page in a block that has some, as in 2018": lambda boot: boot.each(),
        "a block by one fault and remap_pfn_range()": lambda boot: boot.floor(),
        "munmap, per MiB, ours": lambda boot: boot.munmap("block"),
        "munmap, per MiB, as in 2018": lambda boot: boot.munmap("original"),
    }
    return _table(["instructions", *all_series],
                  [[text, *(number(series.figure(compute).median) for series in all_series.values())]
                   for text, compute in rows.items()])


def _copy(kind: str, direction: str, kib: int) -> Compute:
    """Instructions of a copy per MiB, in calls of so many KiB."""
    return lambda boot: boot.copy(kind, direction, kib) * 1024 / kib


def _copy_table(all_series: Mapping[str, Series], direction: str) -> str:
    rows = []
    for kib in SIZES:
        for kind, text in (("ours", "ours"), ("mapped", "memory mapped all the time"),
                           ("memfd", "a file in memory")):
            rows.append([f"{_size(kib)}, {text}"] + [
                number(series.figure(_copy(kind, direction, kib)).median) for series in all_series.values()])
    return _table([f"p{direction}, instructions per MiB", *all_series], rows)


def _size(kib: int) -> str:
    return f"{kib} KiB" if kib < 1024 else f"{kib >> 10} MiB"


def _call_table(all_series: Mapping[str, Series]) -> str:
    calls = {"open": "open", "region_info": "VFIO_DEVICE_GET_REGION_INFO", "mmap": "mmap",
             "munmap": "munmap, nothing touched", "close": "close"}
    return _table(["instructions of a call, window", *all_series],
                  [[f"{text}, {size}"] + [
                      number(series.figure(call(name, mib)).median)
                      for series in all_series.values()]
                   for name, text in calls.items() for mib, size in WINDOWS.items()])


def _growth_table(all_series: Mapping[str, Series]) -> str:
    rows = [[_size(mib << 10)] + [
        number(series.figure(touch("block", "sequential", "store", mib)).median)
        for series in all_series.values()] for mib in (64, 128, 256, 512, 1024)]
    return _table(["first store, instructions per MiB, of", *all_series], rows)


SECTIONS: dict[str, Callable[[Mapping[str, Series]], str]] = {
    "targets": _targets_table,
    "load": lambda all_series: _touch_table(all_series, "load"),
    "store": lambda all_series: _touch_table(all_series, "store"),
    "blocks": _block_table,
    "read": lambda all_series: _copy_table(all_series, "read"),
    "write": lambda all_series: _copy_table(all_series, "write"),
    "calls": _call_table,
    "growth": _growth_table,
}


def machines(all_series: Mapping[str, Series]) -> str:
    """A line for each kernel: what was measured on what."""
    return "".join(f"* {flavour}: Linux {series.kernel}, QEMU {series.emulator}, "
                   f"{len(series.boots)} boots\n" for flavour, series in all_series.items())


def made(text: str, all_series: Mapping[str, Series]) -> str:
    """The page with every table, between its marks, made anew."""
    for name, render in {"machines": machines, **SECTIONS}.items():
        begin, end = f"<!-- made by `make bench WRITE=1`: {name} -->\n", f"<!-- end: {name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{PAGE.name} has no place for the table {name}: {begin.strip()} and "
                             f"{end.strip()}")
        before, _, rest = text.partition(begin)
        text = before + begin + render(all_series) + end + rest.partition(end)[2]
    return text
