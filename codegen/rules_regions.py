# SPDX-License-Identifier: GPL-2.0-only
"""Rules about regions and their examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .errors import Place
from .model import Golden, Named, Region, Spec

Complaint = tuple[str, Place, str]

_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}


def _listed(things: Sequence[Named]) -> str:
    return ", ".join(thing.name for thing in things) or "none"


def _identity(region: Region, spec: Spec, owners: dict[str, str]) -> Iterator[Complaint]:
    at = region.at + ("subtype",)
    subtype = spec.subtype(region.subtype)
    if subtype is None:
        yield ("unknown-subtype", at, f"subtype {region.subtype} is not defined; known are: "
               f"{_listed(spec.subtypes)}")
        return
    if subtype.vendor != region.vendor:
        yield ("vendor-mismatch", at, f"subtype {subtype.name} is {subtype.vendor}'s but region "
               f"{region.name} is {region.vendor}'s; make both the same")
    if subtype.name in owners:
        yield ("subtype-region", at, f"subtype {subtype.name} is already region "
               f"{owners[subtype.name]}'s; give this region its own")
    owners.setdefault(subtype.name, region.name)


def _capabilities(region: Region, spec: Spec) -> Iterator[Complaint]:
    seen = set()
    for n, name in enumerate(region.capabilities):
        at = region.at + ("capabilities", n)
        if spec.capability(name) is None:
            yield ("unknown-capability", at, f"capability {name} of region {region.name} is not "
                   f"defined; known are: {_listed(spec.capabilities)}")
        if name in seen:
            yield ("repeated-capability", at, f"region {region.name} has capability {name} twice; "
                   "remove one")
        seen.add(name)


def _size(region: Region, spec: Spec) -> Iterator[Complaint]:
    size, at = region.size, region.at + ("size",)
    if size.source == "constant":
        if size.constant is None or size.node or size.property:
            yield ("region-size", at, f"the size of region {region.name} is a constant: give "
                   "constant:, and neither node: nor property:")
        elif spec.number(size.constant) is None:
            yield ("unknown-constant", at + ("constant",), f"constant {size.constant} is not "
                   f"defined; known are: {_listed(spec.constants)}")
        return
    if size.constant or not (size.node and size.property):
        yield ("region-size", at, f"the size of region {region.name} is in the device tree: give "
               "node: and property:, and no constant:")
        return
    node = spec.node(size.node)
    if node is None:
        yield ("unknown-node", at + ("node",), f"device-tree node {size.node} is not defined; "
               f"known are: {_listed(spec.nodes)}")
    elif not any(p.name == size.property and "size" in p.parts for p in node.properties):
        yield ("region-size", at + ("property",), f"property {size.property} of node {node.name} "
               "has no part named size; name one that has")


def _region(region: Region, spec: Spec, owners: dict[str, str]) -> Iterator[Complaint]:
    yield from _identity(region, spec, owners)
    yield from _capabilities(region, spec)
    yield from _size(region, spec)
    if region.flags_empty:
        yield ("flags-empty", region.at + ("flags_empty",), f"region {region.name} claims "
               f"{', '.join(region.flags_empty)} at size 0, where every access would be to memory "
               "that is not the region's; write flags_empty: []")


def _golden_values(golden: Golden, region: Region, spec: Spec) -> Iterator[Complaint]:
    wanted = spec.region_values(region)
    at = golden.at + ("values",)
    for name in wanted:
        if name not in golden.values:
            yield ("golden-values", at, f"example {golden.file} has no value {name}, which region "
                   f"{region.name} reports; add one")
    for name, number in golden.values.items():
        value = spec.value(name)
        if name not in wanted:
            yield ("golden-values", at + (name,), f"region {region.name} does not report {name}; "
                   f"remove it from example {golden.file}")
        elif value and number >= 1 << _BITS[value.type]:
            yield ("golden-range", at + (name,), f"0x{number:x} does not fit into {name}, which is "
                   f"{value.type}; take a smaller number")


def _golden(golden: Golden, spec: Spec) -> Iterator[Complaint]:
    region = spec.region(golden.region)
    if region is None:
        yield ("golden-region", golden.at + ("region",), f"region {golden.region} is not defined; "
               f"known are: {_listed(spec.regions)}")
        return
    first = next((c.value for c in spec.core_constants if c.name == "VFIO_PCI_NUM_REGIONS"), 0)
    if golden.index < first:
        yield ("golden-index", golden.at + ("index",), f"index {golden.index} is one of the PCI "
               f"regions every device has; device-specific ones start at {first}")
    yield from _golden_values(golden, region, spec)


def check(spec: Spec) -> Iterator[Complaint]:
    owners: dict[str, str] = {}
    for region in spec.regions:
        yield from _region(region, spec, owners)
        if not any(golden.region == region.name for golden in spec.golden):
            yield ("golden-region", region.at + ("name",), f"region {region.name} has no example; "
                   "add one under golden:")
    for golden in spec.golden:
        yield from _golden(golden, spec)
