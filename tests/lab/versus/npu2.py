# SPDX-License-Identifier: GPL-2.0-only
"""
Both drivers on an NPU2 that firmware has made: the kernel's own platform code, no simulator, a KVM
guest. What firmware and guest write to the NPU2's registers has to be the same, line by line.
"""

from .. import clients, judge, suites
from ..npu2 import machine
from ..paths import ROOT
from ..progress import note

SUITE = "npu2"
GUEST = "npu2_guest_uses_gpu_ram_and_atsd"
#: Each board, and the tests that run on it; one alone where the log was recorded.
BOARDS = {
    "1 GPU with 3 links": ({"gpus": 1, "links": 3}, [GUEST]),
    "3 GPUs with 2 links each": ({"gpus": 3, "links": 2, "switch": True}, None),
}
RECORDED = {"1 GPU with 3 links": ROOT / "tests/reference/npu2/registers-kvm-guest-1gpu.txt"}
_TIMEOUT = 300


def run(flavour, board):
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


def difference(new, old):
    """Where two register logs part, in words; "" when they are the same and say something."""
    if not any("ATSD_LAUNCH" in line for line in old):
        return "the register log has no invalidation: the guest did not get so far"
    for number, (one, other) in enumerate(zip(new, old), 1):
        if one != other:
            return f"line {number} is {one!r}, not {other!r}"
    if len(new) != len(old):
        return f"{len(new)} lines, not {len(old)}"
    return ""
