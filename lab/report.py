# SPDX-License-Identifier: GPL-2.0-only
"""
A plugin of pytest: the order of a run's tests, its verdict, and what each part of it cost.

The last line is `N passed, N failed`, alone. A test that did not pass has failed: errors, skips and
expected failures count, and so does a run that collected nothing. A missing tool is a failure that
says what to install, never a skip.

Before that line stands a table of the parts: seconds of the clock and of processors. tests/budgets.json
has the processor seconds that a part may take; a part that takes twice that fails the run.
"""

import json
import os
import resource
import signal
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence, Sized
from typing import Protocol

import pytest

from lab import ageing, leftovers, limits
from lab.paths import ROOT, cache, disk_full

_NOT_PASSED = ("failed", "error", "skipped", "xfailed", "xpassed")
BUDGETS = ROOT / "tests/budgets.json"
# A part with little work is measured too coarsely to be judged.
_SMALLEST = 20
# Both debug kernels, built in a run whose cache has none.
_KERNELS = 1500
_GUEST = "tests/test_guest.py"
# The part that a file belongs to, by how its path begins; the first that fits.
PARTS = (
    (_GUEST, "machines"),
    ("codegen/", "generator"),
    ("abi-tests/selftest/test_face", "modules"),
    ("abi-tests/", "ABI gate"),
    ("tests/test_lint", "lint"),
    ("tests/docs/", "manual"),
    ("tests/decoder/", "decoder"),
    ("tests/clients/", "clients"),
    ("tests/packaging/", "packages"),
    ("tests/tools/", "tools"),
    ("tests/uapi/", "header"),
    ("tests/lab/test_mutants", "mutants"),
    ("tests/lab/", "lab"),
    ("", "others"),
)
# Where several processes share the files, these come first, since each takes long ...
_FIRST = (_GUEST, "abi-tests/selftest/test_changes", "abi-tests/selftest/test_replays",
          "abi-tests/selftest/test_gate", "codegen/")
# ... and these last: they wait for kernels that are being built meanwhile.
_LAST = ("tests/test_lint", "tests/lab/test_mutants", "abi-tests/selftest/test_face")


def part_of(nodeid: str) -> str:
    """The part of the run that a test belongs to."""
    return next(part for start, part in PARTS if nodeid.startswith(start))


def rank(nodeid: str, parallel: bool) -> int:
    """The place of a test's file in the run: a number to sort by."""
    if not parallel:
        # One process would wait for the machines and do nothing else.
        return int(nodeid.startswith(_GUEST))
    for place, start in enumerate(_FIRST):
        if nodeid.startswith(start):
            return place
    return len(_FIRST) + 1 + next((place for place, start in enumerate(_LAST, 1)
                                   if nodeid.startswith(start)), 0)


def counts(stats: Mapping[str, Sized]) -> tuple[int, int]:
    """(passed, failed) of a terminal reporter's statistics."""
    return (len(stats.get("passed", ())), sum(len(stats.get(key, ())) for key in _NOT_PASSED))


