# SPDX-License-Identifier: GPL-2.0-only
"""
Spec against spec: what no header shows, and what a header's change means.

A change that the spec declares properly (a version, a date) excuses what the other detectors see
of it: Change.excused has their (rule, subject).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import spec_records, spec_tree

if TYPE_CHECKING:
    from codegen.model import Spec

Seen = tuple[str, str, str]
#: A number or name that is given out, or reserved: its kind, whose it is, and itself.
Key = tuple[str | int | None, ...]


@dataclass
class Change:
    """What became of a spec."""

    seen: list[Seen] = field(default_factory=list)
    excused: set[tuple[str, str]] = field(default_factory=set)


def _numbers(spec: Spec) -> dict[str, tuple[int, str]]:
    """{name: (number, kind)} of everything in the header that is a plain number."""
    found = {c.name: (c.value, "constant") for c in spec.constants}
    found.update({c.name: (c.value, "link speed") for c in spec.link_speeds})
    found.update({c.name: (c.value, "subtype") for c in spec.subtypes})
    for vendor in spec.vendors:
        found[vendor.constant] = (vendor.id, "vendor")
    return found


def _named_numbers(old: Spec, new: Spec) -> Iterator[Seen]:
    after = _numbers(new)
    for name, (number, kind) in _numbers(old).items():
        if name not in after:
            yield "NUMBER_REMOVED", name, f"the {kind} is gone"
        elif after[name][0] != number:
            yield "NUMBER_CHANGED", name, f"{number:#x} -> {after[name][0]:#x}"


def _core(old: Spec, new: Spec) -> Iterator[Seen]:
    after = {c.name: c.value for c in new.core_constants}
    for constant in old.core_constants:
        if after.get(constant.name) != constant.value:
            yield ("CORE_CHANGED", constant.name,
                   f"{constant.value:#x} -> {after.get(constant.name, 'gone')}")
    structs = {s.struct: s for s in new.core_structs}
    for struct in old.core_structs:
        was = [(f.name, f.type, f.offset) for f in struct.fields]
        other = structs.get(struct.struct)
        now = [(f.name, f.type, f.offset) for f in other.fields] if other else []
        if now[:len(was)] != was:
            yield "CORE_CHANGED", f"struct {struct.struct}", f"{was} -> {now or 'gone'}"


def _used(spec: Spec) -> dict[Key, str]:
    """Every number and name that a spec gives out: {key: how it is called}."""
    used: dict[Key, str] = {("capability_ids", cap.id): f"capability id {cap.id}"
                            for cap in spec.capabilities}
    used.update({("subtypes", s.vendor, s.value): f"subtype {s.value} of {s.vendor}"
                 for s in spec.subtypes})
    used.update({("link_speeds", s.value): f"speed code {s.value}" for s in spec.link_speeds})
    names = [*spec.constants, *spec.link_speeds, *spec.subtypes]
    used.update({("names", n.name): f"name {n.name}" for n in names})
    for cap in spec.capabilities:
        used.update({("names", name): f"name {name}" for name in (cap.constant, cap.struct)})
    return used


def _kept(spec: Spec) -> set[Key]:
    return {*(("capability_ids", r.value) for r in spec.reserved_capability_ids),
            *(("subtypes", r.vendor, r.value) for r in spec.reserved_subtypes),
            *(("link_speeds", r.value) for r in spec.reserved_link_speeds),
            *(("names", r.name) for r in spec.reserved_names)}


def _reserved(old: Spec, new: Spec) -> Iterator[Seen]:
    given, kept = _used(new), _kept(new)
    for key in sorted(_kept(old), key=str):
        subject = f"reserved {' '.join(map(str, key))}"
        if key in given:
            yield "RESERVED_REUSED", subject, f"{given[key]} is given out again"
        elif key not in kept:
            yield "RESERVED_DROPPED", subject, "the entry is gone"
    for key, words in _used(old).items():
        if key not in given and key not in kept:
            yield ("NUMBER_NOT_RESERVED", f"reserved {' '.join(map(str, key))}",
                   f"{words} is given up, and not reserved")


def _dated(spec: Spec) -> dict[str, int]:
    """{subject: the version a thing is there since}."""
    things = {c.name: c.since for c in [*spec.constants, *spec.link_speeds, *spec.subtypes]}
    things.update({f"region {r.name}": r.since for r in spec.regions})
    for cap in spec.capabilities:
        things[f"capability {cap.name}"] = cap.since
        things.update({f"struct {cap.struct}::{f.name}": f.since for f in cap.fields})
    return things


def _versions(old: Spec, new: Spec, change: Change) -> Iterator[Seen]:
    if new.version < old.version:
        yield "ABI_VERSION_LOWERED", "VFIO_NVLINK2_ABI_VERSION", f"{old.version} -> {new.version}"
    if new.version > old.version:
        change.excused.add(("MACRO_VALUE_CHANGED", "VFIO_NVLINK2_ABI_VERSION"))
    listed = [entry["version"] for entry in new.history]
    for entry in old.history:
        if entry["version"] not in listed:
            yield "HISTORY_CHANGED", "abi.history", f"version {entry['version']} is gone"
    before, after = _dated(old), _dated(new)
    for subject, since in before.items():
        if after.get(subject, since) != since:
            yield "SINCE_CHANGED", subject, f"since {since} -> {after[subject]}"
    fresh = sorted(set(after) - set(before))
    if fresh and new.version <= old.version:
        yield ("ABI_VERSION_NOT_RAISED", "VFIO_NVLINK2_ABI_VERSION",
               f"still {new.version}, with {', '.join(fresh)} new")
    early = [name for name in fresh if "::" not in name and after[name] <= old.version]
    if early and new.version > old.version:
        yield ("SINCE_CHANGED", early[0],
               f"new, but since {after[early[0]]}, which was released without it")


def compare(old: Spec, new: Spec) -> Change:
    """What became of a spec, as the rules of the catalogue have it."""
    change = Change()
    change.seen += _versions(old, new, change)
    change.seen += _named_numbers(old, new)
    change.seen += _reserved(old, new)
    change.seen += _core(old, new)
    change.seen += spec_records.capabilities(old, new, change.excused)
    change.seen += spec_records.regions(old, new)
    change.seen += spec_tree.detect(old, new)
    return change
