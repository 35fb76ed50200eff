# SPDX-License-Identifier: GPL-2.0-only
"""Static assertions: the old header's numbers, which the compiler has to agree to in the new one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import GateError
from ..facts import KINDS, Fact, change, expression
from ..measure import Measured, errors

_DIFFERS = re.compile(r"static[ _]assert(?:ion)? failed", re.I)


def _program(measured: Measured, numbers: dict[Fact, int]) -> str:
    lines = [measured.include.strip()]
    for fact, number in numbers.items():
        wanted = f"{number}LL" if number != -2**63 else "(-9223372036854775807LL - 1)"
        lines.append(f'_Static_assert((long long)({expression(fact)}) == {wanted}, "{fact}");')
    return "\n".join(lines) + "\n"


def _failed(measured: Measured, numbers: dict[Fact, int]) -> dict[int, str]:
    flag = "-ferror-limit=0" if measured.configuration.toolchain.compiler == "clang" \
        else "-fmax-errors=0"
    complaint = measured.compile(_program(measured, numbers), "-std=gnu11", "-w", flag)
    found = errors(complaint)
    if complaint and not found:
        raise GateError(f"{measured.configuration.name}: the compiler complains in an unknown way: "
                        f"{complaint[:500]}")
    return found


def detect(old: Measured, new: Measured) -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what) for every number of the old header that the new one does not have."""
    facts = list(old.numbers)
    for line, message in _failed(new, old.numbers).items():
        if line == 0:
            yield "HEADER_BROKEN", new.header.path, message
            continue
        fact = facts[line - 2]
        after = new.numbers.get(fact)
        if after is None or not _DIFFERS.search(message):
            yield *new.missing_rule(fact), message
        else:
            yield (KINDS[fact.kind].changed, fact.subject,
                   change(fact, old.numbers[fact], after))
