# SPDX-License-Identifier: GPL-2.0-only
"""
Both drivers on an NPU2 that firmware has made: the kernel's own platform code, no simulator, a KVM
guest. What firmware and guest write to the NPU2's registers has to be the same, line by line.
"""

from lab.npu2 import machine
from lab.npu2.run import BOARDS as LAYOUTS, GUEST, Given, REFERENCE, SUITE
from lab.progress import note
from lab.suites import clients, judge, suites

#: Each board, and the tests that run on it; one alone where the log was recorded.
BOARDS: dict[str, tuple[Given, list[str] | None]] = {
    "1 GPU with 3 links": (LAYOUTS["1x3"].layout, [GUEST]),
    "3 GPUs with 2 links each": (LAYOUTS["3x2"].layout, None),
}
RECORDED = {"1 GPU with 3 links": REFERENCE / LAYOUTS["1x3"].recorded,
            "3 GPUs with 2 links each": REFERENCE / LAYOUTS["3x2"].recorded}
_TIMEOUT = 300


def run(flavour: str, board: str) -> tuple[list[judge.Case], list[str]]:
    """(a Case for each test and for the machine, the register log as lines) of one start."""
    layout, only = BOARDS[board]
    names = only or suites.names(SUITE)
    title = f"{flavour} {SUITE}, {board}"
    note(f"{title}: starting the machine")
    files = suites.payload(flavour) + clients.payload(flavour, "kvm")
    what = f"npu2-{layout['gpus']}x{layout['links']}"
    outcome, accesses = machine.boot(flavour, ["/bin/nvtest", SUITE, *(only or [])], files,
                                     timeout=_TIMEOUT, log=suites.log_path(flavour, what), **layout)
    note(f"{title}: stopped after {outcome.seconds:.1f} s ({outcome.reason})")
    cases = [*judge.judge_tests(outcome, names), *judge.judge_machine(outcome)]
    return ([case._replace(name=f"{title}: {case.name}") for case in cases],
            [str(access) for access in accesses])
