# SPDX-License-Identifier: GPL-2.0-only
"""Rules about records: their bytes, and where those come from."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import Place
from .layout import ABIS, HEADER, LP64
from .model import Field, Record, Spec

Complaint = tuple[str, Place, str]


def _places(record: Record) -> Iterator[Complaint]:
    """Order, overlaps and holes; only the first kind found, as the others follow from it."""
    pairs = list(zip(record.fields, record.fields[1:]))
    disorder = [("record-order", now.at + ("offset",),
                 f"field {now.name} at offset {now.offset} is listed after {before.name} at offset "
                 f"{before.offset}; list fields by offset")
                for before, now in pairs if now.offset < before.offset]
    if disorder:
        yield from disorder
        return

    end = 0
    previous: Field | None = None
    for field in record.fields:
        if previous and field.offset < end:
            yield ("record-overlap", field.at + ("offset",),
                   f"field {field.name} at offset {field.offset} overlaps {previous.name}, which "
                   f"ends at {end}; move it to {end} or behind")
        elif field.offset > end:
            yield ("record-hole", field.at + ("offset",),
                   f"nothing describes the bytes {end} to {field.offset - 1} before field "
                   f"{field.name}; put a reserved field there")
        end, previous = max(end, field.end), field


def _size(record: Record) -> Iterator[Complaint]:
    at = record.at + ("size",)
    end = max(field.end for field in record.fields)
    if record.size > end:
        yield ("record-hole", at, f"nothing describes the bytes {end} to {record.size - 1} at the "
               f"end of struct {record.struct}; put a reserved field there")
    elif record.size < end:
        yield ("record-size", at, f"size {record.size} is less than the fields of struct "
               f"{record.struct} take, {end}; write {end}")
    if record.size % 8:
        yield ("record-size", at, f"size {record.size} of struct {record.struct} is not a multiple "
               f"of 8; add reserved fields up to {(record.size + 7) // 8 * 8}")


def _alike(record: Record) -> Iterator[Complaint]:
    """The compilers' layout against the spec's."""
    for abi in ABIS:
        layout = record.layout(abi)
        for field, offset in zip(record.fields, layout.offsets):
            if offset != field.offset:
                yield ("record-abi", field.at + ("offset",),
                       f"a compiler puts field {field.name} of struct {record.struct} at "
                       f"{offset} on {abi.name}, not at {field.offset}; align it to its own size "
                       "with reserved fields")
                return
        if layout.size != record.size:
            yield ("record-abi", record.at + ("size",),
                   f"a compiler makes struct {record.struct} {layout.size} bytes long on "
                   f"{abi.name}, not {record.size}; fill it up with a reserved field")
            return
    aligns = {abi.name: record.layout(abi).align for abi in ABIS}
    if len(set(aligns.values())) > 1:
        guilty, *_ = (field for field in record.fields if field.type == "u64")
        shown = ", ".join(f"{align} on {name}" for name, align in aligns.items())
        yield ("record-abi", guilty.at + ("type",), f"struct {record.struct} is aligned to {shown} "
               f"because of field {guilty.name}; make its type aligned_u64")


def _bytes(record: Record, multiple_of_8: bool) -> Iterator[Complaint]:
    found = list(_places(record))
    found += [c for c in _size(record) if multiple_of_8 or "multiple" not in c[2]]
    # Where the spec contradicts itself the compiler's view adds nothing.
    yield from found or _alike(record)


def _header(cap: Record) -> Iterator[Complaint]:
    first = cap.fields[0]
    if first.type != "header" or first.name != "header":
        yield ("record-header", first.at, f"the first field of struct {cap.struct} is "
               f"{first.name}; start with a field 'header' of type header")
    for field in cap.fields[1:]:
        if field.type == "header":
            yield ("record-header", field.at + ("type",), f"field {field.name} is a second header "
                   f"in struct {cap.struct}; a record has one")


def _appended(cap: Record) -> Iterator[Complaint]:
    newest: Field = cap.fields[0]
    for field in cap.fields:
        if field.since < newest.since:
            yield ("field-appended", field.at + ("since",), f"field {field.name} is of version "
                   f"{field.since} but follows {newest.name} of version {newest.since}; newer "
                   "fields go to the end")
        else:
            newest = field


def _sources(cap: Record, spec: Spec) -> Iterator[Complaint]:
    for field in cap.fields:
        roles = (field.type == "header") + field.reserved + (field.source is not None)
        if roles != 1:
            what = ("has no source: say from which value it is filled (from:), or that it is "
                    "padding (reserved: true)" if not roles else
                    "is more than one of header, reserved and filled from a value; keep one")
            yield "field-source", field.at, f"field {field.name} {what}"
        if field.source is None:
            continue
        value = spec.value(field.source)
        if value is None:
            known = ", ".join(v.name for v in spec.values)
            yield ("unknown-value", field.at + ("from",), f"value {field.source} is not defined; "
                   f"known are: {known}")
        elif field.count or field.type.removeprefix("aligned_") != value.type:
            shown = field.type + (f"[{field.count}]" if field.count else "")
            yield ("value-width", field.at + ("type",), f"field {field.name} is {shown} but its "
                   f"value {value.name} is {value.type}; make both the same")


def check(spec: Spec) -> Iterator[Complaint]:
    """Complaints about the bytes of every record, and about values no record carries."""
    for record in spec.core_structs:
        yield from _bytes(record, multiple_of_8=False)
    header = spec.core_struct("vfio_info_cap_header")
    if header and (header.size, header.layout(LP64).align) != (HEADER.size, HEADER.align):
        yield ("core-incomplete", header.at + ("size",), "struct vfio_info_cap_header is not "
               f"{HEADER.size} bytes aligned to {HEADER.align}; the layout model relies on that")
    for cap in spec.capabilities:
        yield from _header(cap)
        yield from _bytes(cap, multiple_of_8=True)
        yield from _appended(cap)
        yield from _sources(cap, spec)
    used = {field.source for cap in spec.capabilities for field in cap.fields}
    for value in spec.values:
        if value.name not in used:
            yield ("unused-value", value.at + ("name",), f"no field is filled from value "
                   f"{value.name}; remove it, or name it in a field's from:")
