# SPDX-License-Identifier: GPL-2.0-only
"""
A suite of tests in the machine. Callers ask it, and know none by its name.

A suite like the others is a line in the list of suites.py. One that differs is a class in a file of
its own, with what differs.
"""

import re
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from lab import limits
from lab.errors import CheckFailed
from lab.kernels import build, flavours
from lab.machine import machine
from lab.machine.machine import Argv, File, Outcome, LineHandler
from lab.paths import BUILD
from lab.progress import note
from lab.suites import judge

# Time limits on a quiet machine, in seconds; limits.seconds() makes those of this one.
TIMEOUT = 60
DEBUG_TIMEOUT = 600
_payload_lock = threading.Lock()


class Suite:
    """
    name: as nvtest has it; kernels: the flavours it runs on in `make test`; stopped_on: those that a
    fault of the kernel itself would not let survive it, which kernelbugs.py shows

    shares: whether it may run in one boot with others. init looks that it leaves no module and no
    process behind; a measurement, what carries a whole client, and what takes the kernel down do not
    share. traces: whether the kernel is not the same behind it, so that it comes last. takes_names:
    whether a run can be of some of its tests.
    """
    shares = True
    takes_names = True

    def __init__(self, name: str, kernels: Iterable[str], stopped_on: Collection[str] = (),
                 traces: bool = False) -> None:
        self.name = name
        self.kernels = tuple(name for name in kernels if name not in stopped_on)
        self.stopped_on = tuple(stopped_on)
        self.traces = traces

    def names(self) -> list[str]:
        """The names of its tests, as the program itself lists them."""
        program = build.nvtest(cross=False)
        listed = subprocess.run([str(program), "--list", self.name], capture_output=True, text=True,
                                check=False)
        found = listed.stdout.split("\n")[:-1]
        if listed.returncode or not found:
            raise CheckFailed(f"nvtest --list {self.name} names no test: {listed.stderr.strip()}")
        if len(set(found)) != len(found):
            raise CheckFailed(f"suite {self.name} has two tests of one name")
        return found

    def command(self, times: int = 1, only: Sequence[str] = ()) -> list[str]:
        """The command in the machine; what repeats does so `times` as often as in `make test`."""
        longer = ("--times", str(times)) if times != 1 else ()
        return ["/bin/nvtest", *longer, self.name, *(only if self.takes_names else ())]

    def payload(self, _: str) -> list[File]:
        """The files its machine has beside payload(): [(path in the machine, file or bytes)]."""
        return []

    def emulator(self, _: str) -> tuple[str, ...]:
        """The emulator's options on a flavour: its processors, and its clock."""
        return flavours.COUNTED_TIME

    def limit(self, flavour: str, times: int = 1) -> float:
        """Its time limit on a flavour, on this machine, in seconds."""
        return limits.seconds(DEBUG_TIMEOUT if flavours.flavour(flavour).debug else TIMEOUT) * times

    def judge_tests(self, outcome: Outcome, _: str, only: Sequence[str] = ()) -> list[judge.Case]:
        """A case for each test, or for each of those named."""
        return judge.judge_tests(outcome, list(only) or self.names())

    def verdict(self, outcome: Outcome, flavour: str, only: Sequence[str] = ()) -> list[judge.Case]:
        """Every case of a finished run, which was of those named in `only`, or of all."""
        chosen = flavours.flavour(flavour)
        return [*self.judge_tests(outcome, flavour, only),
                *judge.judge_machine(outcome, chosen.debug, chosen.lockdep)]

    def run(self, flavour: str, times: int = 1, only: Sequence[str] = ()) -> Outcome:
        """Boots a flavour with the suite, prints every result as it comes, and returns the Outcome."""
        return start(flavour, [self], self.command(times, only), self.limit(flavour, times))


def start(flavour: str, chosen: Sequence[Suite], command: Argv, limit: float) -> Outcome:
    """Boots a flavour for a suite, or for several that share a machine; the Outcome."""
    title = f"{flavour} {'+'.join(suite.name for suite in chosen)}"
    files = payload(flavour)
    for suite in chosen:
        files += suite.payload(flavour)
    if flavours.flavour(flavour).debug:
        files.append(("lab/health", b""))
    log = log_path(flavour, "+".join(suite.name for suite in chosen))
    return with_progress(title, lambda on_line: machine.boot(
        flavour, command, files, limit, on_line=on_line, extra=chosen[0].emulator(flavour), log=log))


def with_progress(title: str, boot: Callable[[LineHandler], Outcome]) -> Outcome:
    """Runs boot(on_line), and says how far it is and what it took; the Outcome."""
    note(f"{title}: starting the machine")
    outcome = boot(_Teller(title))
    note(f"{title}: stopped after {outcome.seconds:.1f} s, {outcome.cpu:.1f} s of a processor "
         f"({outcome.reason})")
    return outcome


def payload(flavour: str, with_tool: bool = False) -> list[File]:
    """The files every machine has, built once at a time. The tests need no nvlink2-info."""
    with _payload_lock:
        tool: list[File] = [("bin/nvlink2-info", build.info_tool())] if with_tool else []
        return machine.payload(flavour) + tool


def log_path(flavour: str, what: str) -> Path:
    """Where the console of the last such run is kept."""
    return BUILD / "logs" / f"{flavour}-{what}.log"


class _Teller:
    """Says how far a machine is: when the kernel and the command begin, then every test."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __call__(self, line: str) -> None:
        if "Linux version " in line:
            note(f"{self.title}: the kernel has begun")
        match = re.search(r"nvlab\| ((?:not )?ok \d+.*)", line)
        if match:
            note(f"{self.title}: {match[1]}")
