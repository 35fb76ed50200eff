# SPDX-License-Identifier: GPL-2.0-only
"""The attack: a hostile owner of a GPU, for as long as one likes. See docs/lab.md."""

import re
import secrets

from lab import limits
from lab.suites import judge

SUITE = "attack"
FLAVOUR = "6.12-debug"
# Of `make attack`, and of `make test`. A broken driver is found within 20 s; every third round of 5 s
# has no ATSD registers. `make soak` has it long.
SECONDS = 60
SHORT_SECONDS = 60
# Booting, and comparing memory between the rounds. On a machine that is busy the attack itself lasts
# up to eight times as long.
_EXTRA_TIME = 90
_PATIENCE = 8

_ABSENT = re.compile(r"# (.*?) +\d+ done +\d+ refused  absent")
_SURVIVED = "# attack: nothing found"
CASE = "attack"


def command(seconds, seed):
    """Returns the command that runs in the machine, and the time it may take."""
    if seed is None:
        seed = secrets.randbits(32) or 1
    return ["/bin/nvtest", "attack", str(seconds), hex(seed)], \
        (_PATIENCE + 1) * seconds + limits.seconds(_EXTRA_TIME)


def judge_attack(outcome):
    """The program has said that it found nothing, and did all that the kernel can do."""
    printed = judge.split(outcome.console)[0]
    absent = {match[1] for match in map(_ABSENT.fullmatch, printed) if match}
    if absent:
        return judge.Case(CASE, False, f"the kernel cannot do: {', '.join(sorted(absent))}")
    if _SURVIVED not in printed:
        return judge.Case(CASE, False, "\n".join(["the attack found something:", *printed]))
    return judge.Case(CASE, True, "")
