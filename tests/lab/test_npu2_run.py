# SPDX-License-Identifier: GPL-2.0-only
"""
The runs of the platform code on firmware's NPU2 are judged: register logs that are
the recorded ones, and a reboot that leaves no GPU to a virtual machine. No emulator is started.
"""

import re

import pytest

from lab.kernels import flavours
from lab.machine.machine import Outcome
from lab.npu2 import machine, run, tree
from lab.paths import ROOT
from lab.suites import judge

LOG = ["SCOM wr ring 714000 XTS_BDF_MAP = c800010001800001",
       "SCOM wr ring 718000 XTS_PID_MAP = e000004a00000000",
       "MMIO wr 0800000/8 ATSD_LAUNCH = 0ba0000000000000"]
REBOOTED, LEFT, BOUND = ("the machine rebooted", "each GPU was left to the host",
                         "a VM had each GPU")
BOARD = run.BOARDS["2x3"]
PLACES = {"XTS_BDF_MAP": (0x714000, 0x714008), "XTS_PID_MAP": (0x718000, 0x718020),
          "XTS_ATSD_LPARID": (0x710100, 0x710118)}
# What the first GPU has of each, and the second, which is the context with the number 1.
VMS = {"XTS_BDF_MAP": (0xc800030001800001, 0xc500040001801001),
       "XTS_PID_MAP": (0xe000004a00000000, 0xe000004a00100000), "XTS_ATSD_LPARID": (1, 1)}
HOSTS = {"XTS_BDF_MAP": (0xc800030001800000, 0xc500040001801000),
         "XTS_PID_MAP": (0xe000005a00000000, 0xe000005a00100000),
         "XTS_ATSD_LPARID": (0x1000, 0x1000)}


def access(name, gpu, value, kind="wr"):
    """An access to the entry of a GPU in a table."""
    return machine.Access("SCOM", kind, PLACES[name][gpu], 0, name, value)


def owned(table, gpus=(0, 1)):
    """The writes of firmware when these GPUs become the host's (HOSTS) or a VM's (VMS)."""
    return [access(name, gpu, table[name][gpu]) for gpu in gpus for name in table]


UNIT = machine.Access("SCOM", "wr", 0x710020, 0, "XTS", 0x4200000000000000)
GOOD = [UNIT, *owned(HOSTS), *owned(VMS), *owned(HOSTS)]


def judged(accesses, said=(run.REBOOTING,), reason="exit"):
    """The names of the cases that fail for a machine that ended like this, and all cases."""
    console = ["[    0.000000] Linux version 6.12.95", *(f"[   20.000000] {line}" for line in said)]
    cases = list(run.judge_reboot(Outcome(console, "x", reason, 20.0, 0), accesses, BOARD))
    assert [case.name for case in cases] == [REBOOTED, judge.LOG_CASE, BOUND, LEFT]
    return [case.name for case in cases if not case.ok], {case.name: case for case in cases}


def test_n2_a_kernel_has_to_invalidate_the_tce_cache():
    kill, other = (machine.Access("MMIO", "wr", place, 8, name, 1 << 63)
                   for place, name in ((0x700120, "ATS_TCE_KILL"), (0x714000, "XTS_BDF_MAP")))
    assert run.judge_invalidation("6.12", [other, kill]).ok
    assert not run.judge_invalidation("6.12", [other]).ok
    assert not run.judge_invalidation("6.12", [kill._replace(kind="rd")]).ok
    assert set(run.DIFFERENCES) == {"ATS_TCE_KILL"}


def test_same_register_logs_do_not_differ():
    assert run.difference(LOG, list(LOG)) == ""


@pytest.mark.parametrize("new, says", [
    ([LOG[0], LOG[1].replace("4a", "5a"), LOG[2]],
     "line 2 is 'SCOM wr ring 718000 XTS_PID_MAP = e000005a00000000', not "
     "'SCOM wr ring 718000 XTS_PID_MAP = e000004a00000000'"),
    (LOG[:-1], "2 lines, not 3"),
    ([], "0 lines, not 3"),
    ([*LOG, LOG[-1]], "4 lines, not 3"),
    (LOG[1:], f"line 1 is {LOG[1]!r}, not {LOG[0]!r}"),
])
def test_register_logs_that_part_say_where(new, says):
    assert run.difference(new, LOG) == says


@pytest.mark.parametrize("logs", [(LOG[:2], LOG[:2]), ([], []), (LOG, LOG[:2])])
def test_register_log_without_an_invalidation_is_not_the_same(logs):
    assert "has no invalidation: the guest did not get so far" in run.difference(*logs)


def test_reboot_that_leaves_all_to_the_host_is_good():
    assert judged(GOOD)[0] == []


@pytest.mark.parametrize("said, reason", [((), "exit"), ((run.REBOOTING,), "timeout"),
                                          (("reboot: Power down",), "exit")])
