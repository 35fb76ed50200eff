# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel is made when, which machine starts next, and that nothing waits for ever."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from lab import progress
from lab.errors import LabError
from lab.paths import ROOT
from lab.suites import schedule

BOOTS = schedule.suites.boots


@pytest.fixture(name="lab")
def lab_fixture(monkeypatch):
    """A scheduler whose kernels and machines take no time: the order of what it did."""
    did = []
    monkeypatch.setattr(schedule.Boots, "_prepare", lambda self, base: did.append(base))
    monkeypatch.setattr(schedule.suites, "run_suite",
                        lambda flavour, suite, **_: did.append((flavour, suite)) or f"{flavour} {suite}")
    monkeypatch.setattr(schedule.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(schedule.suites, "boots", lambda wanted: [[pair] for pair in wanted])
    yield did
    progress.redirect(None)


def run(wanted):
    boots = schedule.Boots(dict.fromkeys(wanted, ()), lambda text: None)
    try:
        return [boots.result(*key) for key in wanted]
    finally:
        boots.close()


def test_kernels_to_build_come_after_those_to_fetch(lab):
    wanted = [("6.12-debug", "basic"), ("6.12-64k", "basic"), ("6.12-64k-hash", "hash"),
              ("6.12-debug-unpatched", "kernel_0001")]
    assert run(wanted) == [" ".join(key) for key in wanted]
    assert [name for name in lab if isinstance(name, str)] == ["6.12-64k", "6.12-debug"]
    assert sorted(key for key in lab if isinstance(key, tuple)) == sorted(wanted)


def test_longest_machine_of_those_ready_starts_first(lab, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(schedule.suites, "run_suite",
                        lambda flavour, suite, **_: gate.wait(10) and lab.append((flavour, suite)))
    wanted = [("6.12-64k", suite) for suite in ("topology", "kvm", "basic", "race")]
    boots = schedule.Boots(dict.fromkeys(wanted, ()), lambda text: None)
    deadline = time.monotonic() + 10
    # The thread that runs machines has taken one, whichever was ready first.
    while boots._ready.qsize() != len(wanted) - 1 and time.monotonic() < deadline:  # pylint: disable=protected-access
        time.sleep(0.01)
    gate.set()
    for key in wanted:
        boots.result(*key)
    boots.close()
    ran = [key[1] for key in lab if isinstance(key, tuple)]
    assert sorted(ran) == sorted(suite for _, suite in wanted)
    assert ran[1:] == sorted(ran[1:], key=["race", "basic", "kvm", "topology"].index)


def test_suites_that_share_a_machine_have_one(lab, monkeypatch):
    monkeypatch.setattr(schedule.suites, "boots", BOOTS)

    def run_together(flavour, chosen):
        lab.append((flavour, tuple(chosen)))
        return {suite: f"{suite} of {len(chosen)}" for suite in chosen}, 7.0

    monkeypatch.setattr(schedule.together, "run", run_together)
    boots = schedule.Boots({("6.12-4k", suite): () for suite in ("basic", "kvm", "dma")},
                           lambda text: None)
    assert boots.result("6.12-4k", "dma") == "dma of 2" and boots.result("6.12-4k", "kvm") == "6.12-4k kvm"
    boots.close()
    assert ("6.12-4k", "kvm") in lab and ("6.12-4k", ("basic", "dma")) in lab
    assert boots.costs["6.12-4k", "basic+dma"].cpu == 7.0


def test_kernel_that_cannot_be_made_fails_its_suites_and_no_other(lab, monkeypatch):
    def prepare(_, base):
        if base == "7.2-debug":
            raise LabError("no such kernel")

    monkeypatch.setattr(schedule.Boots, "_prepare", prepare)
    broken, good = run([("7.2-debug", "basic"), ("6.12-4k", "basic")])
    assert isinstance(broken, LabError) and good == "6.12-4k basic"
    assert lab == [("6.12-4k", "basic")]


def test_machine_that_raises_is_a_result(lab, monkeypatch):
    def run_suite(flavour, suite, only):
        raise ZeroDivisionError(f"{flavour} {suite} {only}")

    monkeypatch.setattr(schedule.suites, "run_suite", run_suite)
    error, = run([("6.12-4k", "basic")])
    assert isinstance(error, ZeroDivisionError) and lab == ["6.12-4k"]


def test_close_starts_nothing_more(lab, monkeypatch):
    began = threading.Event()
    monkeypatch.setattr(schedule.suites, "run_suite",
                        lambda *key, **_: (lab.append(key), began.set(), time.sleep(0.2)))
    boots = schedule.Boots({("6.12-4k", f"suite{number}"): () for number in range(20)}, lambda text: None)
    assert began.wait(10)
    boots.close()
    assert len(lab) <= 3


def test_lines_of_progress_reach_the_caller(lab, monkeypatch):
    monkeypatch.setattr(schedule.suites, "run_suite", lambda *key, **_: progress.note("it has begun"))
    said = []
    boots = schedule.Boots({("6.12-4k", "basic"): ()}, said.append)
    boots.result("6.12-4k", "basic")
    boots.close()
    assert "it has begun" in said and lab == ["6.12-4k"]


def test_build_ends_with_the_run_that_wants_it():
    """Killed outright, a run leaves no build behind."""
    script = ("import subprocess, sys, time\nfrom lab.suites import schedule\n"
              "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'],\n"
              "                         preexec_fn=schedule._end_with_parent)\n"
              "print(child.pid, flush=True)\ntime.sleep(100)\n")
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE) as run_of_tests:
        child = int(run_of_tests.stdout.readline())
        run_of_tests.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
