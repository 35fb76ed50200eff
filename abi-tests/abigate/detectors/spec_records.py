# SPDX-License-Identifier: GPL-2.0-only
"""Spec against spec: capability records and regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.model import Field, Record, Region, Spec

Seen = tuple[str, str, str]


def _what(field: Field) -> str:
    count = f"[{field.count}]" if field.count else ""
    return f"{field.type}{count} at {field.offset}"


def _fields(old: Record, new: Record) -> Iterator[Seen]:
    after = {f.name: f for f in new.fields}
    for was in old.fields:
        subject, now = f"struct {old.struct}::{was.name}", after.get(was.name)
        place = next((f for f in new.fields if f.offset == was.offset), None)
        if now is None:
            if was.reserved and place is not None and not place.reserved:
                yield "RESERVED_REUSED", subject, f"the padding is {place.name} now"
            if place is not None and _what(place) == _what(was) \
                    and place.name not in {f.name for f in old.fields}:
                yield "FIELD_RENAMED", subject, f"its place has {place.name} now"
            else:
                yield "FIELD_REMOVED", subject, "the field is gone"
        elif _what(now) != _what(was):
            yield "RECORD_FIELD_CHANGED", subject, f"{_what(was)} -> {_what(now)}"
        elif was.reserved and not now.reserved:
            yield "RESERVED_REUSED", subject, "the padding is put to use"
        elif (now.source, now.reserved) != (was.source, was.reserved):
            yield ("FIELD_SOURCE_CHANGED", subject,
                   f"filled from {was.source or 'nothing'} -> {now.source or 'nothing'}")


def _grown(old: Record, new: Record, excused: set[tuple[str, str]]) -> Iterator[Seen]:
    """Fields a released record has got; a raised version and their dates make them good."""
    before = {f.name for f in old.fields}
    end = max(f.offset + f.size for f in old.fields)
    fresh = [f for f in new.fields if f.name not in before]
    struct = f"struct {old.struct}"
    behind = [f for f in fresh if f.offset >= end]
    if behind and (new.version <= old.version or any(f.since <= old.version for f in behind)):
        yield ("CAP_GREW_UNVERSIONED", f"capability {old.name}",
               f"{', '.join(f.name for f in behind)} came with version {new.version}, after "
               f"version {old.version}")
    elif behind:
        excused.update((rule, struct) for rule in
                       ("STRUCT_SIZE_CHANGED", "STRUCT_ALIGNMENT_CHANGED", "STRUCT_CHANGED"))
        excused.update(("FIELD_APPENDED", f"{struct}::{f.name}") for f in behind)


def capabilities(old: Spec, new: Spec, excused: set[tuple[str, str]]) -> Iterator[Seen]:
    """The records; what grew as it should is added to `excused`."""
    after = {cap.name: cap for cap in new.capabilities}
    for was in old.capabilities:
        now, subject = after.get(was.name), f"capability {was.name}"
        if now is None:
            yield "CAP_REMOVED", subject, "the capability is gone"
            continue
        if now.id != was.id:
            yield "CAP_ID_CHANGED", subject, f"id {was.id} -> {now.id}"
        if (now.constant, now.struct) != (was.constant, was.struct):
            yield ("CAP_NAME_CHANGED", subject,
                   f"{was.constant}, {was.struct} -> {now.constant}, {now.struct}")
        if now.version < was.version:
            yield "CAP_VERSION_LOWERED", subject, f"version {was.version} -> {now.version}"
        elif now.version > was.version:
            excused.add(("MACRO_VALUE_CHANGED", was.version_constant))
        if now.size < was.size:
            yield "CAP_SHRUNK", subject, f"size {was.size} -> {now.size}"
        yield from _fields(was, now)
        yield from _grown(was, now, excused)
    yield from _values(old, new)


def _values(old: Spec, new: Spec) -> Iterator[Seen]:
    after = {value.name: value for value in new.values}
    for value in old.values:
        now = after.get(value.name)
        if now is not None and now.type != value.type:
            yield "VALUE_CHANGED", f"value {value.name}", f"{value.type} -> {now.type}"


def _type(spec: Spec, region: Region) -> str:
    vendor, subtype = spec.vendor(region.vendor), spec.subtype(region.subtype)
    number = f"{spec.region_type(vendor):#x}" if vendor else region.vendor
    return f"type {number}, subtype {subtype.value if subtype else region.subtype}"


def _size(spec: Spec, region: Region) -> str:
    size = region.size
    if size.constant:
        return f"{size.constant} ({spec.number(size.constant)})"
    return f"{size.node}/{size.property} of the {size.source}"


def _chain(was: Region, now: Region) -> Iterator[Seen]:
    subject = f"region {was.name}"
    for name in was.capabilities:
        if name not in now.capabilities:
            yield "REGION_CAP_REMOVED", subject, f"it no longer carries {name}"
    kept = [name for name in now.capabilities if name in was.capabilities]
    still = [name for name in was.capabilities if name in kept]
    if kept != still or now.capabilities[:len(kept)] != kept:
        yield ("REGION_CAP_ORDER_CHANGED", subject,
               f"{', '.join(was.capabilities)} -> {', '.join(now.capabilities)}")


def regions(old: Spec, new: Spec) -> Iterator[Seen]:
    """The regions and their chains."""
    after = {region.name: region for region in new.regions}
    for was in old.regions:
        now, subject = after.get(was.name), f"region {was.name}"
        if now is None:
            yield "REGION_REMOVED", subject, "the region is gone"
            continue
        if _type(old, was) != _type(new, now):
            yield "REGION_TYPE_CHANGED", subject, f"{_type(old, was)} -> {_type(new, now)}"
        for which in ("flags", "flags_empty"):
            lost = [flag for flag in getattr(was, which) if flag not in getattr(now, which)]
            come = [flag for flag in getattr(now, which) if flag not in getattr(was, which)]
            # An empty region that says it can be read makes programs try.
            if lost or come and which == "flags_empty":
                yield ("REGION_FLAGS_CHANGED", subject,
                       f"{which}: without {', '.join(lost) or 'none'}, with {', '.join(come) or 'none'}")
        if now.memory != was.memory:
            yield "REGION_MEMORY_CHANGED", subject, f"{was.memory} -> {now.memory}"
        if _size(old, was) != _size(new, now):
            yield "REGION_SIZE_CHANGED", subject, f"{_size(old, was)} -> {_size(new, now)}"
        yield from _chain(was, now)
