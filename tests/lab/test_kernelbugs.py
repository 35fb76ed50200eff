# SPDX-License-Identifier: GPL-2.0-only
"""A fault of the kernel counts as shown by its own words only, and every patch has one."""

import re

import pytest

from lab.kernels import debugkernel, flavours
from lab.machine.machine import Outcome
from lab.suites import kernelbugs, suites

FIRST, SECOND = kernelbugs.BUGS
BEGUN = "[    0.000000] Linux version 7.2.12 (builder) #1 SMP\n"
ATOMIC = "[    9.000000] BUG: scheduling while atomic: nvtest/123/0x00000002\n"
SHOWN = {
    FIRST: ATOMIC,
    SECOND: "[    9.000000] kernel BUG at arch/powerpc/platforms/powernv/pci-ioda-tce.c:155!\n",
}


def verdict(bug, text):
    """(whether it counts as shown, what is printed)"""
    outcome = Outcome(text.splitlines(), "5eed", "end", 1.0, 0)
    case = kernelbugs.judge_fault(outcome, bug.test)
    return case.ok, case.detail


@pytest.mark.parametrize("bug", kernelbugs.BUGS, ids=lambda bug: bug.patch)
def test_fault_is_known_by_its_own_words(bug):
    assert verdict(bug, BEGUN + SHOWN[bug])[0]
    other = next(text for key, text in SHOWN.items() if key != bug)
    assert not verdict(bug, BEGUN + other)[0]
    # What comes first counts, and what the program says is not the kernel's.
    assert not verdict(bug, BEGUN + "[    8.0] Oops: Exception in kernel mode\n" + SHOWN[bug])[0]
    assert not verdict(bug, BEGUN + SHOWN[bug].replace("] ", "] nvlab| "))[0]


def test_silent_kernel_is_reported():
    ok, detail = verdict(FIRST, BEGUN + "[    1.0] nvlab| ok 1 - it\n")
    assert not ok and "did not complain: it has the fault no more" in detail
    ok, detail = verdict(FIRST, "")
    assert not ok and "no kernel has begun" in detail


def test_every_patch_has_its_test_and_is_shown_on_its_kernel():
    """Both series have the same patches; each says its fault, and the test is of the suite."""
    tests = suites.names(kernelbugs.SUITE)
    assert tests == [bug.test for bug in kernelbugs.BUGS]
    for flavour in flavours.UNPATCHED.values():
        numbers = [path.name[:4] for path in debugkernel.patches(flavour.series)]
        shown = [bug.patch for bug in kernelbugs.BUGS if flavour.name in bug.shown_on]
        assert shown == numbers
    assert all(re.search(rf"_{bug.patch}_", bug.test) for bug in kernelbugs.BUGS)


def test_suites_left_out_on_a_stock_kernel_are_shown_to_fail_there():
    """A suite is left out because of the kernel only as long as the kernel has the fault."""
    left_out = {flavour for suite in suites.ALL for flavour in suite.stopped_on}
    assert left_out and left_out <= set(FIRST.shown_on)
