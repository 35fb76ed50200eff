# SPDX-License-Identifier: GPL-2.0-only
"""The judge must not let anything pass that did not happen: each planted fault fails."""

import pytest

from lab.machine.machine import Outcome
from lab.suites import judge

NONCE = "5eed"
EXPECTED = ["first_thing", "second_thing"]
GOOD = """\
[    0.015,5] OPAL v7.1 starting...
[    0.000000] Linux version 6.12.95 (builder) #1 SMP
[    0.241421] nvram: Failed to initialize oops partition!
[    2.080000] nvlab: start /bin/nvtest
[    2.100000] nvlab| TAP version 14
[    2.100100] nvlab| 1..2
[    2.200000] nvlink2-vfio-pci 0000:01:00.0: opened
[    2.300000] nvlab| ok 1 - first_thing
[    2.400000] nvlab| # WARNING: this is a note of a test, no complaint of the kernel
[    2.500000] nvlab| ok 2 - second_thing
[    2.600000] nvlab: end 5eed status=0
"""
DEBUG = """\
[    0.000000] radix-mmu: Initializing Radix MMU
[    0.000000] Linux version 6.12.95 (builder) #1 SMP
[    0.000000] KASAN init done
[    9.100000] nvlab: health: kmemleak searched
[    9.200000] nvlab: health: debug_locks:     1
[    9.300000] nvlab: end 5eed status=0
"""


def outcome(text, reason="end"):
    return Outcome(text.splitlines(), NONCE, reason, 12.0, 0)


def failed(text, reason="end"):
    cases = judge.judge(outcome(text, reason), EXPECTED)
    return {case.name: case.detail for case in cases if not case.ok}


def test_good_run_passes():
    cases = judge.judge(outcome(GOOD), EXPECTED)
    assert [(case.name, case.ok) for case in cases] == [
        ("first_thing", True), ("second_thing", True),
        (judge.LOG_CASE, True), (judge.END_CASE, True)]


def test_missing_end_marker_fails():
    text = GOOD[:GOOD.index("[    2.600000]")]
    assert "last lines of the console" in failed(text, "exit")[judge.END_CASE]


def test_hang_fails_and_says_so():
    text = GOOD[:GOOD.index("[    2.400000]")]
    found = failed(text, "timeout")
    assert "time limit ran out after 12 s" in found[judge.END_CASE]
    assert "first_thing" in found["second_thing"], "the last lines are missing"


def test_end_marker_of_another_machine_fails():
    assert judge.END_CASE in failed(GOOD.replace(NONCE, "beef"))


def test_end_marker_printed_by_the_command_fails():
    assert judge.END_CASE in failed(GOOD.replace("nvlab: end", "nvlab| nvlab: end"))


@pytest.mark.parametrize("status", ["1", "255", "00x"])
def test_non_zero_exit_fails(status):
    assert judge.END_CASE in failed(GOOD.replace("status=0", f"status={status}"))


def test_not_ok_fails_with_its_diagnostics():
    text = GOOD.replace("] nvlab| ok 2", "] nvlab| # the reason\n[ 2.45] nvlab| not ok 2")
    found = failed(text)
    assert list(found) == ["second_thing"]
    assert "the reason" in found["second_thing"]


def test_missing_test_fails():
    text = "\n".join(line for line in GOOD.splitlines() if "first_thing" not in line)
    assert list(failed(text)) == ["first_thing"]


def test_test_run_twice_fails():
    assert list(failed(GOOD.replace("2 - second", "2 - first"))) == ["first_thing", "second_thing"]


def test_unknown_test_fails():
    assert "stranger" in failed(GOOD.replace("ok 2 - second_thing", "ok 2 - stranger"))


@pytest.mark.parametrize("directive", ["# SKIP no device", "# TODO later", "# skip"])
def test_skipped_test_fails(directive):
    assert list(failed(GOOD.replace("second_thing", f"second_thing {directive}"))) == ["second_thing"]


def test_wrong_plan_fails():
    assert "plan" in failed(GOOD.replace("1..2", "1..3"))


def test_bail_out_fails_every_test():
    head = GOOD[:GOOD.index("[    2.200000]")]
    found = failed(head + "[ 2.2] nvlab| Bail out! no slot\n[ 2.6] nvlab: end 5eed status=1\n")
    assert {"first_thing", "second_thing", judge.END_CASE} == set(found)
    assert "Bail out! no slot" in found["first_thing"]


