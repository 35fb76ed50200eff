# SPDX-License-Identifier: GPL-2.0-only
"""Data that satisfies the schema -> model.  No judgement here; that is rules.py's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from .errors import Place
from .loader import Document, Entry
from .model import (Check, Constant, DriverConstant, Field, Golden, Node, PciId, Property, Record,
                    Region, Reserved, Size, Spec, Value, Vendor)

#: Keys of the spec that are no good attribute names in Python.
_RENAMED = {"from": "source"}

_T = TypeVar("_T")


def _args(entry: Entry, at: Place, **replaced: object) -> Entry:
    plain = {_RENAMED.get(key, key): value for key, value in entry.items()}
    return {**plain, "at": at, **replaced}


def _list(cls: Callable[..., _T], entries: list[Entry], at: Place) -> list[_T]:
    return [cls(**_args(entry, at + (n,))) for n, entry in enumerate(entries)]


def _record(entry: Entry, at: Place) -> Record:
    return Record(**_args(entry, at, fields=_list(Field, entry["fields"], at + ("fields",))))


def _core_record(entry: Entry, at: Place) -> Record:
    renamed = {"struct" if key == "name" else key: value for key, value in entry.items()}
    return _record(renamed, at)


def _region(entry: Entry, at: Place) -> Region:
    size = {_RENAMED.get(key, key): value for key, value in entry["size"].items()}
    return Region(**_args(entry, at, size=Size(**size)))


def _property(entry: Entry, at: Place) -> Property:
    checks = _list(Check, entry.get("checks", []), at + ("checks",))
    return Property(**_args(entry, at, checks=checks))


def _node(entry: Entry, at: Place) -> Node:
    properties = [_property(prop, at + ("properties", n))
                  for n, prop in enumerate(entry["properties"])]
    return Node(**_args(entry, at, properties=properties))


def _each(make: Callable[[Entry, Place], _T], entries: list[Entry], at: Place) -> list[_T]:
    return [make(entry, at + (n,)) for n, entry in enumerate(entries)]


def build(document: Document) -> Spec:
    """The model of a document the schema has accepted."""
    # The schema accepts nothing but a mapping.
    data = cast(Entry, document.data)
    abi, core, tree, reserved = (data[key] for key in ("abi", "core", "device_tree", "reserved"))

    def top(cls: Callable[..., _T], key: str) -> list[_T]:
        return _list(cls, data[key], (key,))

    def kept(key: str) -> list[Reserved]:
        return _list(Reserved, reserved[key], ("reserved", key))

    return Spec(
        name=abi["name"], version=abi["version"], doc=abi["doc"], history=abi["history"],
        core_header=core["header"],
        core_constants=_list(Constant, core["constants"], ("core", "constants")),
        core_structs=_each(_core_record, core["structs"], ("core", "structs")),
        vendors=top(Vendor, "vendors"), constants=top(Constant, "constants"),
        subtypes=top(Constant, "subtypes"), link_speeds=top(Constant, "link_speeds"),
        values=top(Value, "values"),
        capabilities=_each(_record, data["capabilities"], ("capabilities",)),
        regions=_each(_region, data["regions"], ("regions",)),
        pci_ids=top(PciId, "pci_ids"), driver_constants=top(DriverConstant, "driver_constants"),
        dt_doc=tree["doc"], nodes=_each(_node, tree["nodes"], ("device_tree", "nodes")),
        golden=top(Golden, "golden"),
        reserved_doc=reserved["doc"],
        reserved_capability_ids=kept("capability_ids"), reserved_subtypes=kept("subtypes"),
        reserved_link_speeds=kept("link_speeds"), reserved_names=kept("names"))
