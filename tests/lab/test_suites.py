# SPDX-License-Identifier: GPL-2.0-only
"""How a suite's machine is started. No emulator is started."""

import pytest

from lab import limits
from lab.kernels import flavours
from lab.machine import machine
from lab.suites import attack, suite, suites


@pytest.fixture(name="started")
def started_fixture(monkeypatch):
    """The arguments of machine.boot(), by name."""
    calls = []

    def boot(flavour, command, _, timeout, **rest):
        calls.append({"flavour": flavour, "command": command, "timeout": timeout, **rest})
        return machine.Outcome([], "5eed", "end", 1.0, 0)

    monkeypatch.setattr(machine, "boot", boot)
    for module in (attack, suite):
        monkeypatch.setattr(module, "payload", lambda *_: [])
    monkeypatch.setattr(limits, "slowness", lambda: 2.0)
    return calls


def test_two_processors_are_for_what_races():
    two = {(flavour, name) for flavour in flavours.ALL for name in suites.of_flavour(flavour)
           if suites.emulator(flavour, name) != flavours.COUNTED_TIME}
    assert two == {("6.12-debug", "race"), ("6.12-debug", attack.SUITE)}


@pytest.mark.parametrize("name, options", [("basic", flavours.COUNTED_TIME),
                                            ("race", flavours.TWO_PROCESSORS),
                                            (attack.SUITE, flavours.TWO_PROCESSORS)])
def test_machine_gets_the_processors_of_its_suite(started, name, options):
    suites.run_suite("6.12-debug", name)
    assert started[0]["extra"] == options


def test_longer_run_says_so_to_the_program_and_has_more_time(started):
    suites.run_suite("6.12-debug", "race")
    suites.run_suite("6.12-debug", "race", 10)
    short, long = started
    assert short["command"] == ["/bin/nvtest", "race"]
    assert long["command"] == ["/bin/nvtest", "--times", "10", "race"]
    assert long["timeout"] == 10 * short["timeout"]
    assert short["timeout"] >= 2 * suite.DEBUG_TIMEOUT


def test_longer_run_says_how_many_times():
    assert suites.named("race").command(3) == ["/bin/nvtest", "--times", "3", "race"]
    assert suites.named("basic").command() == ["/bin/nvtest", "basic"]
