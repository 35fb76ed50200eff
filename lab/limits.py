# SPDX-License-Identifier: GPL-2.0-only
"""
Time limits that hold on a slow or busy machine too.

A limit is written as the seconds that suffice on a quiet machine, one that runs the loop below in
_NOMINAL seconds. seconds() turns it into a limit for this machine. It guards against hanging and
nothing else: the slack is wide, because load may come after the measurement.
"""

import functools
import os
import time

# What the loop below takes on a quiet core of such a machine, in seconds.
_NOMINAL = 0.03
_ROUNDS = 1_000_000
_SLACK = 4.0
# Measured once: the processes that a run starts are given what the first one found.
VARIABLE = "NVLINK2_SLOWNESS"


def _measure() -> float:
    started = time.monotonic()
    total = 0
    for number in range(_ROUNDS):
        total += number & 7
    return time.monotonic() - started


@functools.cache
def slowness() -> float:
    """How many times slower than a quiet machine this one is, at least 1; measured once a run."""
    known = os.environ.get(VARIABLE)
    try:
        found = float(known) if known else 0.0
    except ValueError:
        found = 0.0
    if not 1 <= found <= 100:
        # The middle one of three: a single hiccup is no slow machine.
        found = min(100.0, max(1.0, sorted(_measure() for _ in range(3))[1] / _NOMINAL))
        os.environ[VARIABLE] = f"{found:.2f}"
    return found


def seconds(quiet: float) -> float:
    """A time limit for this machine, in seconds, of one that suffices on a quiet one."""
    return quiet * slowness() * _SLACK