def test_machine_that_did_not_reboot_fails(said, reason):
    failed, cases = judged(GOOD, said, reason)
    assert failed == [REBOOTED]
    assert repr(reason) in cases[REBOOTED].detail
    assert ("did not say" in cases[REBOOTED].detail) == (run.REBOOTING not in said)


def test_complaint_of_the_kernel_on_the_way_down_fails():
    assert judged(GOOD, ("WARNING: CPU: 0 at npu2.c", run.REBOOTING))[0] == [judge.LOG_CASE]


@pytest.mark.parametrize("gpu", (0, 1))
@pytest.mark.parametrize("name, value", [
    *((name, None) for name in VMS),
    # The host's partition, in an entry that is not valid; no rights at all; and those of nobody.
    ("XTS_BDF_MAP", 0x4800030001800000), ("XTS_PID_MAP", 0), ("XTS_ATSD_LPARID", 0)])
def test_gpu_that_is_not_left_to_the_host_fails(gpu, name, value):
    """Each of the three entries counts, and of each what was written last."""
    last = access(name, gpu, VMS[name][gpu] if value is None else value)
    failed, cases = judged([*GOOD, last])
    assert failed == [LEFT] and cases[LEFT].detail == str(last)


@pytest.mark.parametrize("name", VMS)
def test_entry_that_was_not_given_back_fails(name):
    back = [one for one in owned(HOSTS) if one.name != name]
    failed, cases = judged([*owned(HOSTS), *owned(VMS), *back])
    assert failed == [LEFT]
    assert cases[LEFT].detail.splitlines() == [str(one) for one in owned(VMS) if one.name == name]


def test_what_is_read_changes_no_owner():
    reads = [one._replace(kind="rd") for one in owned(VMS)]
    assert judged([*GOOD, *reads])[0] == []
    assert judged([*owned(HOSTS), *reads])[0] == [BOUND, LEFT]


@pytest.mark.parametrize("accesses", [[], [UNIT], owned(HOSTS)])
def test_reboot_without_a_gpu_bound_says_nothing(accesses):
    failed, cases = judged(accesses)
    assert failed == [BOUND, LEFT]
    assert cases[BOUND].detail == "0 of 2 GPUs were bound to a partition"


def test_reboot_with_one_of_two_gpus_bound_fails():
    failed, cases = judged([*owned(HOSTS), *owned(VMS, [1]), *owned(HOSTS, [1])])
    assert failed == [BOUND] and cases[BOUND].detail.startswith("1 of 2 ")


@pytest.mark.parametrize("name", run.BOARDS)
def test_recorded_log_is_of_the_board(name):
    """As many entries as GPUs, and from one unit that invalidates to the next as many as links."""
    board = run.BOARDS[name]
    text = (run.REFERENCE / board.recorded).read_text("ascii")
    written = {(one.name, one.place) for one in machine.accesses(text) if one.kind == "wr"}
    assert {place for what, place in written if what == "XTS_BDF_MAP"} == {
        0x714000 + 8 * gpu for gpu in range(board.gpus)}
    assert {place for what, place in written if what == "XTS_ATSD_LPARID"} == {
        0x710100 + 8 * board.links * gpu for gpu in range(board.gpus)}
    assert run.difference(text.splitlines(), text.splitlines()) == ""


@pytest.mark.parametrize("name", run.BOARDS)
def test_board_can_be_made(name):
    board = run.BOARDS[name]
    assert board.name == name == f"{board.gpus}x{board.links}"
    chosen = tree.layout(**board.layout)
    assert (chosen.gpus, chosen.links, chosen.switch) == (board.gpus, board.links, board.gpus > 1)


def test_every_recorded_log_is_compared_with():
    assert {board.recorded for board in run.BOARDS.values()} == {
        path.name for path in run.REFERENCE.glob("registers-*.txt")}


def test_what_is_run_exists_and_is_run_once():
    all_runs = [*run.RUNS, *((flavour, run.SUITE, board) for flavour, board in run.COMPARED)]
    assert len(set(all_runs)) == len(all_runs)
    for flavour, _, board in all_runs:
        assert flavour in flavours.ALL and board in run.BOARDS
    assert set(flavours.NPU2) <= {flavour for flavour, _, _ in all_runs}


def test_suites_are_those_of_the_program():
    """As the program lists them, which is not built for this."""
    listed = set(re.findall(r'^\t\{ "(\w+)", \w+_lists \},$',
                            (ROOT / "tests/guest/nvtest.c").read_text("ascii"), re.M))
    ours = {suite for suite in listed if suite.startswith("npu2")}
    assert ours == {run.SUITE, *(suite for _, suite, _ in run.RUNS)}


@pytest.mark.parametrize("board", run.BOARDS.values(), ids=run.BOARDS)
def test_tests_of_a_board_are_in_the_suite(board):
    text = (ROOT / "tests/guest/test_npu2.c").read_text("ascii")
    assert all(f"TEST({name.replace('_', ', ', 1)})," in text for name in board.tests)
