# SPDX-License-Identifier: GPL-2.0-only
"""Whether the detectors can see: each has to find a planted change, in every configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from . import agreement
from .detectors import spec as spec_detector
from .errors import GateError
from .findings import Sighting
from .measure import Measured
from .sides import Header, SpecSide

if TYPE_CHECKING:
    from codegen.model import Spec

_FOLDER = Path(__file__).resolve().parent
_PACKED = ("STRUCT_ALIGNMENT_CHANGED", "struct gate_planted_packed")

#: What each detector has to see of the planted headers, at the least.
EXPECTED = {
    "macros": {("MACRO_VALUE_CHANGED", "GATE_PLANTED_NUMBER"),
               ("MACRO_REMOVED", "GATE_PLANTED_GONE")},
    "names": {("MACRO_REMOVED", "GATE_PLANTED_GONE")},
    "assertions": {_PACKED, ("FIELD_MOVED", "struct gate_planted_layout::first")},
    "pahole": {("FIELD_MOVED", "struct gate_planted_layout::first")},
    "libabigail": {_PACKED, ("STRUCT_CHANGED", "struct gate_planted_layout"),
                   ("MACRO_VALUE_CHANGED", "GATE_PLANTED_NUMBER")},
    "endianness": {("FIELD_ENDIANNESS_CHANGED", "struct gate_planted_order::tagged")},
}


def headers() -> tuple[Header, Header]:
    """The planted pair."""
    old, new = (Header("planted.h", (_FOLDER / name).read_text(encoding="utf-8"), name)
                for name in ("planted_old.h", "planted_new.h"))
    return old, new


def judge(sightings: list[Sighting], where: str, without: tuple[str, ...] = ()) -> None:
    """GateError when a detector, but for those it goes without, has missed its planted change."""
    for detector, wanted in EXPECTED.items():
        if detector in without:
            continue
        seen = {(s.rule, s.subject) for s in sightings if s.detector == detector}
        missed = sorted(wanted - seen)
        if missed:
            raise GateError(f"{where}: {detector} is blind: it does not see the planted "
                            f"{missed[0][0]} of {missed[0][1]}, so nothing it says would count. "
                            "Its tool may have changed its output")


def judge_spec(spec: Spec) -> None:
    """GateError when the comparison of specs does not see a capability's new id."""
    first, *rest = spec.capabilities
    changed = dataclasses.replace(spec, capabilities=[dataclasses.replace(first, id=4711), *rest])
    wanted = ("CAP_ID_CHANGED", f"capability {first.name}")
    if wanted not in {seen[:2] for seen in spec_detector.compare(spec, changed).seen}:
        raise GateError("the comparison of specs is blind: it does not see a capability's new id")


def judge_agreement(side: SpecSide, measured: Measured) -> None:
    """GateError when a header of another version than the spec's passes for the spec's."""
    other = dataclasses.replace(side.spec, version=side.spec.version + 4711)
    seen = agreement.detect(dataclasses.replace(side, spec=other), measured)
    if not any(rule == "SPEC_HEADER_DIFFER" for rule, *_ in seen):
        raise GateError(f"{measured.configuration.name}: the comparison with the spec is blind: it "
                        "does not see another version of the interface")
