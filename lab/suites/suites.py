# SPDX-License-Identifier: GPL-2.0-only
"""The suites that run in the machine, and which of them share one."""

from collections.abc import Mapping, Sequence

from lab import limits
from lab.kernels import flavours
from lab.machine import machine
from lab.machine.machine import Outcome, LineHandler
from lab.progress import note
from lab.suites import judge
from lab.suites.attack import AttackSuite
from lab.suites.bench import BenchSuite
from lab.suites.clients import ClientSuite
from lab.suites.examples import ExamplesSuite
from lab.suites.kernelbugs import BUG_SUITES
from lab.suites.kunit import KunitSuite
from lab.suites.race import RaceSuite
from lab.suites.suite import TIMEOUT, Suite, log_path, payload

_STOCK = tuple(flavours.FLAVOURS)
# They have kernel/patches. One of them looks for races; the other runs the driver among other neighbours.
_DEBUG = tuple(flavours.DEBUG)
_RACES = ("6.12-debug",)
# Ours in the place of the driver of 2018; for `make test-reference`, and no part of `make test`.
IN_VFIO_PCI = "in_vfio_pci"

ALL = (
    Suite("basic", (*_STOCK, *_DEBUG)),
    Suite("dma", (*_STOCK, *_DEBUG),
          stopped_on=[name for name in _STOCK if flavours.flavour(name).series == "7.2"]),
    Suite("fault", (*_STOCK, *_DEBUG)),
    Suite("topology", _STOCK),
    ClientSuite("clients", _STOCK),
    ClientSuite("kvm", _STOCK),
    # One with each size of pages, and the oldest and the newest.
    ExamplesSuite("examples", ("6.12-64k", "7.2-4k")),
    BenchSuite("bench", _STOCK),
    # The other MMU: what is different is how pages of GPU RAM are put in.
    Suite("hash", flavours.HASH),
    KunitSuite("kunit", _DEBUG),
    Suite("kernelbugs", _DEBUG),
    # 7.2 alone has blocks that are one entry; resets race against these there.
    RaceSuite("race", ("7.2-4k", *_RACES)),
    # An allocation that fails may leave what a later suite would stumble over.
    Suite("failnth", _RACES, traces=True),
    AttackSuite("attack", _RACES, traces=True),
)
_BY_NAME = {suite.name: suite for suite in (*ALL, *BUG_SUITES)}
ALL_SUITES = tuple(suite.name for suite in ALL)


def named(name: str) -> Suite:
    """The Suite of a name: of the list, or one of nvtest's for a run of its own, as npu2's are."""
    return _BY_NAME.get(name) or Suite(name, ())


def of_flavour(flavour: str) -> tuple[str, ...]:
    """The names of the suites that run on a flavour in `make test`."""
    return tuple(suite.name for suite in ALL if flavour in suite.kernels)


def boots(wanted: Mapping[tuple[str, str], Sequence[str]]) -> list[list[tuple[str, str]]]:
    """
    Which suites run in one machine: lists of (flavour, suite). `wanted` are such pairs, each with
    the names of the tests that are to run; where there are some, the suite has a machine alone.
    """
    found: dict[tuple[str, str | tuple[str, ...]], list[tuple[str, str]]] = {}
    for (flavour, name), only in wanted.items():
        suite = named(name)
        group: str | tuple[str, ...] = suite.emulator(flavour) if suite.shares and not only else name
        found.setdefault((flavour, group), []).append((flavour, name))
    return [sorted(pairs, key=lambda pair: named(pair[1]).traces) for pairs in found.values()]


def names(name: str) -> list[str]:
    """The names of a suite's tests."""
    return named(name).names()


def emulator(flavour: str, name: str) -> tuple[str, ...]:
    """The emulator's options for a suite on a flavour: its processors, and its clock."""
    return named(name).emulator(flavour)


def run_suite(flavour: str, name: str, times: int = 1, only: Sequence[str] = ()) -> Outcome:
    """
    Boots a flavour with a suite and returns the Outcome. A test that repeats does so `times` as often;
    `only` names tests, where the suite takes names.
    """
    return named(name).run(flavour, times, only)


def verdict(outcome: Outcome, flavour: str, name: str, only: Sequence[str] = ()) -> list[judge.Case]:
    """Every case of a finished run of a suite, which was of those named in `only`, or of all."""
    return named(name).verdict(outcome, flavour, only)


def run_program(flavour: str, what: str, timeout: float,
                on_text: LineHandler | None = None) -> tuple[list[str], list[judge.Case]]:
    """
    Runs `nvtest WHAT`, which is for people; (what it printed, the cases that failed). The time
    limit is that of a quiet machine.
    """
    def show(line: str) -> None:
        for text in judge.split([line])[0]:
            (on_text or note)(text)

    outcome = machine.boot(flavour, ["/bin/nvtest", what], payload(flavour, True),
                           limits.seconds(timeout), on_line=show, log=log_path(flavour, what))
    cases = [judge.judge_log(outcome), judge.judge_end(outcome)]
    return judge.split(outcome.console)[0], [case for case in cases if not case.ok]


def log_cases(flavour: str) -> tuple[str, ...]:
    """The names of the cases that are about the machine and not about a test."""
    debug = flavours.flavour(flavour).debug
    return (judge.LOG_CASE, judge.END_CASE, *((judge.HEALTH_CASE,) if debug else ()))


__all__ = ["ALL", "ALL_SUITES", "IN_VFIO_PCI", "TIMEOUT", "boots", "emulator", "log_cases",
           "log_path", "named", "names", "of_flavour", "payload", "run_program", "run_suite", "verdict"]
