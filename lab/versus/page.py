# SPDX-License-Identifier: GPL-2.0-only
"""docs/versus-2018.md, written by the run that compares."""

import re
from typing import Protocol

from lab.paths import ROOT, write_atomic
from lab.suites import suites
from lab.suites.judge import Case
from lab.versus.answers import Difference
from lab.versus.probes import Probe

PAGE = ROOT / "docs/versus-2018.md"
_DEFECTS = ROOT / "docs/defects.md"
# What each count is of.
_COSTS = "| what | 2018 | this driver | ratio |\n|---|---|---|---|\n"


class Compared(Protocol):
    """What the page is made of, as a Comparison (compare.py) has it."""
    differences: list[Difference]
    probes: dict[str, list[Probe]]
    same: dict[str, int]
    registers: dict[str, int]
    costs: dict[str, dict[str, int]]


def numbers() -> list[str]:
    """The numbers of the defects, in the order of docs/defects.md."""
    return re.findall(r"^\| ([DN]\d+) \|", _DEFECTS.read_text("utf-8"), re.M)


def better(comparison: Compared) -> dict[str, list[tuple[str, str]]]:
    """{defect: [(what was asked, what the driver of 2018 did)]}, from answers and tests."""
    found: dict[str, list[tuple[str, str]]] = {number: [] for number in (*numbers(), "also")}
    for item in comparison.differences:
        assert item.defect, f"{item.key}: a page is made only when each difference has a defect"
        found[item.defect].append((f"`{item.key}`", _before_after(item)))
    for probes in comparison.probes.values():
        for probe in probes:
            for defect in () if probe.ok else probe.defects:
                found[defect].append((f"`{probe.name}`", probe.why))
    return {defect: rows for defect, rows in found.items() if rows}


def _before_after(item: Difference) -> str:
    old, new = item.old, item.new
    if item.key.startswith("info "):
        at = next(place for place in range(0, len(old), 2) if old[place:place + 2] != new[place:place + 2])
        return f"byte {at // 2} is {old[at:at + 2]}, now {new[at:at + 2]}"
    return f"{old}, now {new}"


def _clean(text: str) -> str:
    """Text of a test for a cell: one line, and nothing that differs from run to run."""
    text = re.sub(r"\d+\.\d+ s\b", "some time", text)
    text = re.sub(r"\b7f{2,3}[0-9a-f]{8,9}\b|\b1407\d{11}\b", "an address", text)
    return text.replace("|", "\\|").replace("\n", " ").strip()


def render(comparison: Compared) -> str:
    """The page as a text."""
    shown = better(comparison)
    same = {suite: sum(probe.ok for probe in probes) for suite, probes in comparison.probes.items()}
    lines = ["<!-- SPDX-License-Identifier: GPL-2.0-only -->",
             "# This driver beside the one of 2018", "", _INTRODUCTION, "", "## The same", ""]
    answered = {name: count for name, count in comparison.same.items() if name != "QEMU"}
    lines += [f"- {count} answers of `nvtest transcript` on {flavour}: region-info buffers at every "
              "argsz from 0 to 112 and 4096, return values, tracepoints"
              + (", firmware calls." if flavour == "5.10" else ".")
              for flavour, count in answered.items()]
    lines += [f"- {comparison.same['QEMU']} lines of QEMU 7.2's trace and of the device tree that its "
              "guest finds."]
    lines += [f"- {count} tests of the suite `{suite}` pass with both."
              + (_CLIENTS if suite != suites.IN_VFIO_PCI else "") for suite, count in same.items()]
    lines += [f"- {count} accesses to the registers of an NPU2 that firmware has made, {board}: from "
              "boot to a KVM guest that uses GPU RAM and ATSD, and back to the host."
              for board, count in comparison.registers.items()]
    lines += ["", _REGISTERS, "", "## Better", "", _BETTER, "",
              "| defect | shown by | with the driver of 2018 |", "|---|---|---|"]
    lines += [f"| {defect} | {name} | {_clean(why)} |" for defect, rows in shown.items()
              for name, why in rows]
    missing = [number for number in numbers() if number not in shown]
    lines += ["", "Not shown by this comparison, but by tests of their own "
              f"([defects](defects.md)): {', '.join(missing)}.", "", "## What it costs, and saves", "",
              _COUNTED, "", _COSTS.rstrip()]
    old, new = (comparison.costs[name] for name in ("5.10-2018", "5.10"))
    lines += [f"| {what} | {old[what]} | {new[what]} | {new[what] / old[what]:.2f} |" for what in old]
    return "\n".join([*lines, "", _WHY, ""])


def _without_counts(text: str) -> str:
    """The page without the numbers that vary a little from run to run."""
    return re.sub(r"^\| .* \| \d+ \| \d+ \| [\d.]+ \|$", "", text, flags=re.M)


def write(comparison: Compared) -> None:
    """Writes the page."""
    write_atomic(PAGE, render(comparison))


def case(comparison: Compared) -> Case:
    """Says whether the page is the one that the run would write."""
    old = PAGE.read_text("utf-8") if PAGE.exists() else ""
    same = _without_counts(old) == _without_counts(render(comparison))
    return Case("docs/versus-2018.md is what this run shows", same,
                "run `make test-reference WRITE=1`")


_INTRODUCTION = """\
<!-- written by `make test-reference WRITE=1` -->
Linux 5.10 is the last kernel with the driver of 2018 and the platform code that it stands on.
`make test-reference` builds it once, from Debian's source, and runs the same image with two
vfio-pci modules: the one of 2018, and the one with this driver in its place
(`make in-tree-5.10`). The machine is QEMU's powernv9 with 64K pages and the simulator of
[the lab](lab.md); QEMU 7.2 and a KVM guest are the clients. Nothing here ran on hardware."""
_REGISTERS = """\
The last are what real firmware (skiboot), this kernel's own platform code and the guest write, line by
line the same; one of them was recorded on another day ([the lab](lab.md#an-npu2-that-firmware-has-made)).
Behind these registers the emulator has storage and nothing else: no link, no ATS."""
_BETTER = """\
Every difference is a defect of the driver of 2018 that [the list](defects.md) names; another one
fails the run. A test stands here when it passes with this driver and fails with the other, with
the first thing that it said there."""
_CLIENTS = " They are QEMU 7.2 and its guest."
_COUNTED = """\
Instructions, counted by the emulator (`-icount shift=0`, one processor) in `nvtest transcript`, on
the same kernel."""
_WHY = """\
A touch fills the 2 MiB around it, with entries that can be written through at once
([performance](performance.md)). Reading costs more because it survives memory that
machine-checks (D16): the kernel's copy for that uses no vector registers."""
