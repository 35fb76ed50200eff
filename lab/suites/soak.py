# SPDX-License-Identifier: GPL-2.0-only
"""
Looks for rare things, for as long as one likes: races, the attack, failing allocations, and
new inputs for the decoder. `make test` does a short piece of each. See docs/lab.md.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lab.errors import CheckFailed, LabError
from lab.machine.machine import LineHandler
from lab.paths import ROOT
from lab.progress import note
from lab.suites import attack, judge, suites

MINUTES = 60
# How many times what `make test` does; a round of all parts takes about half an hour.
RACES = 15
SWEEPS = 3
ATTACK_SECONDS = 300
FUZZ_SECONDS = 300
FUZZ_CASE = "fuzz"


class Part(NamedTuple):
    """A piece of work: its title, and a function that does it and returns (cases, CPU seconds)."""
    title: str
    run: Callable[[], tuple[list[judge.Case], float]]


def _suite(flavour: str, suite: str, times: int) -> tuple[list[judge.Case], float]:
    outcome = suites.run_suite(flavour, suite, times)
    return suites.verdict(outcome, flavour, suite), outcome.cpu


def _attack() -> tuple[list[judge.Case], float]:
    outcome = attack.run(attack.FLAVOUR, ATTACK_SECONDS)
    return suites.verdict(outcome, attack.FLAVOUR, attack.SUITE), outcome.cpu


def _fuzz() -> tuple[list[judge.Case], float]:
    before = os.times()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/decoder/test_libfuzzer.py"],
                          cwd=ROOT, env={**os.environ, "NVLINK2_FUZZ_SECONDS": str(FUZZ_SECONDS)},
                          capture_output=True, text=True, check=False)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return [judge.Case(FUZZ_CASE, not done.returncode, done.stdout + done.stderr)], spent


PARTS = (
    Part("race on 6.12-debug", lambda: _suite("6.12-debug", "race", RACES)),
    Part("race on 7.2-4k", lambda: _suite("7.2-4k", "race", RACES)),
    Part(f"attack on {attack.FLAVOUR}", _attack),
    Part("failnth on 6.12-debug", lambda: _suite("6.12-debug", "failnth", SWEEPS)),
    Part("fuzz", _fuzz),
)


def _do(part: Part, show: LineHandler) -> int:
    """Runs a part and prints what came of it; how many of its cases failed."""
    started = time.monotonic()
    try:
        cases, spent = part.run()
    except (CheckFailed, LabError) as error:
        cases, spent = [judge.Case("it runs", False, str(error))], 0.0
    failed = [case for case in cases if not case.ok]
    show(f"{'FAILED' if failed else 'ok'} {part.title}: {len(cases) - len(failed)} of {len(cases)}, "
         f"{time.monotonic() - started:.0f} s, {spent:.0f} s of a processor")
    for case in failed:
        show(f"FAILED {part.title}: {case.name}\n{case.detail}")
    return len(failed)


def soak(minutes: float, parts: Sequence[Part] = PARTS, show: LineHandler = print) -> int:
    """
    Does one part after the other, all of them at least once, and begins none when the minutes have
    passed; how many cases failed.
    """
    end = time.monotonic() + minutes * 60
    failed = done = 0
    while done < len(parts) or time.monotonic() < end:
        part = parts[done % len(parts)]
        note(f"soak: part {done + 1}, {part.title}; {max(0, end - time.monotonic()) / 60:.0f} minutes left")
        failed += _do(part, show)
        done += 1
    show(f"{done} parts, {failed} failed")
    return failed
