# SPDX-License-Identifier: GPL-2.0-only
"""The attack: a hostile owner of a GPU, for as long as one likes. See docs/lab.md."""

import re
import secrets
from collections.abc import Sequence

from lab import limits
from lab.kernels import flavours
from lab.machine import machine
from lab.machine.machine import Outcome, LineHandler
from lab.progress import note
from lab.suites import judge
from lab.suites.suite import Suite, log_path, payload

SUITE = "attack"
FLAVOUR = "6.12-debug"
# Of `make attack`, and of `make test`. A broken driver is found within 20 s; every third round of 5 s
# has no ATSD registers. `make soak` has it long.
SECONDS = 60
SHORT_SECONDS = 60
# Booting, and comparing memory between the rounds. On a machine that is busy the attack itself lasts
# up to eight times as long, without the time in which the emulator waits for a processor.
_EXTRA_TIME = 90
_PATIENCE = 8

_ABSENT = re.compile(r"# (.*?) +\d+ done +\d+ refused  absent")
_SURVIVED = "# attack: nothing found"
CASE = "attack"


def command(seconds: int, seed: int | None) -> tuple[list[str], float]:
    """Returns the command that runs in the machine, and the time it may take."""
    if seed is None:
        seed = secrets.randbits(32) or 1
    return ["/bin/nvtest", "attack", str(seconds), hex(seed)], \
        (_PATIENCE + 1) * seconds + limits.seconds(_EXTRA_TIME)


def judge_attack(outcome: Outcome) -> judge.Case:
    """The program has said that it found nothing, and did all that the kernel can do."""
    printed = judge.split(outcome.console)[0]
    absent = {match[1] for match in map(_ABSENT.fullmatch, printed) if match}
    if absent:
        return judge.Case(CASE, False, f"the kernel cannot do: {', '.join(sorted(absent))}")
    if _SURVIVED not in printed:
        return judge.Case(CASE, False, "\n".join(["the attack found something:", *printed]))
    return judge.Case(CASE, True, "")


def run(flavour: str, seconds: int, seed: int | None = None, on_text: LineHandler = note) -> Outcome:
    """Boots a flavour with the attack and returns the Outcome. The seed is shown."""
    words, timeout = command(seconds, seed)
    note(f"{flavour} attack: {seconds} s, seed {words[-1]}")
    files = payload(flavour)
    if flavours.flavour(flavour).debug:
        files.append(("lab/health", b""))

    def show(line: str) -> None:
        for text in judge.split([line])[0]:
            on_text(text)

    return machine.boot(flavour, words, files, timeout, on_line=show,
                        extra=flavours.TWO_PROCESSORS, log=log_path(flavour, SUITE))


class AttackSuite(Suite):
    """The short attack of `make test`: races between processors are the point, and time is real."""
    takes_names = False

    def names(self) -> list[str]:
        return [CASE]

    def command(self, times: int = 1, only: Sequence[str] = ()) -> list[str]:
        words, _ = command(SHORT_SECONDS * times, None)
        note(f"attack: {SHORT_SECONDS * times} s, seed {words[-1]}")
        return words

    def limit(self, flavour: str, times: int = 1) -> float:
        return command(SHORT_SECONDS * times, 1)[1]

    def emulator(self, _: str) -> tuple[str, ...]:
        return flavours.TWO_PROCESSORS

    def judge_tests(self, outcome: Outcome, _: str, only: Sequence[str] = ()) -> list[judge.Case]:
        return [judge_attack(outcome)]

    def run(self, flavour: str, times: int = 1, only: Sequence[str] = ()) -> Outcome:
        return run(flavour, SHORT_SECONDS * times)
