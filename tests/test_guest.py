# SPDX-License-Identifier: GPL-2.0-only
"""
What runs in the emulated machine: one item per test of nvtest, flavour and suite.

A machine boots once for several suites, or for one. The scheduler starts the machines with the
first of these tests; the tests then pick their results out of the consoles.
"""

import os
import sys

import pytest

from lab import limits
from lab.check import affected
from lab.errors import CheckFailed, LabError
from lab.kernels import flavours
from lab.machine import interactive, machine
from lab.suites import judge, kernelbugs, kernelstable, schedule, suites


def pytest_generate_tests(metafunc):
    """An item for each test of each suite on each kernel, and for what a kernel complains of."""
    if "case_name" not in metafunc.fixturenames:
        return
    try:
        names = {suite: suites.names(suite) for suite in suites.ALL_SUITES}
    except (CheckFailed, LabError) as error:
        pytest.fail(str(error), pytrace=False)
    items = [(flavour, suite, name) for flavour in flavours.ALL
             for suite in suites.of_flavour(flavour)
             for name in [*names[suite], *suites.log_cases(flavour)]]
    items += [(flavour, bug.test, kernelbugs.CASE) for bug in kernelbugs.BUGS
              for flavour in bug.shown_on]
    metafunc.parametrize(("flavour", "suite", "case_name"), items,
                         ids=["-".join(item).replace(" ", "_") for item in items])


class Verdicts:
    """The results of the machines of a session, each judged once."""

    def __init__(self, boots):
        self.boots = boots
        self.known = {}

    @property
    def wanted(self):
        return self.boots.wanted

    def of(self, flavour, suite):
        """The cases of a boot by name, or the exception that kept it from running."""
        key = flavour, suite
        if key not in self.known:
            outcome = self.boots.result(*key)
            if not isinstance(outcome, Exception):
                only = self.boots.wanted[key]
                cases = suites.verdict(outcome, flavour, suite, only)
                if not only:
                    kernelstable.record(flavour, suite, cases)
                outcome = {case.name: case for case in cases}
            self.known[key] = outcome
        return self.known[key]


@pytest.fixture(scope="session", name="verdicts")
def verdicts_fixture(request):
    """The machines of all the tests of this session; they start with the first of these tests."""
    wanted = {}
    for item in request.session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if "case_name" in params:
            wanted.setdefault((params["flavour"], params["suite"]), []).append(params["case_name"])
    for key, cases in wanted.items():
        wanted[key] = affected.named_tests(key[1], cases) if affected.NAMED in os.environ else []
    report = request.config.pluginmanager.get_plugin("run-report")
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def show(text):
        with capture.global_and_fixture_disabled():
            if reporter and not report.worker:
                reporter.ensure_newline()
                reporter.write_line(f"  {text}")
            else:
                # A process beside the one that reports.
                print(f"  {text}", file=sys.stderr, flush=True)

    boots = schedule.Boots(wanted, show)
    yield Verdicts(boots)
    boots.close()
    for (what, which), cost in boots.costs.items():
        report.record(f"{what} {which}", cost)


def test_guest(verdicts, flavour, suite, case_name):
    cases = verdicts.of(flavour, suite)
    if isinstance(cases, Exception):
        pytest.fail(str(cases), pytrace=False)
    if case_name == judge.END_CASE:
        # Complaints that belong to no test of the list show here.
        known = {*suites.names(suite), *suites.log_cases(flavour)}
        stray = [case for name, case in cases.items() if name not in known]
        assert not stray, "\n".join(f"{case.name}: {case.detail}" for case in stray)
    case = cases[case_name]
    if not case.ok:
        aside = verdicts.boots.result(flavour, suite).aside
        pytest.fail("\n".join([f"{flavour} {suite}: {case_name}", *([aside] if aside else []), case.detail]),
                    pytrace=False)


