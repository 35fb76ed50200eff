# SPDX-License-Identifier: GPL-2.0-only
"""Small parts that are played: a root, a process, a clock, the output of the tests in the machine."""

import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lab.bench.played import lines as bench_lines
from lab.rehearsal.recipe import Fault
from lab.suites import attack, bench, suites
from lab.versus import answers, compare, guest


class Root:
    """Plays a private root that has every file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def needed(self, _: object) -> list[str]:
        return []

    def file(self, _: object) -> Path:
        return self._file

    def version(self, _: object) -> str:
        return "1:7.2+dfsg"


class Process(NamedTuple):
    """Plays a process that ended well."""
    stdout: list[str]
    returncode: int = 0


class Hours:
    """Plays the module time: an hour passes from one look at the clock to the next."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 3600
        return self.now


def instead(module: types.ModuleType, **others: object) -> types.SimpleNamespace:
    """A module for one user of it, in which some functions are others."""
    return types.SimpleNamespace(**{**vars(module), **others})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def printed(flavour: str, argv: Sequence[str]) -> list[str]:
    """Returns the output of nvtest when all that it was asked for passes; Fault when it does not know it."""
    words = argv[1:]
    if argv[0] != "/bin/nvtest" or not words:
        raise Fault(f"{flavour}: no machine can run {argv}")
    if words[0] == attack.SUITE:
        return ["# attack: nothing found"]
    if words[0] == bench.SUITE:
        return bench_lines()
    if words[0] == "transcript":
        # Its platform is the simulator's own, which has no firmware.
        old = {key: value for key, value in answers.recorded().items()
               if flavour != compare.MODERN or not key.startswith("firmware ")}
        traced = re.findall(r"vfio_pci_\w+: .*", (answers.RECORDED / "trace-lines.txt").read_text("ascii"))
        old |= {f"trace gpu {number}": line for number, line in enumerate(traced)}
        return [*(f"{key} = {value}" for key, value in old.items()), "transcript = whole"]
    if words[0] == "--times":
        words = words[2:]
    elif words[0] == "--apart":
        words = words[1:]
    suite, *only = words
    known = suites.names(suite)
    unknown = [name for name in only if name not in known]
    if unknown:
        raise Fault(f"suite {suite} has no test {', '.join(unknown)}")
    names = only or known
    before = []
    if suite == guest.SUITE:
        before = [f"# {line}" for line in [*guest.recorded(), *(f"guest: {at}" for at in range(10))]]
    return ["TAP version 14", *before, *(f"ok {number} - {name}" for number, name in enumerate(names, 1)),
            f"1..{len(names)}"]
