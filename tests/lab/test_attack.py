# SPDX-License-Identifier: GPL-2.0-only
"""An attack passes when it says that it found nothing, and never because it did nothing."""

from lab.machine.machine import Outcome
from lab.suites import attack

COUNTS = "# open  340 done  0 refused"
SURVIVED = "# attack: nothing found"


def verdict(*printed):
    console = ["[ 0.0] Linux version 6.12", *(f"[ 1.0] nvlab| {line}" for line in printed)]
    return attack.judge_attack(Outcome(console, "5eed", "end", 1.0, 0)).ok


def test_one_that_found_nothing_passes():
    assert verdict(COUNTS, SURVIVED)


def test_silence_fails():
    assert not verdict()


def test_a_finding_fails():
    assert not verdict("nvtest: attack.c:1: a load at 0x1", COUNTS)


def test_operations_that_are_absent_fail():
    assert not verdict("# madvise   0 done   0 refused  absent", SURVIVED)


def test_seed_is_random_unless_given():
    assert attack.command(60, 5)[0] == ["/bin/nvtest", "attack", "60", "0x5"]
    assert attack.command(60, None)[0] != attack.command(60, None)[0]
