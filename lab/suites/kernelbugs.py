# SPDX-License-Identifier: GPL-2.0-only
"""
Faults of the kernel that GPU RAM brings to light, and what a kernel without kernel/patches says.

The tests of the suite pass on a patched kernel, as any test does. That they find something
is shown on the same kernel without the patches: there the kernel has to complain, in the words
that belong to the fault.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lab.machine.machine import Outcome
from lab.suites import judge
from lab.suites.suite import Suite

SUITE = "kernelbugs"


class Bug(NamedTuple):
    """A fault: its patch by number, the test, what a kernel that has it says, and where it shows."""
    patch: str
    test: str
    says: str
    shown_on: tuple[str, ...]


_DEBUG = ("6.12-debug-unpatched", "7.2-debug-unpatched")
BUGS = (
    # Where sections are not counted, as in Debian's 6.12, nothing is seen of it.
    Bug("0001", "kernel_0001_rcu_section_is_left",
        r"BUG: (?:scheduling while atomic|sleeping function called from invalid context"
        r"|MAX_LOCK_DEPTH too low)|WARNING: suspicious RCU usage",
        (*_DEBUG, "7.2-64k", "7.2-4k")),
    Bug("0002", "kernel_0002_page_size_heeds_the_address",
        r"kernel BUG at arch/powerpc/platforms/powernv/pci-ioda-tce\.c:\d+!", _DEBUG),
)


TESTS = {bug.test: bug for bug in BUGS}
CASE = "the kernel complains"


def judge_fault(outcome: Outcome, test: str) -> judge.Case:
    """The case: the kernel's first complaint is the one that belongs to the fault."""
    _, _, kernel = judge.split(outcome.console)
    if not any("Linux version " in line for line in kernel):
        return judge.Case(CASE, False, f"no kernel has begun\n{judge.tail(outcome.console)}")
    first = next((line for line in kernel if judge.is_splat(line)), None)
    if first is None:
        why = "it has the fault no more, or the test does not reach it"
        return judge.Case(CASE, False, f"the kernel did not complain: {why}\n"
                                       f"{judge.tail(outcome.console)}")
    ok = bool(re.search(TESTS[test].says, first))
    return judge.Case(CASE, ok, "\n".join(["it complained of:", *judge.splats(kernel)]))


class BugSuite(Suite):
    """One test on a kernel that has the fault, which may not survive it."""
    shares = False
    takes_names = False

    def command(self, times: int = 1, only: Sequence[str] = ()) -> list[str]:
        return ["/bin/nvtest", SUITE, self.name]

    def verdict(self, outcome: Outcome, flavour: str, only: Sequence[str] = ()) -> list[judge.Case]:
        return [judge_fault(outcome, self.name)]


BUG_SUITES = tuple(BugSuite(bug.test, bug.shown_on) for bug in BUGS)
