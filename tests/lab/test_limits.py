# SPDX-License-Identifier: GPL-2.0-only
"""Time limits follow the machine's speed, and a run measures it once."""

import pytest

from lab import limits


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.delenv(limits.VARIABLE, raising=False)
    limits.slowness.cache_clear()
    yield
    limits.slowness.cache_clear()


def test_slow_machine_gets_more_time(monkeypatch):
    monkeypatch.setattr(limits, "_measure", lambda: 0.3)
    quiet = 60
    slow = limits.seconds(quiet)
    limits.slowness.cache_clear()
    monkeypatch.delenv(limits.VARIABLE)
    monkeypatch.setattr(limits, "_measure", lambda: 0.001)
    assert limits.seconds(quiet) >= 3 * quiet
    assert slow == pytest.approx(10 * limits.seconds(quiet))


def test_processes_of_a_run_take_what_the_first_one_measured(monkeypatch):
    monkeypatch.setattr(limits, "_measure", lambda: 0.06)
    assert limits.slowness() == pytest.approx(2)
    limits.slowness.cache_clear()
    monkeypatch.setattr(limits, "_measure", lambda: 99)
    assert limits.slowness() == pytest.approx(2)


@pytest.mark.parametrize("text", ["", "fast", "0", "-3", "nan", "inf"])
def test_nonsense_in_the_environment_is_measured_anew(monkeypatch, text):
    monkeypatch.setenv(limits.VARIABLE, text)
    monkeypatch.setattr(limits, "_measure", lambda: 0.09)
    assert limits.slowness() == pytest.approx(3)
