# SPDX-License-Identifier: GPL-2.0-only
"""A consumer's view: of a header's changes those that a given program would feel."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import GateError
from .findings import Finding
from .inventory import Inventory
from .sides import shown

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_SUFFIXES = (".c", ".h", ".cc", ".cpp", ".hpp", ".S", ".inc")


def identifiers(paths: list[Path]) -> set[str]:
    """Every word in the sources, comments apart."""
    words: set[str] = set()
    for path in paths:
        files = [path] if path.is_file() else \
            sorted(f for f in path.rglob("*") if f.suffix in _SUFFIXES and f.is_file())
        if not files:
            raise GateError(f"--consumer {shown(path)}: there is no C or C++ source")
        for file in files:
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError as err:
                raise GateError(f"cannot read {shown(file)}: {err.strerror}") from err
            words |= set(re.findall(r"[A-Za-z_]\w*", _COMMENT.sub(" ", text)))
    return words


def check(words: set[str], inventory: Inventory, header: str) -> None:
    """GateError when the sources use nothing of the header: then nothing would ever be found."""
    if not any(name.split()[-1] in words for name in inventory.names()):
        raise GateError(f"the consumer's sources use no name of {header}: is it the right header, "
                        "and are these the right sources?")


def affects(finding: Finding, words: set[str]) -> bool:
    """Whether a finding is about a name in the sources, or about the header as a whole."""
    if finding.rule in ("HEADER_BROKEN", "SPEC_HEADER_DIFFER") or finding.rule.startswith("EXC"):
        return True
    return finding.subject.partition("::")[0].split()[-1] in words
