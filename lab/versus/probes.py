# SPDX-License-Identifier: GPL-2.0-only
"""
Our tests, run with the driver of 2018 in the same image: what fails there has to be a defect that
is known by its number.

That driver keeps things of a test that failed, and can take the host down. So each test is a
process of its own, and what came to no result is tried once more in a machine of its own.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lab.machine import machine
from lab.progress import note
from lab.suites import clients, judge, suites
from lab.versus import answers

SUITES = (suites.IN_VFIO_PCI, *clients.SUITES)
_TIMEOUT = 900
_ALONE_TIMEOUT = 180
# Of the new driver alone: how many pages a fault brings, how a copy maps them.
_NEW = ("fault_", "copy_map_")
# What a test says that met what another one left behind.
_IN_THE_WAY = re.compile(r"Device or resource busy|unloading: |no result in the log")


class Probe(NamedTuple):
    """A test with the driver of 2018: whether it passed, why not, and the defects behind it."""
    name: str
    ok: bool
    why: str
    defects: tuple[str, ...]


def wanted(suite: str) -> list[str]:
    """The names of a suite's tests that both drivers can be asked."""
    return [name for name in suites.names(suite) if not name.startswith(_NEW)]


def run(flavour: str, suite: str) -> list[Probe]:
    """A Probe for each test of a suite with the driver of 2018."""
    table = answers.allowed()["tests"]
    cases = _boot(flavour, suite, wanted(suite), _TIMEOUT)
    for number, case in enumerate(cases):
        if not case.ok and _IN_THE_WAY.search(case.detail):
            cases[number] = _boot(flavour, suite, [case.name], _ALONE_TIMEOUT)[0]
    return [Probe(case.name, case.ok, reason(case.detail),
                  tuple(answers.defects_of(case.name, table))) for case in cases]


def _boot(flavour: str, suite: str, names: Sequence[str], timeout: float) -> list[judge.Case]:
    title = f"{flavour} {suite}: {names[0] if len(names) == 1 else f'{len(names)} tests'}"
    note(f"{title}: starting the machine")
    files = suites.payload(flavour) + clients.payload(flavour, suite)
    outcome = machine.boot(flavour, ["/bin/nvtest", "--apart", suite, *names], files, timeout,
                           log=suites.log_path(flavour, f"{suite}-apart"))
    note(f"{title}: stopped after {outcome.seconds:.1f} s ({outcome.reason})")
    return judge.judge_tests(outcome, names)[:len(names)]


def reason(detail: str) -> str:
    """The first thing that a failed test said, short enough for a table."""
    found = re.search(r"^# (?:in a child: )?\w+\.c:\d+: (.*)$", detail, re.M)
    if not found:
        return detail.splitlines()[0].removeprefix("# ") if detail else ""
    text = re.sub(r"'?: ?# tracer.*", "", found[1])
    return text if len(text) <= 110 else text[:107] + "..."
