# SPDX-License-Identifier: GPL-2.0-only
"""The buffers VFIO_DEVICE_GET_REGION_INFO writes, byte for byte, little endian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .model import Golden, Record, Spec

#: vfio-pci gives every region 1 TiB of the device file's offsets.
_OFFSET_SHIFT = 40

_T = TypeVar("_T")


def _defined(thing: _T | None) -> _T:
    """Things that the rules have made sure of."""
    if thing is None:
        raise LookupError("the spec names something that is not defined; `codegen check` says what")
    return thing


def _pack(record: Record, values: Mapping[str, int | bytes]) -> bytes:
    raw = bytearray(record.size)
    for field in record.fields:
        value = values.get(field.name, 0)
        if isinstance(value, int):
            value = value.to_bytes(field.size, "little")
        raw[field.offset:field.offset + field.size] = value
    return bytes(raw)


def region_info(spec: Spec, golden: Golden) -> bytes:
    """One whole buffer, with argsz exactly its length."""
    region = _defined(spec.region(golden.region))
    info = _defined(spec.core_struct("vfio_region_info"))
    header = _defined(spec.core_struct("vfio_info_cap_header"))

    # The TYPE record comes from the core, ahead of the region's own.
    chain = [(_defined(spec.core_struct("vfio_region_info_cap_type")),
              spec.core_number("VFIO_REGION_INFO_CAP_TYPE"), 1,
              {"type": spec.region_type(_defined(spec.vendor(region.vendor))),
               "subtype": _defined(spec.subtype(region.subtype)).value})]
    for cap in spec.region_capabilities(region):
        chain.append((cap, cap.id, cap.version,
                      {f.name: golden.values[f.source] for f in cap.fields if f.source}))

    total = info.size + sum(record.size for record, *_ in chain)
    # The core adds CAPS to whatever the region was registered with.
    flags = spec.flag_bits((region.flags if golden.size else region.flags_empty) + ["caps"])
    out = _pack(info, {"argsz": total, "flags": flags, "index": golden.index,
                       "cap_offset": info.size, "size": golden.size,
                       "offset": golden.index << _OFFSET_SHIFT})
    for n, (record, cap_id, version, values) in enumerate(chain):
        end = len(out) + record.size
        head = _pack(header, {"id": cap_id, "version": version,
                              "next": end if n + 1 < len(chain) else 0})
        out += _pack(record, {**values, "header": head})
    return out


def hexdump(raw: bytes) -> list[str]:
    """Lines of offset and 16 bytes, in two groups of eight."""
    lines = []
    for start in range(0, len(raw), 16):
        row = raw[start:start + 16]
        lines.append(f"{start:04x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}")
    return lines
