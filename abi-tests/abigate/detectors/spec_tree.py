# SPDX-License-Identifier: GPL-2.0-only
"""Spec against spec: the devices that are served, and the device tree they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.model import Property, Spec

Seen = tuple[str, str, str]


def _checks(spec: Spec, prop: Property) -> dict[tuple[str, str | None], int | None]:
    """{(rule, part): limit as a number} of a property's checks."""
    return {(check.rule, check.of): spec.driver_number(check.limit) if check.limit else None
            for check in prop.checks}


def _shown(limit: int | None) -> str:
    return "undefined" if limit is None else f"{limit:#x}"


def _stricter(rule: str, was: int | None, now: int | None) -> bool:
    if was is None or now is None or was == now:
        return was != now
    # Whatever is aligned to more is aligned to less, if both are powers of 2.
    return now < was if rule == "MAX" else now % was == 0 or was % now != 0


def _property(old: Spec, new: Spec, subject: str, was: Property,
              now: Property) -> Iterator[Seen]:
    if (now.type, now.refers_to, now.parts) != (was.type, was.refers_to, was.parts):
        yield "DT_CHANGED", subject, f"{was.type} -> {now.type}, or what it means"
    if now.required and not was.required:
        yield "DT_STRICTER", subject, "it was optional, and is required"
    elif not now.required and not was.required and \
            (was.if_absent, old.driver_number(was.if_absent or "")) != \
            (now.if_absent, new.driver_number(now.if_absent or "")):
        yield "DT_CHANGED", subject, f"without it: {was.if_absent} -> {now.if_absent}"
    before = _checks(old, was)
    for key, limit in _checks(new, now).items():
        rule = " ".join(part for part in key if part)
        if key not in before:
            yield "DT_STRICTER", subject, f"check {rule} is new"
        elif _stricter(key[0], before[key], limit):
            yield "DT_STRICTER", subject, f"check {rule}: {_shown(before[key])} -> {_shown(limit)}"


def detect(old: Spec, new: Spec) -> Iterator[Seen]:
    """PCI ids and the properties of the device tree."""
    after = {(p.vendor, p.device) for p in new.pci_ids}
    for pci in old.pci_ids:
        if (pci.vendor, pci.device) not in after:
            yield "PCI_ID_REMOVED", f"{pci.vendor}:{pci.device:#06x}", f"{pci.doc} is gone"
    nodes = {node.name: {p.name: p for p in node.properties} for node in new.nodes}
    for node in old.nodes:
        for prop in node.properties:
            now = nodes.get(node.name, {}).get(prop.name)
            subject = f"{node.name}/{prop.name}"
            # What is no longer read harms no firmware.
            if now is not None:
                yield from _property(old, new, subject, prop, now)
        known = {prop.name for prop in node.properties}
        for name, prop in nodes.get(node.name, {}).items():
            if name not in known and prop.required:
                yield "DT_STRICTER", f"{node.name}/{name}", "it is new, and required"
