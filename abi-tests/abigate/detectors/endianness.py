# SPDX-License-Identifier: GPL-2.0-only
"""Byte order: __le64 and __u64 are the same to a compiler, and not to a program."""

from __future__ import annotations

from collections.abc import Iterator

from ..inventory import order
from ..measure import Measured

def detect(old: Measured, new: Measured) -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what) for every field whose type announces another byte order."""
    for name, struct in old.inventory.structs.items():
        other = new.inventory.structs.get(name)
        types = {member.name: member.type for member in other.members} if other else {}
        for member in struct.members:
            spelled = types.get(member.name)
            if spelled and order(member.type) != order(spelled):
                yield ("FIELD_ENDIANNESS_CHANGED", f"{name}::{member.name}",
                       f"{member.type} -> {spelled}")
