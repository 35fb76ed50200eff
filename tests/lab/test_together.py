# SPDX-License-Identifier: GPL-2.0-only
"""Several suites in one boot: which share one, and whose fault a failure is. No emulator is started."""

import pytest

from lab import limits
from lab.kernels import flavours
from lab.machine import machine
from lab.paths import ROOT
from lab.suites import attack, judge, kernelbugs, kunit, suites, together
from lab.suites.suite import Suite

BOOT = ["[    0.000000] Linux version 6.12", "[    0.1] radix-mmu: Initializing Radix MMU"]
END = ("[    9.0] nvlab: end 5eed status=0",)
SUITES = ["basic", "dma", "fault"]


def command(number, lines=(), status=0):
    """The console of one of several commands."""
    return [f"[    1.0] nvlab: start /bin/nvtest {SUITES[number]}", *lines,
            *([] if status is None else [f"[    2.0] nvlab: done 5eed {number} status={status}"])]


def tap(suite, ok=True):
    return ["nvlab| 1..1", f"nvlab| {'' if ok else 'not '}ok 1 - {suite}_works"]


def machine_of(*commands, end=END, reason="end"):
    return machine.Outcome([*BOOT, *sum(commands, []), *end], "5eed", reason, 3.0, 0, 2.0)


GOOD = machine_of(*(command(number, tap(suite)) for number, suite in enumerate(SUITES)))


@pytest.fixture(name="lab")
def lab_fixture(monkeypatch, tmp_path):
    """The console of the machine with all suites, those of one suite, and which of these were started."""
    class Lab:
        whole = GOOD
        alone = {}
        started = []

    lab = Lab()
    lab.started = []

    def run_suite(_, suite):
        lab.started.append(suite)
        return lab.alone.get(suite, machine.Outcome([*BOOT, *tap(suite), *END], "5eed", "end", 1.0, 0, 1.0))

    monkeypatch.setattr(together, "start", lambda *_: lab.whole)
    monkeypatch.setattr(suites, "run_suite", run_suite)
    monkeypatch.setattr(Suite, "names", lambda self: [f"{self.name}_works"])
    monkeypatch.setattr(together, "log_path", lambda flavour, suite: tmp_path / f"{flavour}-{suite}.log")
    monkeypatch.setattr(limits, "slowness", lambda: 1.0)
    return lab


def failed():
    """{suite: the names of its cases that failed}, of those that have some; and all the outcomes."""
    outcomes, _ = together.run("6.12-64k", SUITES)
    assert list(outcomes) == SUITES
    cases = {suite: [case.name for case in suites.verdict(outcome, "6.12-64k", suite) if not case.ok]
             for suite, outcome in outcomes.items()}
    return {suite: names for suite, names in cases.items() if names}, outcomes


def test_each_suite_is_judged_by_its_own_part(lab, tmp_path):
    assert failed()[0] == {} and lab.started == []
    kept = (tmp_path / "6.12-64k-dma.log").read_text("utf-8")
    assert "dma_works" in kept and "basic_works" not in kept and "Linux version" in kept


@pytest.mark.parametrize("lines, status, case", [
    (tap("dma", ok=False), 1, "dma_works"),
    ([*tap("dma"), "[    1.5] WARNING: CPU: 0 PID: 9 at drivers/x.c:1"], 0, judge.LOG_CASE),
    ([*tap("dma"), "nvlab: left behind: the module nvlink2_sim"], 1, judge.END_CASE),
    ([], 0, "dma_works"),
])
def test_failure_is_that_of_the_suite_it_is_in(lab, lines, status, case):
    lab.whole = machine_of(command(0, tap("basic")), command(1, lines, status), command(2, tap("fault")))
    found, outcomes = failed()
    assert list(found) == ["dma"] and case in found["dma"]
    assert lab.started == ["dma"] and "passes" in outcomes["dma"].aside


def test_failure_that_is_no_fault_of_the_others(lab):
    lab.whole = machine_of(command(0, tap("basic")), command(1, tap("dma", ok=False), 1),
                           command(2, tap("fault")))
    lab.alone["dma"] = machine.Outcome([*BOOT, *tap("dma", ok=False),
                                        "nvlab: end 5eed status=1"], "5eed", "end", 1.0, 0)
    found, outcomes = failed()
    assert list(found) == ["dma"] and "fails, too" in outcomes["dma"].aside


