# SPDX-License-Identifier: GPL-2.0-only
"""Where in the spec, or in the header, a finding is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measure import Measured
from .sides import Side, SpecSide, generated

if TYPE_CHECKING:
    from codegen.errors import Place
    from codegen.model import Spec

#: The key of the entry that a rule is about.
_KEYS = {"CAP_ID_CHANGED": "id", "CAP_NAME_CHANGED": "constant", "CAP_VERSION_LOWERED": "version",
         "CAP_GREW_UNVERSIONED": "version", "CAP_SHRUNK": "size", "NUMBER_CHANGED": "value",
         "MACRO_VALUE_CHANGED": "value", "REGION_TYPE_CHANGED": "subtype",
         "REGION_FLAGS_CHANGED": "flags", "REGION_MEMORY_CHANGED": "memory",
         "REGION_SIZE_CHANGED": "size", "REGION_CAP_REMOVED": "capabilities",
         "REGION_CAP_ORDER_CHANGED": "capabilities", "SINCE_CHANGED": "since",
         "STRUCT_SIZE_CHANGED": "size", "FIELD_MOVED": "offset", "RECORD_FIELD_CHANGED": "type",
         "FIELD_TYPE_CHANGED": "type", "FIELD_SIZE_CHANGED": "type", "FIELD_SIGN_CHANGED": "type",
         "FIELD_RENAMED": "name", "VALUE_CHANGED": "type"}


def _entries(side: SpecSide) -> dict[str, Place]:
    """{subject: place in the document}."""
    spec = side.spec
    found: dict[str, Place] = {"VFIO_NVLINK2_ABI_VERSION": ("abi", "version"),
                               "abi.history": ("abi", "history")}
    for thing in (*spec.constants, *spec.link_speeds, *spec.subtypes, *spec.core_constants):
        found[thing.name] = thing.at
    for vendor in spec.vendors:
        found[vendor.constant] = found[vendor.type_constant] = vendor.at
    for struct in spec.core_structs:
        found[f"struct {struct.struct}"] = struct.at
    for cap in spec.capabilities:
        found[f"capability {cap.name}"] = found[f"struct {cap.struct}"] = cap.at
        found[cap.constant] = cap.at + ("id",)
        found[cap.version_constant] = cap.at + ("version",)
        for field in cap.fields:
            found[f"struct {cap.struct}::{field.name}"] = field.at
    found.update({f"value {value.name}": value.at for value in spec.values})
    found.update({f"region {region.name}": region.at for region in spec.regions})
    found.update({f"{p.vendor}:{p.device:#06x}": p.at for p in spec.pci_ids})
    for node in spec.nodes:
        found.update({f"{node.name}/{prop.name}": prop.at for prop in node.properties})
    return found | _reserved(spec)


def _reserved(spec: Spec) -> dict[str, Place]:
    lists = {"capability_ids": spec.reserved_capability_ids, "subtypes": spec.reserved_subtypes,
             "link_speeds": spec.reserved_link_speeds, "names": spec.reserved_names}
    found = {}
    for kind, entries in lists.items():
        for entry in entries:
            words = [entry.vendor] if entry.vendor else []
            key = [entry.name] if kind == "names" else [*words, str(entry.value)]
            found[" ".join(["reserved", kind, *key])] = entry.at
    return found


class Locator:
    """(file, line) of a rule and its subject: where it is now, else where it was."""

    def __init__(self, old: Side, new: Side, measured: list[Measured]):
        self.old, self.new, self.measured = old, new, measured
        self.specs = [(side.spec, _entries(side.spec)) for side in (new, old) if side.spec]
        # A header that is not what the spec makes of it has lines of its own.
        self.by_spec = new.spec is not None and not new.spec.problems \
            and generated(new.spec) == new.header.text

    def __call__(self, rule: str, subject: str) -> tuple[str, int]:
        if rule == "SPEC_INVALID" and self.new.spec:
            return self.new.spec.shown, int(subject.rpartition(" ")[2])
        in_header = self._in_header(subject)
        if in_header and not self.by_spec:
            return in_header
        return self._in_spec(rule, subject) or in_header or self._somewhere()

    def _in_spec(self, rule: str, subject: str) -> tuple[str, int] | None:
        for side, entries in self.specs:
            for candidate in (subject, subject.partition("::")[0]):
                if candidate in entries:
                    at = entries[candidate]
                    key = _KEYS.get(rule)
                    return side.shown, side.document.line(at + (key,) if key else at)
            if subject.startswith("reserved "):
                # Where the entry belongs.
                return side.shown, side.document.line(("reserved", subject.split()[1]))
        return None

    def _in_header(self, subject: str) -> tuple[str, int] | None:
        for side in (self.new, self.old):
            for measured in self.measured:
                same = measured.header.text == side.header.text
                if same and (measured.configuration.origin == "own" or not self.by_spec):
                    line = measured.inventory.line(subject)
                    if line:
                        return side.header.shown, line
        return None

    def _somewhere(self) -> tuple[str, int]:
        return (self.new.spec.shown if self.by_spec and self.new.spec else self.new.header.shown), 1