def processor_seconds() -> float:
    """The time used by this process and the children it has waited for."""
    return sum(used.ru_utime + used.ru_stime for used in
               map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def over_budget(parts: Mapping[str, Sequence[float]], budgets: Mapping[str, float], slowness: float,
                more: float = 0) -> list[str]:
    """
    A sentence for each part that took more than twice its budget of processor seconds. `more` is what
    any part may take beside, since the first that needs a kernel builds it.
    """
    return [f"{part} took {cpu:.0f} processor seconds, more than twice its budget of "
            f"{budgets[part] * slowness:.0f}: see docs/testing.md"
            for part, (_, cpu) in parts.items()
            if part in budgets and cpu > 2 * max(_SMALLEST, budgets[part] * slowness) + more]


class _Made(Protocol):
    """What pytest's own maker of reports has made."""
    def get_result(self) -> pytest.TestReport: ...


class RunReport:
    """Adds up what the tests of one session cost, and prints it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.parts: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.details: dict[str, tuple[float, ...]] = {}
        self.began: dict[str, tuple[float, float]] = {}
        self.started = time.monotonic()
        self.worker = hasattr(config, "workerinput")
        self.cold = not any((cache() / "debug-kernel").glob("*.tar.xz"))

    def record(self, what: str, cost: tuple[float, float]) -> None:
        """Keeps the (wall, cpu) seconds of one piece of a part, such as one machine."""
        self.details[what] = tuple(cost)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        parallel = self.worker or bool(getattr(self.config.option, "numprocesses", None))
        items.sort(key=lambda item: rank(item.nodeid, parallel))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.began[item.nodeid] = time.monotonic(), processor_seconds()
        yield
        self.began.pop(item.nodeid, None)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item,
                                  call: pytest.CallInfo[None]) -> Generator[None, _Made, None]:
        outcome = yield
        full = disk_full(call.excinfo.value) if call.excinfo else None
        if full:
            outcome.get_result().sections.append(("the disk", full))
        if call.when == "teardown" and item.nodeid in self.began:
            wall, cpu = self.began[item.nodeid]
            outcome.get_result().user_properties.append(
                ("cost", [time.monotonic() - wall, processor_seconds() - cpu]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cost = dict(report.user_properties).get("cost") if report.when == "teardown" else None
        if isinstance(cost, list):
            part = self.parts[part_of(report.nodeid)]
            part[0] += cost[0]
            part[1] += cost[1]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self.details.update(getattr(node, "workeroutput", {}).get("costs", {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.worker:
            # An attribute of xdist's.
            getattr(self.config, "workeroutput")["costs"] = self.details
            return
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter and exitstatus == 0 and (counts(reporter.stats)[1] or self.complaints()):
            session.exitstatus = 1

    def complaints(self) -> list[str]:
        """Faults of the run itself that belong to no test."""
        slowness = limits.slowness()
        return over_budget(self.parts, json.loads(BUDGETS.read_text("utf-8")), slowness,
                           _KERNELS * slowness if self.cold else 0)

    def pytest_keyboard_interrupt(self) -> None:
        """Ends the programs of the tests, but not the processes that have the tests: they end theirs."""
        if self.worker or not getattr(self.config.option, "numprocesses", None):
            # Machines that still run would be waited for.
            leftovers.end_children_from_now()

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Clears up, and prints the run's verdict after pytest's own summary."""
        if not self.worker:
            # Of processes that had to be killed.
            leftovers.sweep()
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if self.worker or not reporter or config.option.collectonly or config.option.help:
            return
        passed, failed = counts(reporter.stats)
        complaints = self.complaints()
        reporter.ensure_newline()
        ageing.at_end()
        for line in [*self.table(), *(f"FAILED {text}" for text in complaints),
                     f"{passed} passed, {failed + len(complaints)} failed"]:
            reporter.write_line(line)

    def table(self) -> list[str]:
        """The lines of the table; none for a run of a moment."""
        wall = time.monotonic() - self.started
        if wall < 10:
            return []
        setup = _setup_cost()
        rows = [(part, *cost) for part, cost in
                sorted(self.parts.items(), key=lambda pair: -pair[1][1])]
        kernels = [cost for what, cost in self.details.items() if what.startswith("kernels ")]
        lines = ["", f"caches {'cold' if self.cold else 'warm'}, slowness {limits.slowness():.1f}; "
                     "seconds of the clock (parts run side by side) and of processors:"]
        rows += [(what, *cost) for what, cost in sorted(self.details.items(), key=lambda p: -p[1][0])
                 if not what.startswith("kernels ")] if os.environ.get("NVLINK2_COSTS") else []
        if kernels:
            rows.append(("of machines: kernels", sum(cost[0] for cost in kernels),
                         sum(cost[1] for cost in kernels)))
        if setup:
            rows.append(("packages", *setup))
        lines += [f"  {what:34}{seconds:8.0f}{cpu:8.0f}" for what, seconds, cpu in rows]
        total = sum(cost[1] for cost in self.parts.values()) + (setup[1] if setup else 0)
        lines.append(f"  {'whole run':34}{wall + (setup[0] if setup else 0):8.0f}{total:8.0f}")
        return lines


def _setup_cost() -> tuple[float, float] | None:
    """(wall, cpu) seconds of installing packages, which .ci/run measures before there is Python."""
    try:
        wall, cpu = map(float, os.environ.get("NVLINK2_SETUP_SECONDS", "").split())
    except ValueError:
        return None
    return wall, cpu


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def pytest_configure(config: pytest.Config) -> None:
    """Makes the report of this session; a test reaches it by its name."""
    # SIGTERM ends a run as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupted)
    # Before the workers start, which take the value over.
    limits.slowness()
    config.pluginmanager.register(RunReport(config), "run-report")
