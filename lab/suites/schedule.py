# SPDX-License-Identifier: GPL-2.0-only
"""
Runs many suites on many kernels: which kernel is made when, and which machine starts next.

Kernels are made ready one after the other, the quickest first, since a build of one takes all
processors. A machine takes one, so there are as many at a time as there are processors; of those
whose kernel is ready, the one that takes longest starts first.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lab import progress
from lab.errors import CheckFailed, LabError
from lab.kernels import build, flavours
from lab.machine.machine import Outcome, LineHandler
from lab.paths import ROOT
from lab.progress import note
from lab.suites import suites, together

# A flavour and a suite.
Key = tuple[str, str]
# About how long a machine takes, in seconds, to start the long ones first. Only the order depends on it.
_SECONDS = {"race": 120, "failnth": 80, "attack": 100, "basic": 60, "kvm": 45, "clients": 40}
_OTHERS = 25


def _end_with_parent() -> None:
    """A build never outlives the run that wants it: it ends its own processes when asked to end."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Cost(NamedTuple):
    """What a part of a run took: seconds of the clock, and of processors."""
    wall: float
    cpu: float


class Boots:
    """
    Runs suites in the background, and keeps what their machines showed.

    wanted: the (flavour, suite) pairs, each with the names of the tests it is to run, or all
    show: is called in the caller's thread with each line of progress
    """

    def __init__(self, wanted: Mapping[Key, Sequence[str]], show: LineHandler) -> None:
        self.wanted = wanted
        self.show = show
        self.costs: dict[tuple[str, str], Cost] = {}
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._results: dict[Key, Outcome | Exception] = {}
        self._done = {key: threading.Event() for key in self.wanted}
        self._ready: queue.PriorityQueue[tuple[int, list[Key]]] = queue.PriorityQueue()
        self._left = len(self.wanted)
        self._lock = threading.Lock()
        self._closing = False
        self._child: subprocess.Popen[str] | None = None
        progress.redirect(self._lines.put)
        self._threads = [threading.Thread(target=self._prepare_all, daemon=True),
                         *(threading.Thread(target=self._run_all, daemon=True)
                           for _ in range(os.cpu_count() or 1))]
        for thread in self._threads:
            thread.start()

    def result(self, flavour: str, suite: str) -> Outcome | Exception:
        """The Outcome of a suite, or the exception that kept it from running; waits for it."""
        done = self._done[flavour, suite]
        while not done.is_set():
            try:
                self.show(self._lines.get(timeout=0.2))
            except queue.Empty:
                pass
        while not self._lines.empty():
            self.show(self._lines.get())
        return self._results[flavour, suite]

    def close(self) -> None:
        """Starts nothing more, and waits for the machines that run."""
        self._closing = True
        with self._lock:
            if self._child:
                self._child.terminate()
        for thread in self._threads:
            thread.join()
        progress.redirect(None)

    def _prepare_all(self) -> None:
        by_kernel: dict[str, list[list[Key]]] = {}
        for pairs in suites.boots(self.wanted):
            by_kernel.setdefault(flavours.flavour(pairs[0][0]).base, []).append(pairs)
        # A stock kernel is fetched in seconds; one of our own may have to be built.
        for base in sorted(by_kernel, key=lambda name: bool(flavours.flavour(name).recipe)):
            error: Exception | None = None
            try:
                self._prepare(base)
            except (CheckFailed, LabError, OSError) as caught:
                error = caught
            for pairs in by_kernel[base]:
                if error:
                    self._finish(dict.fromkeys(pairs, error))
                else:
                    self._ready.put((-sum(_SECONDS.get(suite, _OTHERS) for _, suite in pairs), pairs))

    def _prepare(self, base: str) -> None:
        """Makes a kernel ready in a process of its own, whose processor time can be measured."""
        if self._closing:
            raise LabError("interrupted")
        started = time.monotonic()
        with self._lock:
            # It is reaped below, and _end_with_parent takes no lock.
            self._child = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
                [sys.executable, "-m", "lab", "kernel", base], cwd=ROOT, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                preexec_fn=_end_with_parent)
        assert self._child.stderr is not None, "it is a pipe"
        said = []
        for line in self._child.stderr:
            said.append(line.rstrip())
            note(line.rstrip().removeprefix("lab: "))
        _, status, used = os.wait4(self._child.pid, 0)
        self._child.returncode = status = os.waitstatus_to_exitcode(status)
        self.costs["kernels", base] = Cost(time.monotonic() - started, used.ru_utime + used.ru_stime)
        if status:
            raise LabError("\n".join([f"the kernel {base} cannot be made ready:", *said[-20:]]))
        # Once for all machines of the kernel.
        build.modules(base)

    def _run_all(self) -> None:
        while True:
            with self._lock:
                if self._closing or not self._left:
                    return
            try:
                _, pairs = self._ready.get(timeout=0.5)
            except queue.Empty:
                continue
            started = time.monotonic()
            outcomes: Mapping[Key, Outcome | Exception]
            try:
                outcomes, cpu = self._run(pairs)
                what = "+".join(suite for _, suite in pairs)
                self.costs[pairs[0][0], what] = Cost(time.monotonic() - started, cpu)
            # A thread that ended by an exception would leave the tests waiting for ever.
            except Exception as error:  # pylint: disable=broad-exception-caught
                outcomes = dict.fromkeys(pairs, error)
            self._finish(outcomes)

    def _run(self, pairs: list[Key]) -> tuple[dict[Key, Outcome], float]:
        """({(flavour, suite): Outcome}, seconds of processors) of one machine."""
        flavour, suite = pairs[0]
        if len(pairs) == 1:
            outcome = suites.run_suite(flavour, suite, only=self.wanted[flavour, suite])
            return {(flavour, suite): outcome}, getattr(outcome, "cpu", 0.0)
        outcomes, cpu = together.run(flavour, [suite for _, suite in pairs])
        return {(flavour, suite): outcome for suite, outcome in outcomes.items()}, cpu

    def _finish(self, outcomes: Mapping[Key, Outcome | Exception]) -> None:
        self._results.update(outcomes)
        with self._lock:
            self._left -= len(outcomes)
        for key in outcomes:
            self._done[key].set()
