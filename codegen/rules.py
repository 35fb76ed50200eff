# SPDX-License-Identifier: GPL-2.0-only
"""The rules that a schema cannot express: those of the spec, each with an id.

A checker yields (rule id, place, message); the message names cause and cure.
"""

from __future__ import annotations

from . import rules_device_tree, rules_names, rules_records, rules_regions
from .errors import SpecError
from .loader import Document
from .model import Spec

#: Every rule and what it is for, in the order docs/spec.md explains them.
RULES = {
    "yaml-syntax": "The file is YAML, in UTF-8.",
    "yaml-duplicate-key": "A key stands once in its mapping; YAML parsers silently take the last.",
    "yaml-alias": "No anchors and aliases: an entry is read where it stands.",
    "yaml-tag": "No tags: every value is text, a number, or true or false.",
    "yaml-key": "A key is a word.",
    "yaml-empty": "A key has a value.",
    "yaml-text": "A text is one line, folded or not.",
    "schema": "The file has the form of spec/schema.yaml; keys it does not know are errors.",
    "duplicate-name": "A name means one thing.",
    "reserved-name": "A name that was given up is not given out again.",
    "keyword": "A name can be used in C, in C++ and in Python.",
    "duplicate-id": "A capability id means one record.",
    "duplicate-subtype": "A subtype means one region of its vendor; other vendors count for themselves.",
    "duplicate-speed": "A speed code means one speed.",
    "duplicate-vendor": "A PCI vendor id means one vendor.",
    "duplicate-pci-id": "A PCI function is listed once.",
    "reserved-id": "A number that was given up, or is somebody else's, is not given out.",
    "history": "The history has every version, in order, up to the present one.",
    "since": "Nothing is newer than what it is part of, or deprecated before it existed.",
    "unknown-vendor": "A vendor that is named is defined.",
    "core-incomplete": "What the generator computes with is defined under core.",
    "record-header": "A record starts with the header, and has one.",
    "record-order": "Fields are listed in the order in which they lie in the record.",
    "record-overlap": "No byte belongs to two fields.",
    "record-hole": "Every byte belongs to a field: padding is a reserved field, so that it is zeroed.",
    "record-size": "The size is that of the fields, and a multiple of 8, which aligns the next record.",
    "record-abi": "32-bit and 64-bit compilers lay the record out alike, as the spec says.",
    "field-appended": "A newer version of a record only appends fields.",
    "field-source": "A field is the header, reserved, or filled from a value: one of the three.",
    "value-width": "A field is as wide as the value it is filled from.",
    "unknown-value": "A value that is drawn on is defined.",
    "unused-value": "A value that is defined is drawn on.",
    "unknown-subtype": "A subtype that is named is defined.",
    "vendor-mismatch": "A region's subtype belongs to the region's vendor.",
    "subtype-region": "A subtype belongs to one region.",
    "unknown-capability": "A capability that is named is defined.",
    "repeated-capability": "A region has a capability once; readers take the first.",
    "flags-empty": "Nothing can be done with a region of size 0.",
    "region-size": "The source of a region's size is given in full.",
    "unknown-constant": "A constant that is named is defined.",
    "unknown-node": "A device-tree node that is named is defined.",
    "phandle-target": "A phandle says where it leads; nothing else does.",
    "absent-default": "Only an optional number has something that stands in for it.",
    "parts": "The two numbers of a u64[2] have names; nothing else has parts.",
    "check-applies": "A check fits the type of its property and has what it needs.",
    "golden-region": "Every region has an example, and every example a region.",
    "golden-index": "An example's region index is that of a device-specific region.",
    "golden-values": "An example gives every value its records draw on, and no other.",
    "golden-range": "An example's number fits its type.",
}

_CHECKERS = (rules_names.check, rules_records.check, rules_regions.check, rules_device_tree.check)


def check(spec: Spec, document: Document) -> None:
    """Raise SpecError with everything the rules object to."""
    findings = []
    for checker in _CHECKERS:
        for rule, at, message in checker(spec):
            assert rule in RULES, f"rule {rule} is not listed"
            findings.append(document.finding(at, rule, message))
    if findings:
        raise SpecError(findings)
