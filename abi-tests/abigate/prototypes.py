# SPDX-License-Identifier: GPL-2.0-only
"""C prototypes of a module's functions, and the project's own structures they need, from DWARF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from .modulefile import ModuleFile

# Structures of the kernel differ from one configuration to another, and are not ours to keep.
OWN = "nvlink2_"
_TAGS = {"DW_TAG_structure_type": "struct", "DW_TAG_union_type": "union",
         "DW_TAG_enumeration_type": "enum"}
_QUALIFIERS = {"DW_TAG_const_type": "const", "DW_TAG_volatile_type": "volatile",
               "DW_TAG_restrict_type": "restrict"}


class _Attribute(Protocol):
    value: Any      # a number or bytes, as the attribute has it


class _Die(Protocol):
    """An entry of debug information, as pyelftools has it."""

    tag: str
    attributes: Mapping[str, _Attribute]

    def iter_children(self) -> Iterator[_Die]: ...

    def get_DIE_from_attribute(self, name: str) -> _Die: ...  # pylint: disable=invalid-name  # theirs


class Prototypes:
    """Declarations of exported functions, and the types they bring along."""

    def __init__(self, module: ModuleFile, wanted: set[str]):
        self.known = bool(module.data(".debug_info"))
        self.functions: dict[str, str] = {}
        self.types: dict[str, list[str]] = {}
        if not self.known or not wanted:
            return
        for unit in module.dwarf().iter_CUs():
            for die in unit.get_top_DIE().iter_children():
                name = _name(die)
                # Only a definition: a caller's declaration may be of another tree.
                if die.tag == "DW_TAG_subprogram" and name in wanted \
                        and "DW_AT_declaration" not in die.attributes:
                    self.functions[name] = self._function(die, name)
        for name in sorted(wanted - set(self.functions)):
            module.fail(f"exports {name}, of which its debug information has no definition")

    def _function(self, die: _Die, inner: str) -> str:
        arguments = []
        for child in die.iter_children():
            if child.tag == "DW_TAG_formal_parameter":
                arguments.append(self._declare(_type(child), _name(child)))
            elif child.tag == "DW_TAG_unspecified_parameters":
                arguments.append("...")
        return self._declare(_type(die), f"{inner}({', '.join(arguments) or 'void'})")

    def _declare(self, die: _Die | None, inner: str = "") -> str:
        """The C declaration of `inner` as something of this type."""
        if die is None:
            return _spaced("void", inner)
        if die.tag in _QUALIFIERS:
            return self._qualified(_QUALIFIERS[die.tag], _type(die), inner)
        if die.tag == "DW_TAG_pointer_type":
            return self._pointer(die, inner)
        if die.tag == "DW_TAG_subroutine_type":
            return self._function(die, inner)
        if die.tag == "DW_TAG_array_type":
            return self._declare(_type(die), inner + "".join(map(_bound, die.iter_children())))
        return _spaced(self._word(die), inner)

    def _qualified(self, word: str, die: _Die | None, inner: str) -> str:
        if die is not None and die.tag == "DW_TAG_pointer_type":
            return self._pointer(die, _spaced(word, inner))
        return f"{word} {self._declare(die, inner)}"

    def _word(self, die: _Die) -> str:
        """The type as one name, which may be of a type of the project's own."""
        if die.tag in _TAGS:
            return self._tagged(die)
        if die.tag == "DW_TAG_typedef" and _name(die).startswith(OWN):
            self._remember(f"typedef {_name(die)}", lambda: [self._declare(_type(die))])
        return _name(die)

    def _pointer(self, die: _Die, inner: str) -> str:
        target = _type(die)
        if _bare(target) in ("DW_TAG_subroutine_type", "DW_TAG_array_type"):
            return self._declare(target, f"(*{inner})")
        return self._declare(target, f"*{inner}")

    def _tagged(self, die: _Die) -> str:
        word = f"{_TAGS[die.tag]} {_name(die)}".rstrip()
        if not _name(die):
            return f"{word} {{ {'; '.join(self._members(die))}; }}"
        if _name(die).startswith(OWN):
            self._remember(word, lambda: self._members(die))
        return word

    def _remember(self, name: str, members: Callable[[], list[str]]) -> None:
        if self.types.get(name):
            return
        # Entered first, for a structure may point to itself.
        self.types[name] = ["(incomplete)"]
        self.types[name] = members() or ["(incomplete)"]

    def _members(self, die: _Die) -> list[str]:
        members = []
        for child in die.iter_children():
            if child.tag == "DW_TAG_member":
                bits = child.attributes.get("DW_AT_bit_size")
                members.append(self._declare(_type(child), _name(child))
                               + (f" : {bits.value}" if bits else ""))
            elif child.tag == "DW_TAG_enumerator":
                members.append(f"{_name(child)} = {child.attributes['DW_AT_const_value'].value}")
        return members


def _name(die: _Die) -> str:
    name = die.attributes.get("DW_AT_name")
    text: bytes = name.value if name else b""
    return text.decode()


def _type(die: _Die) -> _Die | None:
    return die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None


def _bare(die: _Die | None) -> str:
    while die is not None and die.tag in _QUALIFIERS:
        die = _type(die)
    return die.tag if die is not None else ""


def _bound(die: _Die) -> str:
    if "DW_AT_count" in die.attributes:
        return f"[{die.attributes['DW_AT_count'].value}]"
    upper = die.attributes.get("DW_AT_upper_bound")
    return f"[{upper.value + 1}]" if upper else "[]"


def _spaced(word: str, inner: str) -> str:
    return f"{word} {inner}".rstrip()
