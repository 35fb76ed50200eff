# SPDX-License-Identifier: GPL-2.0-only
"""The header against the spec: the generated assertions, compiled with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .facts import Fact
from .measure import Measured
from .sides import SpecSide, generated

_LAYOUT = "generated/abi/vfio_nvlink2_layout.c"


def detect(spec: SpecSide, measured: Measured) -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what) for everything the compiler lays out differently."""
    unlimited = "-ferror-limit=0" if measured.configuration.toolchain.compiler == "clang" \
        else "-fmax-errors=0"
    complaint = measured.compile(generated(spec, _LAYOUT), "-std=gnu11", "-w", unlimited)
    if complaint:
        failed = re.findall(r"error: (?:static[ _]assertion failed(?: due to requirement.*?)?:? )?(.*)",
                          complaint)
        for message in dict.fromkeys(failed or [complaint[:300]]):
            yield "SPEC_HEADER_DIFFER", measured.header.path, message.strip('"')
    yield from _alignment(spec, measured)


def _alignment(spec: SpecSide, measured: Measured) -> Iterator[tuple[str, str, str]]:
    if measured.configuration.origin != "system" or measured.configuration.toolchain.arch != "i386":
        return
    for cap in spec.spec.capabilities:
        fact = Fact("alignment", f"struct {cap.struct}")
        wanted, have = cap.layout().align, measured.numbers.get(fact)
        if (have, wanted) == (4, 8):
            yield ("SYSTEM_ALIGNMENT", fact.subject,
                   f"aligned to {have} by the system's <linux/vfio.h>, to {wanted} by the spec")
