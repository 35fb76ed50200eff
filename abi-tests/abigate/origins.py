# SPDX-License-Identifier: GPL-2.0-only
"""
Whose definitions a program sees: those of the system's <linux/vfio.h>, or the header's own.

A header that leaves to the system what the system defines shows nothing of its own where the
system's header has it all. So it is looked at a second time, with a <linux/vfio.h> from which the
NVLink2 definitions are cut out.
"""

from __future__ import annotations

import re
from pathlib import Path

from .errors import GateError
from .measure import Configuration
from .run import run
from .sides import Header
from .toolchain import Toolchain

_SYSTEM = "linux/vfio.h"
_MACRO = re.compile(r"#define\s+\w*NVLINK2\w*[^\n]*\n")
_STRUCT = re.compile(r"struct vfio_region_info_cap_nvlink2_\w+\s*\{.*?\n\};", re.S)


def cut(text: str) -> str:
    """A <linux/vfio.h> without its NVLink2 definitions."""
    text = _STRUCT.sub("", _MACRO.sub("", text))
    if re.search(r"^\s*[^*\s].*nvlink2_", text, flags=re.M | re.I):
        raise GateError("cannot cut the NVLink2 definitions out of <linux/vfio.h>: they have an "
                        "unknown form; teach abi-tests/abigate/origins.py")
    return text


def _includes_system(header: Header, chain: Toolchain, folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "deps.c"
    source.write_text(header.text, encoding="utf-8")
    flags = [word for path in header.includes for word in ("-isystem", str(path))]
    done = run([*chain.clang, *flags, "-ffreestanding", "-M", source], "what a header includes",
               "clang")
    # A header that does not compile is reported elsewhere.
    return header.path != _SYSTEM and bool(re.search(r"(?:^|[\s/])linux/vfio\.h\b", done.stdout))


def configurations(chain: Toolchain, headers: list[Header], folder: Path,
                   system: Path | None = None) -> list[Configuration]:
    """
    The ways in which a compiler sees these headers, the header's own definitions first.

    `system` is a directory of kernel headers that come before the architecture's own.
    """
    path = system / _SYSTEM if system else chain.system
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise GateError(f"cannot read {path}: {err}") from err
    before = (system,) if system else ()
    found = [Configuration(chain, "system", before)]
    if any(_includes_system(header, chain, folder) for header in headers):
        place = folder / "own"
        (place / "linux").mkdir(parents=True, exist_ok=True)
        (place / _SYSTEM).write_text(cut(text), encoding="utf-8")
        found.insert(0, Configuration(chain, "own", (place, *before)))
    return found