@pytest.mark.parametrize("reason", ["panic", "timeout", "exit"])
def test_machine_that_ends_early_is_the_fault_of_the_suite_it_was_at(lab, reason):
    lab.whole = machine_of(command(0, tap("basic")), command(1, ["Kernel panic - not syncing: x"], None),
                           end=(), reason=reason)
    found, _ = failed()
    # The suite before it and the one behind have had a machine each.
    assert list(found) == ["dma"] and lab.started == SUITES


def test_complaint_at_the_end_is_of_the_suite_that_has_it_alone(lab):
    leak = ["unreferenced object 0xc000000012345678 (size 64):"]
    lab.whole = machine_of(*(command(number, tap(suite)) for number, suite in enumerate(SUITES)),
                           end=[*leak, *END])
    lab.alone["fault"] = machine.Outcome([*BOOT, *tap("fault"), *leak, *END], "5eed", "end", 1.0, 0)
    assert failed()[0] == {"fault": [judge.LOG_CASE]}


def test_complaint_at_the_end_that_nobody_has_alone_is_not_lost(lab):
    lab.whole = machine_of(*(command(number, tap(suite)) for number, suite in enumerate(SUITES)),
                           end=["unreferenced object 0xc000000012345678 (size 64):", *END])
    found, outcomes = failed()
    assert found == dict.fromkeys(SUITES, [judge.LOG_CASE])
    assert "together they do not" in outcomes["basic"].aside


def test_end_marker_of_somebody_else_is_none(lab):
    lab.whole = machine_of(command(0, tap("basic")),
                           [line.replace("5eed", "0bad") for line in command(1, tap("dma"))],
                           command(2, tap("fault")))
    assert list(failed()[0]) == ["dma"]


def test_time_and_processors_of_what_ran_alone_count(lab):
    lab.whole = machine_of(command(0, tap("basic")), command(1, [], 1), command(2, tap("fault")))
    assert together.run("6.12-64k", SUITES)[1] == 3.0


def test_suites_that_share_a_boot():
    wanted = {(flavour, suite): () for flavour in flavours.ALL for suite in suites.of_flavour(flavour)}
    wanted |= {("7.2-64k", test): () for test in kernelbugs.TESTS}
    found = suites.boots(wanted)
    assert sorted(sum(found, [])) == sorted(wanted)
    for pairs in found:
        assert len({(flavour, suites.emulator(flavour, suite)) for flavour, suite in pairs}) == 1
    together_of = {tuple(suite for _, suite in pairs) for pairs in found if pairs[0][0] == "6.12-debug"}
    assert together_of == {("basic", "dma", "fault", kunit.SUITE, kernelbugs.SUITE, "failnth"),
                           ("race", attack.SUITE)}
    alone = {pairs[0][1] for pairs in found if len(pairs) == 1}
    assert {"bench", "clients", "kvm", *kernelbugs.TESTS} <= alone


def test_suite_of_which_some_tests_are_wanted_has_a_machine_alone():
    wanted = {("6.12-64k", "basic"): ["reset_hooks_D7"], ("6.12-64k", "dma"): (), ("6.12-64k", "fault"): ()}
    assert suites.boots(wanted) == [[("6.12-64k", "basic")], [("6.12-64k", "dma"), ("6.12-64k", "fault")]]


def test_commands_are_separate_and_may_have_empty_arguments(monkeypatch):
    files = {}
    monkeypatch.setattr(machine.build, "init", lambda: ROOT / "VERSION")
    monkeypatch.setattr(machine.Archive, "file", lambda self, name, data, mode=0: files.update({name: data}))
    kernel = flavours.Kernel("6", None, [], None)
    machine.initramfs(kernel, [["/bin/a", "", "1"], ["/bin/b"]], "5eed")
    assert files["lab/argv"] == b"/bin/a\0\0" b"1\0/bin/b\0" and files["lab/lengths"] == b"3 1"
    files.clear()
    machine.initramfs(kernel, ["/bin/a", ""], "5eed")
    assert files["lab/argv"] == b"/bin/a\0\0" and "lab/lengths" not in files
