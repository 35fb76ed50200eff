# SPDX-License-Identifier: GPL-2.0-only
"""Rules about names, numbers and versions."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Sequence

from .errors import Place
from .model import CORE_CONSTANTS, CORE_STRUCTS, Constant, Field, Named, Record, Region, Spec

Complaint = tuple[str, Place, str]

_C_KEYWORDS = frozenset("""
    alignas alignof and asm auto bitand bitor bool break case catch char char16_t char32_t char8_t
    class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit
    continue decltype default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not nullptr operator or
    private protected public register reinterpret_cast requires restrict return short signed sizeof
    static static_assert static_cast struct switch template this thread_local throw true try typedef
    typeid typename typeof union unsigned using virtual void volatile wchar_t while xor linux unix
    """.split())

#: Members that the decoders' struct has of its own.
_DECODED = ("index", "flags", "size", "offset", "kind", "type", "subtype", "has_type",
            "unknown_caps")


def _repeats(rule: str, what: str, cure: str,
             items: Iterable[tuple[object, Place, object, str]]) -> Iterator[Complaint]:
    """`items` are (key, at, shown, owner); all of a key but the first are complained about."""
    first: dict[object, str] = {}
    for key, at, shown, owner in items:
        if key in first:
            yield rule, at, f"{what} {shown} is already {first[key]}; {cure}"
        else:
            first[key] = owner


def _c_names(spec: Spec) -> list[tuple[str, Place, str]]:
    """Every name that is visible to C at file scope: (name, place, what it is)."""
    names: list[tuple[str, Place, str]] = [
        ("VFIO_NVLINK2_ABI_VERSION", ("abi", "version"), "the ABI version")]
    for constant in spec.core_constants:
        names.append((constant.name, constant.at + ("name",), "a constant of the core"))
    for struct in spec.core_structs:
        names.append((struct.struct, struct.at + ("name",), "a struct of the core"))
    for vendor in spec.vendors:
        names.append((vendor.constant, vendor.at + ("name",), f"vendor {vendor.name}'s"))
        names.append((vendor.type_constant, vendor.at + ("name",), f"vendor {vendor.name}'s"))
    for kind, things in (("a constant", spec.constants), ("a subtype", spec.subtypes),
                         ("a link speed", spec.link_speeds)):
        names += [(thing.name, thing.at + ("name",), kind) for thing in things]
    for cap in spec.capabilities:
        owner = f"capability {cap.name}'s"
        names.append((cap.constant, cap.at + ("constant",), owner))
        names.append((cap.version_constant, cap.at + ("constant",), owner))
        names.append((cap.struct, cap.at + ("struct",), owner))
    return names


def _duplicate_names(spec: Spec) -> Iterator[Complaint]:
    cure = "choose another"
    yield from _repeats("duplicate-name", "name", cure,
                        [(name, at, name, owner) for name, at, owner in _c_names(spec)])
    groups: tuple[tuple[str, Sequence[Named]], ...] = (
        ("vendor", spec.vendors), ("value", spec.values), ("capability", spec.capabilities),
        ("region", spec.regions), ("driver constant", spec.driver_constants),
        ("device-tree node", spec.nodes))
    for what, things in groups:
        yield from _repeats("duplicate-name", what, cure,
                            [(t.name, t.at + ("name",), t.name, "defined above") for t in things])
    # Property names become macros: 'a,b' and 'a-b' would be the same one.
    yield from _repeats("duplicate-name", "property", "name each property once",
                        [(p.macro, p.at + ("name",), f"{p.name} ({p.macro})", "defined above")
                         for p in spec.properties])
    yield from _repeats("duplicate-name", "file", cure,
                        [(g.file, g.at + ("file",), g.file, "another example's")
                         for g in spec.golden])
    for record in spec.core_structs + spec.capabilities:
        yield from _repeats("duplicate-name", "field", cure,
                            [(f.name, f.at + ("name",), f.name, f"in struct {record.struct}")
                             for f in record.fields])
    # Decoded fields of all records share one struct, with what every region has.
    own = [(name, (), name, "the region's own") for name in _DECODED]
    own += [(f"has_{cap.name}", (), "", f"what says that there is a {cap.name}")
            for cap in {cap.name: cap for cap in spec.capabilities}.values()]
    yield from _repeats("duplicate-name", "decoded field", "fields of all records need different "
                        "names in the decoder", own + [(f.name, f.at + ("name",), f.name,
                                                        cap.name + "'s")
                                                       for cap in spec.capabilities
                                                       for f in cap.data_fields])


def _first_per_location(complaints: Iterator[Complaint]) -> Iterator[Complaint]:
    # A vendor's or a capability's name makes several: one complaint of it is enough.
    seen = set()
    for complaint in complaints:
        if complaint[1] not in seen:
            seen.add(complaint[1])
            yield complaint


def _used_names(spec: Spec) -> Iterator[tuple[str, Place]]:
    for name, at, _ in _c_names(spec):
        yield name, at
    for record in spec.capabilities:
        for field in record.fields:
            yield field.name, field.at + ("name",)
    named: tuple[Sequence[Named], ...] = (spec.values, spec.capabilities, spec.regions)
    for things in named:
        for thing in things:
            yield thing.name, thing.at + ("name",)


def _bad_names(spec: Spec) -> Iterator[Complaint]:
    reserved = {entry.name: entry for entry in spec.reserved_names}
    for name, at in _used_names(spec):
        if name in reserved:
            yield ("reserved-name", at,
                   f"name {name} is reserved: {reserved[name].doc} Choose another")
        if name in _C_KEYWORDS or keyword.iskeyword(name):
            yield "keyword", at, f"'{name}' means something in C, C++ or Python; choose another name"


def _duplicate_numbers(spec: Spec) -> Iterator[Complaint]:
    yield from _repeats("duplicate-id", "capability id", "take one that was never used",
                        [(c.id, c.at + ("id",), c.id, c.name + "'s") for c in spec.capabilities])
    yield from _repeats("duplicate-subtype", "subtype", "take the vendor's next free number",
                        [((s.vendor, s.value), s.at + ("value",), f"{s.value} of {s.vendor}",
                          s.name) for s in spec.subtypes])
    yield from _repeats("duplicate-speed", "speed code", "a code stands for one speed",
                        [(s.value, s.at + ("value",), s.value, s.name) for s in spec.link_speeds])
    yield from _repeats("duplicate-vendor", "vendor id", "one vendor has one entry",
                        [(v.id, v.at + ("id",), f"0x{v.id:04x}", v.name + "'s")
                         for v in spec.vendors])
    yield from _repeats("duplicate-pci-id", "PCI id", "remove this one",
                        [((p.vendor, p.device), p.at + ("device",),
                          f"{p.vendor}:0x{p.device:04x}", "listed") for p in spec.pci_ids])


def _reserved_numbers(spec: Spec) -> Iterator[Complaint]:
    ids = {entry.value: entry.doc for entry in spec.reserved_capability_ids}
    for cap in spec.capabilities:
        if cap.id in ids:
            yield ("reserved-id", cap.at + ("id",), f"capability id {cap.id} is reserved: "
                   f"{ids[cap.id]} Take one that was never used")
    subtypes: dict[tuple[str | None, int], str] = {
        (entry.vendor, entry.value): entry.doc for entry in spec.reserved_subtypes}
    for subtype in spec.subtypes:
        key = (subtype.vendor, subtype.value)
        if key in subtypes:
            yield ("reserved-id", subtype.at + ("value",), f"subtype {subtype.value} of "
                   f"{subtype.vendor} is reserved: {subtypes[key]} Take the next free number")
    codes = {entry.value: entry.doc for entry in spec.reserved_link_speeds}
    for speed in spec.link_speeds:
        if speed.value in codes:
            yield ("reserved-id", speed.at + ("value",), f"speed code {speed.value} is reserved: "
                   f"{codes[speed.value]} Take the code the hardware uses")


def _versions(spec: Spec) -> Iterator[Complaint]:
    listed = [entry["version"] for entry in spec.history]
    if listed != list(range(1, spec.version + 1)):
        yield ("history", ("abi", "history"), f"the history has {listed}, the version is "
               f"{spec.version}; give each version from 1 to {spec.version} an entry, in order")

    things = spec.constants + spec.subtypes + spec.link_speeds + spec.capabilities + spec.regions
    dated: list[tuple[Constant | Record | Region | Field, int, str]] = [
        (thing, spec.version, "ABI version") for thing in things]
    dated += [(field, cap.version, f"{cap.name}'s version")
              for cap in spec.capabilities for field in cap.fields]
    for thing, limit, what in dated:
        if thing.since > limit:
            yield ("since", thing.at + ("since",), f"since {thing.since} is above the {what}, "
                   f"{limit}; raise that, or lower this")
        if thing.deprecated is not None and not thing.since < thing.deprecated <= limit:
            yield ("since", thing.at + ("deprecated",), f"deprecated {thing.deprecated} is not "
                   f"after since, {thing.since}, and up to the {what}, {limit}")


def _vendors(spec: Spec) -> Iterator[Complaint]:
    known = ", ".join(vendor.name for vendor in spec.vendors)
    for thing in spec.subtypes + spec.regions + spec.pci_ids + spec.reserved_subtypes:
        if spec.vendor(thing.vendor) is None:
            yield ("unknown-vendor", thing.at + ("vendor",),
                   f"vendor {thing.vendor} is not defined; known are: {known}")


def _core(spec: Spec) -> Iterator[Complaint]:
    constants = {constant.name for constant in spec.core_constants}
    for name in CORE_CONSTANTS:
        if name not in constants:
            yield ("core-incomplete", ("core", "constants"),
                   f"constant {name} is missing; the generator computes with it")
    for name, fields in CORE_STRUCTS.items():
        struct = spec.core_struct(name)
        have = {field.name for field in struct.fields} if struct else set()
        for field in fields:
            if field not in have:
                at = struct.at if struct else ("core", "structs")
                yield ("core-incomplete", at,
                       f"struct {name} has no field {field}; the generator computes with it")


def check(spec: Spec) -> Iterator[Complaint]:
    yield from _first_per_location(_duplicate_names(spec))
    for checker in (_core, _bad_names, _duplicate_numbers, _reserved_numbers,
                    _versions, _vendors):
        yield from checker(spec)
