# SPDX-License-Identifier: GPL-2.0-only
"""The spec as objects.  `at` is the place in the document a message points to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol, TypedDict, TypeVar

from .errors import Place
from .layout import ABIS, C_NAMES, LP64, Abi, Layout, field_size, lay_out

#: Of the core's definitions, the ones the generator itself computes with.
CORE_CONSTANTS = ("VFIO_REGION_INFO_FLAG_READ", "VFIO_REGION_INFO_FLAG_WRITE",
                  "VFIO_REGION_INFO_FLAG_MMAP", "VFIO_REGION_INFO_FLAG_CAPS",
                  "VFIO_REGION_INFO_CAP_TYPE", "VFIO_REGION_TYPE_PCI_VENDOR_TYPE",
                  "VFIO_PCI_NUM_REGIONS")
CORE_STRUCTS = {"vfio_info_cap_header": ("id", "version", "next"),
                "vfio_region_info": ("argsz", "flags", "index", "cap_offset", "size", "offset"),
                "vfio_region_info_cap_type": ("header", "type", "subtype")}


class Named(Protocol):
    """An entry that is found by its name."""

    @property
    def at(self) -> Place: ...

    @property
    def name(self) -> str: ...


_T = TypeVar("_T", bound=Named)


class HistoryEntry(TypedDict):
    """A version of the interface: its number, and the change."""

    version: int
    doc: str


@dataclass(frozen=True)
class Constant:
    """A number with a name: constants, link speeds, subtypes, the core's constants."""

    at: Place
    name: str
    value: int
    doc: str
    since: int = 1
    deprecated: int | None = None
    also_in: str | None = None
    vendor: str | None = None
    gbit_per_s: str | None = None

    @property
    def kbit_per_s(self) -> int | None:
        return None if self.gbit_per_s is None else int(Decimal(self.gbit_per_s) * 1_000_000)


@dataclass(frozen=True)
class Vendor:
    """A PCI vendor that types of regions belong to."""

    at: Place
    name: str
    id: int
    doc: str

    @property
    def constant(self) -> str:
        return f"VFIO_NVLINK2_VENDOR_{self.name}"

    @property
    def type_constant(self) -> str:
        return f"VFIO_NVLINK2_REGION_TYPE_{self.name}"


@dataclass(frozen=True)
class Value:
    """A value that the driver supplies and fields draw from."""

    at: Place
    name: str
    type: str
    doc: str


@dataclass(frozen=True)
class Field:
    """One field of a record, where it stands and what fills it."""

    at: Place
    name: str
    type: str
    offset: int
    doc: str
    since: int = 1
    deprecated: int | None = None
    reserved: bool = False
    source: str | None = None
    count: int | None = None

    @property
    def size(self) -> int:
        return field_size(self)

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def c_type(self) -> str:
        return C_NAMES[self.type]

    @property
    def c_declaration(self) -> str:
        return f"{self.c_type} {self.name}" + (f"[{self.count}]" if self.count else "")


@dataclass(frozen=True)
class Record:
    """A struct: a capability record, or one of the core's."""

    at: Place
    struct: str
    size: int
    doc: str
    fields: list[Field]
    name: str = ""
    constant: str = ""
    id: int = 0
    version: int = 1
    since: int = 1
    deprecated: int | None = None
    also_in: str | None = None

    def layout(self, abi: Abi = LP64) -> Layout:
        return lay_out(self.fields, abi)

    @property
    def layouts(self) -> list[tuple[str, Layout]]:
        return [(abi.name, self.layout(abi)) for abi in ABIS]

    @property
    def version_constant(self) -> str:
        return f"{self.constant}_VERSION"

    @property
    def data_fields(self) -> list[Field]:
        return [f for f in self.fields if f.source]

    @property
    def first_size(self) -> int:
        """Bytes that every version of the record has."""
        return max((f.end for f in self.fields if f.since <= 1), default=0)


@dataclass(frozen=True)
class Size:
    source: str
    doc: str
    constant: str | None = None
    node: str | None = None
    property: str | None = None


@dataclass(frozen=True)
class Region:
    """A device region and the capabilities it carries."""

    at: Place
    name: str
    vendor: str
    subtype: str
    since: int
    size: Size
    flags: list[str]
    flags_empty: list[str]
    memory: str
    capabilities: list[str]
    doc: str
    deprecated: int | None = None

    @property
    def upper(self) -> str:
        return self.name.upper()