@pytest.mark.parametrize("splat", [
    "BUG: Kernel NULL pointer dereference on read at 0x00000008",
    "WARNING: CPU: 0 PID: 71 at kernel/sim/sim_main.c:12 f+0x1/0x2 [nvlink2_sim]",
    "Oops: Kernel access of bad area, sig: 11 [#1]",
    "Call Trace:",
    "refcount_t: underflow; use-after-free.",
    "Kernel panic - not syncing: Fatal exception",
    "INFO: task nvtest:71 blocked for more than 120 seconds.",
    "rcu: INFO: rcu_sched self-detected stall on CPU",
    "BUG: scheduling while atomic: nvtest/71/0x00000002",
    "BUG: KASAN: slab-use-after-free in nvlink2_gpu_ram_fault+0x58/0x3a0 [nvlink2_vfio_pci]",
    "UBSAN: shift-out-of-bounds in kernel/range.h:76:9",
    "ODEBUG: Out of memory. ODEBUG disabled",
    "list_add corruption. prev->next should be next (c0), but was c1. (prev=c2).",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
    "page dumped because: VM_BUG_ON_FOLIO(folio_ref_count(folio) == 0)",
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
    "rcu: rcu_sched kthread starved for 5250 jiffies!",
    "watchdog: CPU 1 self-detected hard LOCKUP @ queued_spin_lock_slowpath+0x1c",
    "WARNING: possible circular locking dependency detected",
    "WARNING: bad unlock balance detected!",
    "INFO: trying to register non-static key.",
    "turning off the locking correctness validator.",
    "INFO: lockdep is turned off.",
    "unreferenced object 0xc000000012345600 (size 192):",
    "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "kmemleak: Kernel memory leak detector disabled",
    "OF: ERROR: memory leak, expected refcount 1 instead of 2, of_node_get()/of_node_put() unbalanced",
    "** 12 printk messages dropped **",
])
def test_splat_fails_and_is_shown(splat):
    text = GOOD.replace("nvlink2-vfio-pci 0000:01:00.0: opened", splat)
    found = failed(text)
    assert list(found) == [judge.LOG_CASE]
    assert splat in found[judge.LOG_CASE]


@pytest.mark.parametrize("harmless", [
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 30685)",
    "kmemleak: Cannot allocate a scan area, scanning the full object",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "OF: reserved mem: 0x0000000030000000..0x00000000305fffff (6144 KiB)",
])
def test_what_is_no_complaint_passes(harmless):
    assert not failed(GOOD.replace("nvlink2-vfio-pci 0000:01:00.0: opened", harmless))


def health(text):
    return judge.judge_health(outcome(text))


def test_debug_kernel_that_was_on_passes():
    assert health(DEBUG).ok


@pytest.mark.parametrize("line,missing", [
    ("radix-mmu: Initializing", "radix"),
    ("KASAN init done", "KASAN"),
    ("debug_locks:", "lockdep"),
    ("kmemleak searched", "leaks"),
])
def test_debugging_that_was_off_fails(line, missing):
    text = "\n".join(kept for kept in DEBUG.splitlines() if line not in kept)
    assert missing in health(text).detail and not health(text).ok


@pytest.mark.parametrize("said,instead", [
    ("debug_locks:     1", "debug_locks:     0"),
    ("nvlab: health: kmemleak", "nvlab| nvlab: health: kmemleak"),
    ("] KASAN init done", "] nvlab| KASAN init done"),
])
def test_debugging_is_not_believed_from_elsewhere(said, instead):
    assert said in DEBUG and not health(DEBUG.replace(said, instead)).ok


def test_debugging_says_what_hindered_it():
    text = DEBUG.replace("health: kmemleak searched", "cannot write kmemleak: not permitted")
    assert "not permitted" in health(text).detail


def test_only_the_debug_kernel_has_to_be_healthy():
    names = [case.name for case in judge.judge_machine(outcome(GOOD))]
    assert judge.HEALTH_CASE not in names
    assert judge.HEALTH_CASE in [case.name for case in judge.judge_machine(outcome(GOOD), True)]


def test_console_without_a_kernel_fails():
    assert set(failed("[ 0.015,5] OPAL v7.1 starting...\n", "exit")) == {
        *EXPECTED, "plan", judge.LOG_CASE, judge.END_CASE}


def test_long_line_is_put_together():
    command, _, _ = judge.split(["[ 1.0] nvlab| {\"a\": ", "[ 1.0] vfio: noise", "[ 1.0] nvlab+ 1}"])
    assert command == ["{\"a\": 1}"]
