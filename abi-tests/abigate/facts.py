# SPDX-License-Identifier: GPL-2.0-only
"""
The numbers of a header: what a program that uses it is compiled with.

A fact is (kind, subject); in C it is an expression. What a fact's change is called, and the rule
that is broken when its expression does not compile any more, stand here too.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from .inventory import Inventory, Member


class Fact(NamedTuple):
    kind: str
    subject: str            # a macro, an enumerator, struct x, or struct x::member

    @property
    def identifier(self) -> str:
        """A C name of its own, the same for the same fact whatever else a header has."""
        return f"gate__{self.kind}__" + self.subject.replace("::", "__OF__").replace(" ", "__")

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Kind(NamedTuple):
    changed: str            # the rule when the number differs
    missing_rule: str       # the rule when there is no such thing any more
    expression: str         # {0} the owner, {1} the member
    words: str              # {0} before, {1} after


_MEMBER = "(({0} *)0)->{1}"
KINDS = {
    "value": Kind("MACRO_VALUE_CHANGED", "MACRO_REMOVED", "({0})", "value {0} -> {1}"),
    "width": Kind("MACRO_TYPE_CHANGED", "MACRO_REMOVED", "sizeof({0})", "{0} -> {1} bytes wide"),
    "macro_signed": Kind("MACRO_TYPE_CHANGED", "MACRO_REMOVED", "((__typeof__({0}))-1 < 1)",
                         "signed {0} -> {1}"),
    "enumerator": Kind("ENUMERATOR_VALUE_CHANGED", "ENUMERATOR_REMOVED", "({0})",
                       "value {0} -> {1}"),
    "size": Kind("STRUCT_SIZE_CHANGED", "STRUCT_REMOVED", "sizeof({0})", "size {0} -> {1} bytes"),
    "alignment": Kind("STRUCT_ALIGNMENT_CHANGED", "STRUCT_REMOVED", "_Alignof({0})",
                      "alignment {0} -> {1}"),
    "offset": Kind("FIELD_MOVED", "FIELD_REMOVED", "__builtin_offsetof({0}, {1})",
                   "offset {0} -> {1}"),
    "field_size": Kind("FIELD_SIZE_CHANGED", "FIELD_REMOVED", f"sizeof({_MEMBER})",
                       "size {0} -> {1} bytes"),
    "field_alignment": Kind("FIELD_ALIGNMENT_CHANGED", "FIELD_REMOVED", f"_Alignof({_MEMBER})",
                            "alignment {0} -> {1}"),
    "field_signed": Kind("FIELD_SIGN_CHANGED", "FIELD_REMOVED",
                         f"((__typeof__({_MEMBER}))-1 < 1)", "signed {0} -> {1}"),
}


def expression(fact: Fact) -> str:
    """The fact as a constant expression of GNU C."""
    owner, _, member = fact.subject.partition("::")
    return KINDS[fact.kind].expression.format(owner, member)


def _of_member(struct: str, member: Member) -> list[Fact]:
    subject = f"{struct}::{member.name}"
    if member.bits:
        return []
    kinds = ["offset"]
    if member.sized:
        kinds += ["field_size", "field_alignment"]
    if member.integer:
        kinds.append("field_signed")
    return [Fact(kind, subject) for kind in kinds]


def facts(inventory: Inventory, numbers: Container[str]) -> list[Fact]:
    """Every fact of a header; `numbers` are the macros that are integer constants."""
    found = [Fact(kind, name) for name in inventory.macros if name in numbers
             for kind in ("value", "width", "macro_signed")]
    found += [Fact("enumerator", name) for name in inventory.enumerators]
    for struct in inventory.structs.values():
        found += [Fact("size", struct.name), Fact("alignment", struct.name)]
        for member in struct.members:
            found += _of_member(struct.name, member)
    return found


def shown(fact: Fact, number: int) -> str:
    """A number as a person would write it."""
    return f"{number:#x}" if fact.kind == "value" and abs(number) > 15 else str(number)


def change(fact: Fact, old: int, new: int) -> str:
    """What became of a number, in words."""
    return KINDS[fact.kind].words.format(shown(fact, old), shown(fact, new))
