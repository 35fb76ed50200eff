# SPDX-License-Identifier: GPL-2.0-only
"""Resets against everything else that reaches GPU RAM."""

from lab.kernels import flavours
from lab.suites.suite import Suite


class RaceSuite(Suite):
    """
    Races between processors are the point in a debug kernel; time is real then. With one processor,
    on stock 7.2, a timer changes the threads.
    """

    def emulator(self, flavour: str) -> tuple[str, ...]:
        return flavours.TWO_PROCESSORS if flavours.flavour(flavour).debug else flavours.COUNTED_TIME
