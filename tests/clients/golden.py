# SPDX-License-Identifier: GPL-2.0-only
"""The golden blobs with what the spec says is in them, and blobs that lack a record."""

from __future__ import annotations

import struct
from pathlib import Path

from codegen.cli import SPEC as SPEC_FILE
from codegen.cli import load_spec
from lab.paths import ROOT

FOLDER = ROOT / "generated/user/golden"
SPEC = load_spec(ROOT / SPEC_FILE)
#: By file name. Every blob of the folder is one of these (codegen/tests/test_golden.py).
BLOBS = {example.file: example for example in SPEC.golden}


def role(name: str) -> str:
    """Whose region a blob is: gpu or bridge."""
    return "gpu" if BLOBS[name].region == "gpu_ram" else "bridge"


def without(name: str, capability: str, folder: Path) -> Path:
    """
    A copy of a blob (little endian) without one capability record: the one before leads to the
    one behind.
    """
    blob = bytearray((FOLDER / name).read_bytes())
    wanted = SPEC.capability(capability).id
    link = struct.calcsize("<IIII") - 4
    while (at := struct.unpack_from("<I", blob, link)[0]):
        ident, _, following = struct.unpack_from("<HHI", blob, at)
        if ident == wanted:
            struct.pack_into("<I", blob, link, following)
            target = folder / f"{capability}-{name}"
            target.write_bytes(blob)
            return target
        link = at + 4
    raise ValueError(f"{name} has no record {capability}")
