# SPDX-License-Identifier: GPL-2.0-only
"""Rules about the device-tree contract and the driver's constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .errors import Place
from .model import Check, Named, Property, Spec

Complaint = tuple[str, Place, str]

_WITH_LIMIT = ("ALIGNED", "MAX")
_NUMBERS = {"NON_ZERO": ("u32", "u64", "u64[]", "u64[2]"),
            "ALIGNED": ("u64", "u64[]", "u64[2]"),
            "MAX": ("u32", "u64", "u64[]", "u64[2]"),
            "NO_WRAP": ("u64[2]",),
            "NOT_SYSTEM_RAM": ("u64", "u64[]", "u64[2]")}
#: Checks of a whole range rather than of one of its numbers.
_OF_RANGE = ("NO_WRAP", "NOT_SYSTEM_RAM")


def _listed(things: Sequence[Named]) -> str:
    return ", ".join(thing.name for thing in things) or "none"


def _constants(spec: Spec) -> Iterator[Complaint]:
    for constant in spec.driver_constants:
        if spec.number(constant.value) is None:
            yield ("unknown-constant", constant.at + ("value",), f"constant {constant.value} is "
                   f"not defined; known are: {_listed(spec.constants + spec.link_speeds)}")


def _target(prop: Property, spec: Spec) -> Iterator[Complaint]:
    phandle = prop.type.startswith("phandle")
    if phandle and prop.refers_to is None:
        yield ("phandle-target", prop.at, f"property {prop.name} is a phandle; say where it leads "
               "with refers_to:")
    elif not phandle and prop.refers_to is not None:
        yield ("phandle-target", prop.at + ("refers_to",), f"property {prop.name} is {prop.type} "
               "and leads nowhere; remove refers_to:")
    elif prop.refers_to is not None and spec.node(prop.refers_to) is None:
        yield ("unknown-node", prop.at + ("refers_to",), f"device-tree node {prop.refers_to} is "
               f"not defined; known are: {_listed(spec.nodes)}")


def _absent(prop: Property, spec: Spec) -> Iterator[Complaint]:
    if prop.if_absent is None:
        return
    at = prop.at + ("if_absent",)
    if prop.required or prop.type not in ("u32", "u64"):
        yield ("absent-default", at, f"property {prop.name} is no optional number; remove "
               "if_absent:")
    elif spec.driver_constant(prop.if_absent) is None:
        yield ("unknown-constant", at, f"driver constant {prop.if_absent} is not defined; known "
               f"are: {_listed(spec.driver_constants)}")


def _limit(check: Check, spec: Spec) -> Iterator[Complaint]:
    at = check.at + ("limit",)
    if check.rule not in _WITH_LIMIT:
        if check.limit is not None:
            yield "check-applies", at, f"{check.rule} compares with nothing; remove limit:"
        return
    if check.limit is None:
        yield ("check-applies", check.at, f"{check.rule} compares with a driver constant; name it "
               "with limit:")
        return
    if spec.driver_constant(check.limit) is None:
        yield ("unknown-constant", at, f"driver constant {check.limit} is not defined; known are: "
               f"{_listed(spec.driver_constants)}")
        return
    number = spec.driver_number(check.limit)
    if check.rule == "ALIGNED" and number is not None and (number == 0 or number & (number - 1)):
        yield ("check-applies", at, f"{check.limit} is {number}, and nothing can be aligned to "
               "that; take a power of two")


def _check(check: Check, prop: Property, spec: Spec) -> Iterator[Complaint]:
    if prop.type not in _NUMBERS[check.rule]:
        yield ("check-applies", check.at + ("rule",), f"{check.rule} cannot be asked of a "
               f"{prop.type}; it is for: {', '.join(_NUMBERS[check.rule])}")
        return
    names_part = bool(prop.parts) and check.rule not in _OF_RANGE
    if names_part and check.of not in prop.parts:
        yield ("check-applies", check.at + ("of",), f"{check.rule} is asked of one part of "
               f"{prop.name}; say of which: {' or '.join(prop.parts)}")
    elif not names_part and check.of is not None:
        yield ("check-applies", check.at + ("of",), f"{check.rule} is asked of all of "
               f"{prop.name}; remove of:")
    yield from _limit(check, spec)


def check(spec: Spec) -> Iterator[Complaint]:
    yield from _constants(spec)
    for prop in spec.properties:
        yield from _target(prop, spec)
        yield from _absent(prop, spec)
        if (prop.type == "u64[2]") != bool(prop.parts) or len(set(prop.parts)) != len(prop.parts):
            yield ("parts", prop.at, f"property {prop.name} is {prop.type}; parts: names the two "
                   "numbers of a u64[2], differently, and belongs to nothing else")
        for one in prop.checks:
            yield from _check(one, prop, spec)
