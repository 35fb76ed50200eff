# SPDX-License-Identifier: GPL-2.0-only
"""Where a C compiler puts the members of a struct.

Two models cover every architecture Linux runs on as far as fixed-size integers go: LP64,
and the ILP32 of i386, which aligns a 64-bit integer inside a struct to 4.  Other 32-bit
ABIs align it to 8, as LP64 does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Abi:
    name: str
    u64_align: int


LP64 = Abi("LP64", 8)
ILP32 = Abi("ILP32", 4)
ABIS = (LP64, ILP32)


@dataclass(frozen=True)
class Shape:
    """Size and alignment of a type, in bytes."""

    size: int
    align: int


_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "aligned_u64": 8}
C_NAMES = {"u8": "__u8", "u16": "__u16", "u32": "__u32", "u64": "__u64",
           "aligned_u64": "__aligned_u64", "header": "struct vfio_info_cap_header"}

#: The one struct a record may contain; checked against the spec's own definition of it.
HEADER = Shape(8, 4)


class HasLayout(Protocol):
    """A member of a struct, as far as layout is concerned."""

    @property
    def type(self) -> str: ...

    @property
    def count(self) -> int | None: ...


def shape(type_name: str, abi: Abi) -> Shape:
    """Size and alignment of one element of a type."""
    if type_name == "header":
        return HEADER
    size = _SIZES[type_name]
    return Shape(size, abi.u64_align if type_name == "u64" else size)


def field_size(field: HasLayout) -> int:
    return shape(field.type, LP64).size * (field.count or 1)


@dataclass(frozen=True)
class Layout:
    size: int
    align: int
    offsets: tuple[int, ...]


def _round_up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def lay_out(fields: Sequence[HasLayout], abi: Abi) -> Layout:
    """Returns the layout that the compiler gives the fields in this order."""
    offset, align, offsets = 0, 1, []
    for field in fields:
        element = shape(field.type, abi)
        offset = _round_up(offset, element.align)
        offsets.append(offset)
        offset += element.size * (field.count or 1)
        align = max(align, element.align)
    return Layout(_round_up(offset, align), align, tuple(offsets))
