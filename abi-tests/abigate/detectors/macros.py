# SPDX-License-Identifier: GPL-2.0-only
"""Macros: what the preprocessor knows, and debug information does not."""

from __future__ import annotations

from collections.abc import Iterator

from ..facts import KINDS, Fact, change
from ..measure import Measured

Seen = tuple[str, str, str]


def detect(old: Measured, new: Measured) -> Iterator[Seen]:
    """(rule, subject, what) for macros and enumerators."""
    for name, macro in old.inventory.macros.items():
        other = new.inventory.macros.get(name)
        if other is None:
            # An enumerator under the same name serves as well, but not an #ifdef.
            yield "MACRO_REMOVED", name, "the macro is gone"
            continue
        numbers = [Fact(kind, name) for kind in ("value", "width", "macro_signed")]
        if numbers[0] in old.numbers and numbers[0] in new.numbers:
            for fact in numbers:
                if old.numbers[fact] != new.numbers[fact]:
                    yield (KINDS[fact.kind].changed, name,
                           change(fact, old.numbers[fact], new.numbers[fact]))
        elif (macro.parameters, macro.body.split()) != (other.parameters, other.body.split()):
            yield ("MACRO_TEXT_CHANGED", name,
                   f"'{macro.parameters or ''} {macro.body}' -> "
                   f"'{other.parameters or ''} {other.body}'")
