# SPDX-License-Identifier: GPL-2.0-only
"""
The trace of QEMU 7.2 of a GPU and its bridges with each driver, and the device tree that it builds
of their answers, as its guest sees it.
"""

import re
from collections.abc import Sequence

from lab.errors import CheckFailed
from lab.machine import machine
from lab.progress import note
from lab.suites import clients, judge, suites
from lab.versus.answers import RECORDED

SUITE, TEST = "kvm", "kvm_info_kept_guest_reaches_gpu_ram_and_atsd"
_TIMEOUT = 300


def run(flavour: str) -> list[str]:
    """The lines of QEMU and of the guest, in order; CheckFailed when there was no guest."""
    note(f"{flavour} QEMU 7.2 and its guest: starting the machine")
    files = suites.payload(flavour) + clients.payload(flavour, SUITE)
    outcome = machine.boot(flavour, ["/bin/nvtest", "--apart", SUITE, TEST], files, _TIMEOUT,
                           log=suites.log_path(flavour, "guest"))
    lines = said(judge.split(outcome.console)[0])
    # With the driver of 2018 the test may fail; what the guest said counts.
    if sum(line.startswith("guest: ") for line in lines) < 10:
        case, *_ = judge.judge_tests(outcome, [TEST])
        raise CheckFailed(f"{flavour}: the guest showed no device tree\n{case.detail}")
    return lines


def said(lines: Sequence[str]) -> list[str]:
    """Returns the lines of QEMU and the guest, without the addresses that differ from run to run."""
    found = [line.removeprefix("# ") for line in lines if re.match(r"# (?:qemu|guest): ", line)]
    return [re.sub(r"\bva=0x[0-9a-f]+", "va", line) for line in found]


def recorded() -> list[str]:
    """QEMU's trace as it was recorded, without the registration of a guest RAM of another size."""
    lines = (RECORDED / "qemu72-trace.txt").read_text("ascii").splitlines()
    return [line for line in said([f"# qemu: {line}" for line in lines])
            if "size=0x10000000 " not in line]


def difference(new: Sequence[str], old: Sequence[str]) -> str:
    """The first line that differs, in words; "" for none."""
    for one, other in zip(new, old):
        if one != other:
            return f"{one!r}, not {other!r}"
    return "" if len(new) == len(old) else f"{len(new)} lines, not {len(old)}"


def missing(lines: Sequence[str]) -> list[str]:
    """The recorded lines that are not among these."""
    return [line for line in recorded() if line not in lines]
