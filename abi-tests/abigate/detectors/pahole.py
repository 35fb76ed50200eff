# SPDX-License-Identifier: GPL-2.0-only
"""Pahole: the layout of structs as debug information has it, with spelled types and attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import GateError
from ..facts import Fact
from ..measure import Measured

_START = re.compile(r"^(?:(struct|union) (\w+)|typedef (?:struct|union)) \{$")
_CLOSED = re.compile(r"^\t+\} (?P<name>\w+);\s*/\*\s*(?P<at>\d+)\s+(?P<size>\d+)\s*\*/$")
_MEMBER = re.compile(r"^\t+(?P<type>.*?)\s*(?P<star>\**)(?P<name>\w+)(?P<array>(?:\[\d*\])*)"
                     r"(?P<bits>:\d+)?\s*(?P<attr>__attribute__\(\(.*?\)\))?;\s*"
                     r"/\*\s*(?P<at>\d+(?::\s*\d+)?)\s+(?P<size>\d+)\s*\*/$")
_COMMENT = re.compile(r"\s*/\*.*?\*/")


@dataclass
class _Field:
    type: str
    at: str
    size: int
    attributes: str


@dataclass
class _Layout:
    text: list[str]
    fields: dict[str, _Field]
    end: int = 0


def layouts(text: str) -> dict[str, _Layout]:
    """{struct: layout} of pahole's output."""
    found: dict[str, _Layout] = {}
    present: _Layout | None = None
    for line in text.splitlines():
        start = _START.match(line)
        if start:
            present = _Layout([], {})
            if start[1]:
                found[f"{start[1]} {start[2]}"] = present
        elif line.startswith("}"):
            tail = re.match(r"\} *(\w+)?", line)
            if present is not None and tail and tail[1] and not tail[1].startswith("__attribute"):
                found[tail[1]] = present
            if present is not None:
                present.text.append(_COMMENT.sub("", line).replace(" ", ""))
            present = None
        elif present is not None and line.strip():
            _line(present, line)
    return found


def _line(layout: _Layout, line: str) -> None:
    member = _MEMBER.match(line)
    if member:
        layout.fields[member["name"]] = _Field(
            " ".join(f"{member['type']} {member['star']}{member['array']}{member['bits'] or ''}".split()),
            member["at"], int(member["size"]), member["attr"] or "")
    closed = _CLOSED.match(line)
    if closed:
        layout.fields[closed["name"]] = _Field("struct", closed["at"], int(closed["size"]), "")
    shape = " ".join(_COMMENT.sub("", line).split())
    if shape:
        layout.text.append(shape)


def _layouts(measured: Measured) -> dict[str, _Layout]:
    """Pahole's output with the compiler's offsets: pahole counts some unions' members from 0."""
    found = layouts(measured.pahole)
    for name, layout in found.items():
        # Members of a struct with a name inside of this one are not members of this one.
        members = {m.name for m in measured.inventory.structs[name].members} \
            if name in measured.inventory.structs else set()
        layout.fields = {key: field for key, field in layout.fields.items() if key in members}
        for key, field in layout.fields.items():
            offset = measured.numbers.get(Fact("offset", f"{name}::{key}"))
            if offset is not None:
                field.at = str(offset)
        layout.end = max((_bytes(field) + field.size for field in layout.fields.values()), default=0)
    return found


def _bytes(field: _Field) -> int:
    return int(field.at.split(":")[0])


def _members(name: str, before: _Layout, after: _Layout, old: Measured,
             new: Measured) -> Iterator[tuple[str, str, str]]:
    fresh = {key: value for key, value in after.fields.items() if key not in before.fields}
    for key, was in before.fields.items():
        subject, now = f"{name}::{key}", after.fields.get(key)
        if now is None:
            heir = next((n for n, f in fresh.items() if (f.at, f.size) == (was.at, was.size)), None)
            if heir:
                fresh.pop(heir)
                yield "FIELD_RENAMED", subject, f"its place has {heir} now"
            else:
                yield "FIELD_REMOVED", subject, "the field is gone"
            continue
        if _bytes(now) != _bytes(was) or now.at != was.at and ":" in now.at and ":" in was.at:
            yield "FIELD_MOVED", subject, f"offset {was.at} -> {now.at}"
        if now.size != was.size:
            yield "FIELD_SIZE_CHANGED", subject, f"size {was.size} -> {now.size} bytes"
        if now.type != was.type and old.plain(subject) != new.plain(subject):
            yield "FIELD_TYPE_CHANGED", subject, f"type {was.type} -> {now.type}"
        if now.attributes != was.attributes:
            fact = Fact("field_alignment", subject)
            # __aligned_u64 is __u64 wherever that is aligned to 8 anyway.
            if fact in new.numbers and old.numbers.get(fact) != new.numbers[fact]:
                yield ("FIELD_ALIGNMENT_CHANGED", subject,
                       f"attributes '{was.attributes}' -> '{now.attributes}'")
    for key, field in fresh.items():
        rule = "FIELD_APPENDED" if _bytes(field) >= before.end else "FIELD_INSERTED"
        yield rule, f"{name}::{key}", f"a new field at offset {field.at}"


def _shape(layout: _Layout) -> list[str]:
    """What is left of a struct's text when what its members say for themselves is taken out."""
    lines = [re.sub(r"\s*__attribute__\(\(__aligned__\(\d+\)\)\)", "", line) for line in layout.text]
    return [re.sub(r"^.*?(\w+)((?:\[\d*\])*(?::\d+)?;)$", r"\1\2", line) for line in lines]


def detect(old: Measured, new: Measured) -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what) for every struct that pahole shows differently."""
    before, after = _layouts(old), _layouts(new)
    for side, there in ((old, before), (new, after)):
        blind = [name for name in side.inventory.structs if name not in there]
        if blind:
            raise GateError(f"{side.header.shown}, {side.configuration.name}: pahole's output has no "
                            f"{', '.join(blind)}, or is of an unknown form")
    for name in old.inventory.structs:
        if name not in new.inventory.structs:
            yield "STRUCT_REMOVED", name, "the struct is gone"
            continue
        seen = list(_members(name, before[name], after[name], old, new))
        size = Fact("size", name)
        if old.numbers[size] != new.numbers[size]:
            seen.append(("STRUCT_SIZE_CHANGED", name,
                         f"size {old.numbers[size]} -> {new.numbers[size]} bytes"))
        if not seen and _shape(before[name]) != _shape(after[name]):
            lost = [line for line in before[name].text if line not in after[name].text]
            come = [line for line in after[name].text if line not in before[name].text]
            seen = [("STRUCT_SHAPE_CHANGED", name, f"'{' '.join(lost)}' -> '{' '.join(come)}'")]
        yield from seen