def test_table_of_kernels_is_what_ran(verdicts):
    """docs/kernels.md; of what ran in this session."""
    ran = [key for key in kernelstable.wanted() if key in verdicts.wanted]
    assert ran, "no suite ran"
    for key in ran:
        if isinstance(verdicts.of(*key), Exception):
            pytest.fail(f"{' '.join(key)} did not run")
    results = {}
    for key in kernelstable.wanted():
        ok = [case.ok for case in verdicts.of(*key).values()] if key in ran else []
        results[key] = {"passed": sum(ok), "failed": len(ok) - sum(ok)}
    made = [line.split("|") for line in kernelstable.render(results).splitlines()]
    page = [line.split("|") for line in kernelstable.on_page().splitlines()]
    assert [row[:3] for row in page] == [row[:3] for row in made], "run `make kernels-table`"
    assert page[0] == made[0], "run `make kernels-table`"
    for row, other in zip(page[2:], made[2:]):
        for suite, cell, new in zip(made[0], row, other):
            key = row[1].strip(), suite.strip()
            if key in ran or key not in results:
                assert cell == new, f"{' '.join(key)}: run `make kernels-table`"


def test_demo_shows_the_machine():
    """What `make demo` shows: each device, which bridge is whose, and the round trip."""
    flavour = next(iter(flavours.FLAVOURS))
    try:
        printed, failed = suites.run_program(flavour, "demo", suites.TIMEOUT)
    except (CheckFailed, LabError) as error:
        pytest.fail(str(error), pytrace=False)
    assert not failed, "\n".join(f"{case.name}: {case.detail}" for case in failed)
    text = printed if isinstance(printed, str) else "\n".join(printed)
    for line in ("0000:01:00.0  1b36:0010  GPU", "0001:01:00.2  1b36:0010  bridge",
                 "target address 0x404000000", "GPU RAM  64 MiB (0x4000000)  read write mmap",
                 "bridges   0000:01:00.1 (25.78125 Gbit/s), 0000:01:00.2 (25.78125 Gbit/s)",
                 "bridges   0001:01:00.1 (25 Gbit/s), 0001:01:00.2 (25 Gbit/s)",
                 'pread  gave  "written through mmap of GPU RAM"'):
        assert line in text, f"no {line!r} in:\n{text}"


def test_command_that_leaves_something_behind_fails():
    """init prints it of each of several commands in one machine, and the next one runs all the same."""
    commands = [["/bin/busybox", "test", "", "=", ""],
                ["/bin/busybox", "insmod", "/lib/modules/nvlink2-vfio-pci.ko"],
                ["/bin/busybox", "rmmod", "nvlink2_vfio_pci"],
                ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 1000 >/dev/null 2>&1 &"],
                ["/bin/busybox", "sh", "-c", "exit 3"],
                ["/bin/busybox", "kill", "-9", "-1"]]
    flavour = next(iter(flavours.FLAVOURS))
    try:
        outcome = machine.boot(flavour, commands,
                               [*suites.payload(flavour), ("bin/busybox", interactive.busybox())],
                               limits.seconds(suites.TIMEOUT), log=suites.log_path(flavour, "left-behind"))
    except (CheckFailed, LabError) as error:
        pytest.fail(str(error), pytrace=False)
    found = judge.parts(outcome, len(commands))
    said = ["\n".join(part.console[:-part.shared]) for part in found]
    assert [part.status for part in found] == [0, 1, 0, 1, 3, 0], "\n".join(outcome.console[-60:])
    assert "left behind: the module nvlink2_vfio_pci" in said[1]
    assert "/bin/busybox sleep 1000" in said[3] and "left behind" not in said[0] + said[2] + said[5]
    assert judge.end_status(judge.split(outcome.console)[1], outcome.nonce) == 1


def test_case_names_do_not_collide():
    """A test named like a case of the log would hide it."""
    for suite in suites.ALL_SUITES:
        assert not {*suites.log_cases("6.12-debug"), "plan"} & set(suites.names(suite))
