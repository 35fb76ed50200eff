# SPDX-License-Identifier: GPL-2.0-only
"""
Libabigail: abidiff of the probes, harmless changes included.

A difference is at a variable of the probe, and the variable says which fact or type it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import GateError
from ..facts import KINDS, Fact, change
from ..inventory import order
from ..measure import Measured
from ..run import run

# abidiff's status is a set of bits: the first two say that it did not do its work.
_ERROR, _CHANGED = 3, 4
_ENTRY = re.compile(r"^ {2}\[([ADC])\] '(?:.* )?\*?(\w+)'.*$", re.M)
_MORE_ENUMERATORS = re.compile(
    r"(?:type of variable changed:|type size hasn't changed|\d+ enumerator insertions?:|"
    r"'\S+' value '-?\d+')(?: at .*)?")


def report(old: Path, new: Path, where: str) -> str:
    """What abidiff says; nothing when it sees no difference."""
    done = run(["abidiff", "--harmless", "--redundant", old, new], where, "abigail-tools")
    if done.returncode & _ERROR:
        raise GateError(f"{where}: abidiff ended with status {done.returncode}: "
                        f"{(done.stderr or done.stdout).strip()[:500]}")
    if bool(done.returncode & _CHANGED) != bool(_ENTRY.search(done.stdout)):
        raise GateError(f"{where}: abidiff's status is {done.returncode}, but its report is of an "
                        f"unknown form:\n{done.stdout[:2000]}")
    return done.stdout if done.returncode else ""


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind of change, variable, the lines about it)."""
    marks = list(_ENTRY.finditer(text))
    for n, mark in enumerate(marks):
        end = marks[n + 1].start() if n + 1 < len(marks) else len(text)
        body = re.split(r"\n\n(?! {4})", text[mark.end():end])[0]
        yield mark[1], mark[2], body.strip("\n")


def detect(old: Measured, new: Measured, stored: Path | None = None) -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what); `stored` is abidw's file of the release, and then the old side."""
    where = f"{new.header.shown}, {new.configuration.name}"
    before, after = old.variables(), new.variables()
    for kind, variable, body in _entries(report(stored or old.abi, new.abi, where)):
        stands = before.get(variable, after.get(variable))
        if stands is None:
            raise GateError(f"{where}: abidiff speaks of {variable}, which is none of the probe's")
        # What is new is no change of what there was.
        if kind == "A" or kind == "C" and (only_more_enumerators(stands, body)
                                           or _only_spelled(stands, body, old, new)):
            continue
        yield _rule(stands, kind, body, old, new)


def _rule(stands: Fact | str, kind: str, body: str, old: Measured,
          new: Measured) -> tuple[str, str, str]:
    text = " ".join(line.strip() for line in body.splitlines())
    if isinstance(stands, Fact):
        if kind == "D":
            return *new.missing_rule(stands), "it has lost what it is known by"
        was, now = old.numbers.get(stands), new.numbers.get(stands)
        what = text if was is None or now is None else change(stands, was, now)
        return KINDS[stands.kind].changed, stands.subject, what
    struct = stands in old.inventory.structs or stands in new.inventory.structs
    if kind == "D":
        return ("STRUCT_REMOVED" if struct else "TYPE_REMOVED"), stands, "it is gone"
    if struct:
        return "STRUCT_CHANGED", stands, text
    return "TYPE_CHANGED", stands, text


def _only_spelled(stands: Fact | str, body: str, old: Measured, new: Measured) -> bool:
    """Whether members of a struct only have other names for the very same types."""
    before, after = (side.inventory.structs.get(str(stands)) for side in (old, new))
    if before is None or after is None or "compatible type" not in body:
        return False
    members = [[(m.name, m.plain, order(m.type), m.bits) for m in struct.members]
               for struct in (before, after)]
    numbers = [{fact: number for fact, number in side.numbers.items()
                if fact.subject.partition("::")[0] == stands} for side in (old, new)]
    return members[0] == members[1] and numbers[0] == numbers[1]


def only_more_enumerators(stands: Fact | str, body: str) -> bool:
    """Whether an enum of the header has only got more enumerators, which breaks nobody."""
    return str(stands).startswith("enum ") and all(
        _MORE_ENUMERATORS.fullmatch(line.strip()) for line in body.splitlines() if line.strip())