@dataclass(frozen=True)
class PciId:
    at: Place
    vendor: str
    device: int
    doc: str


@dataclass(frozen=True)
class DriverConstant:
    at: Place
    name: str
    value: int | str
    doc: str

    @property
    def macro(self) -> str:
        return f"NVLINK2_{self.name}"


@dataclass(frozen=True)
class Check:
    at: Place
    rule: str
    doc: str
    of: str | None = None
    limit: str | None = None


@dataclass(frozen=True)
class Property:
    """One device-tree property that a guest is given."""

    at: Place
    name: str
    type: str
    required: bool
    doc: str
    refers_to: str | None = None
    if_absent: str | None = None
    parts: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def macro(self) -> str:
        return "NVLINK2_DT_" + re.sub(r"[^A-Z0-9]", "_", self.name.upper())


@dataclass(frozen=True)
class Node:
    at: Place
    name: str
    title: str
    doc: str
    properties: list[Property]


@dataclass(frozen=True)
class Golden:
    at: Place
    file: str
    region: str
    index: int
    size: int
    values: dict[str, int]
    doc: str


@dataclass(frozen=True)
class Reserved:
    at: Place
    doc: str
    value: int = 0
    name: str = ""
    vendor: str = ""


@dataclass(frozen=True)
class Spec:
    """All of a specification, as its file has it."""

    name: str
    version: int
    doc: str
    history: list[HistoryEntry]
    core_header: str
    core_constants: list[Constant]
    core_structs: list[Record]
    vendors: list[Vendor]
    constants: list[Constant]
    subtypes: list[Constant]
    link_speeds: list[Constant]
    values: list[Value]
    capabilities: list[Record]
    regions: list[Region]
    pci_ids: list[PciId]
    driver_constants: list[DriverConstant]
    dt_doc: str
    nodes: list[Node]
    golden: list[Golden]
    reserved_doc: str
    reserved_capability_ids: list[Reserved]
    reserved_subtypes: list[Reserved]
    reserved_link_speeds: list[Reserved]
    reserved_names: list[Reserved]

    def vendor(self, name: str | None) -> Vendor | None:
        return _find(self.vendors, name)

    def subtype(self, name: str) -> Constant | None:
        return _find(self.subtypes, name)

    def capability(self, name: str) -> Record | None:
        return _find(self.capabilities, name)

    def region(self, name: str) -> Region | None:
        return _find(self.regions, name)

    def value(self, name: str) -> Value | None:
        return _find(self.values, name)

    def node(self, name: str) -> Node | None:
        return _find(self.nodes, name)

    def core_struct(self, name: str) -> Record | None:
        return next((s for s in self.core_structs if s.struct == name), None)

    def core_number(self, name: str) -> int:
        return next(c.value for c in self.core_constants if c.name == name)

    def region_type(self, vendor: Vendor) -> int:
        return vendor.id | self.core_number("VFIO_REGION_TYPE_PCI_VENDOR_TYPE")

    def flag_bits(self, flags: list[str]) -> int:
        return sum(self.core_number(f"VFIO_REGION_INFO_FLAG_{flag.upper()}") for flag in flags)

    def number(self, value: int | str) -> int | None:
        """A number, or the number a constant's name stands for."""
        if isinstance(value, int):
            return value
        constant = _find(self.constants + self.link_speeds, value)
        return constant.value if constant else None

    def driver_constant(self, name: str) -> DriverConstant | None:
        return _find(self.driver_constants, name)

    def driver_number(self, name: str) -> int | None:
        constant = self.driver_constant(name)
        return self.number(constant.value) if constant else None

    def region_capabilities(self, region: Region) -> list[Record]:
        return [cap for cap in map(self.capability, region.capabilities) if cap]

    def region_values(self, region: Region) -> list[str]:
        """Names of the values the region's records draw from, without repeats."""
        sources = [f.source for cap in self.region_capabilities(region) for f in cap.fields
                   if f.source]
        return list(dict.fromkeys(sources))

    @property
    def properties(self) -> list[Property]:
        return [prop for node in self.nodes for prop in node.properties]


def _find(things: list[_T], name: str | None) -> _T | None:
    return next((thing for thing in things if thing.name == name), None)
