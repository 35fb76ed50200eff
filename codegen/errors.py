# SPDX-License-Identifier: GPL-2.0-only
"""The errors of the generator, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass

#: The keys and indices that lead to a part of the document.
Place = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Finding:
    """One flaw of the spec: where it is, what it is, and the rule that says so."""

    file: str
    line: int
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: error: {self.message} [{self.rule}]"


class SpecError(Exception):
    """The spec is wrong: exit status 1."""

    def __init__(self, findings: list[Finding]):
        super().__init__(f"{len(findings)} findings")
        self.findings = sorted(set(findings))


class UsageError(Exception):
    """The command cannot be carried out as given: exit status 2."""
