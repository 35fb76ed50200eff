# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions: changes that are allowed on purpose, for a reason, until a day."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import GateError
from .findings import Finding
from .rules import RULES
from .sides import shown

_KEYS = {"rule", "subject", "reason", "expires"}
_OPTIONAL = {"arches"}


@dataclass(frozen=True)
class Allowed:
    rule: str
    subject: str
    reason: str
    expires: datetime.date
    arches: tuple[str, ...]
    line: int

    def fits(self, finding: Finding) -> bool:
        """Whether the finding is this one, and on no other architectures."""
        return ((self.rule, self.subject) == (finding.rule, finding.subject)
                and (not self.arches or bool(finding.arches) and finding.arches <= set(self.arches)))


def load(path: Path) -> list[Allowed]:
    """The exceptions of a file; GateError when the ABI gate does not understand it."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise GateError(f"cannot read {shown(path)}: {err}") from err
    if not isinstance(entries, dict) or set(entries) != {"exceptions"} \
            or not isinstance(entries["exceptions"], list):
        raise GateError(f"{shown(path)} has to be `exceptions:` and a list, [] when there are none")
    lines = [item.start_mark.line + 1 for item in node.value[0][1].value]
    return [_entry(entry, line, path) for entry, line in zip(entries["exceptions"], lines)]


def _entry(entry: object, line: int, path: Path) -> Allowed:
    where = f"{shown(path)}:{line}"
    if not isinstance(entry, dict) or not _KEYS <= set(entry) <= _KEYS | _OPTIONAL:
        raise GateError(f"{where}: an exception has {', '.join(sorted(_KEYS))} and may have arches")
    if entry["rule"] not in RULES:
        raise GateError(f"{where}: there is no rule {entry['rule']}; `abi-tests/gate --list-rules`")
    if not isinstance(entry["expires"], datetime.date):
        raise GateError(f"{where}: expires is a day, like 2030-01-31, not {entry['expires']!r}")
    if not str(entry["reason"]).strip():
        raise GateError(f"{where}: an exception without a reason is none")
    return Allowed(entry["rule"], str(entry["subject"]), str(entry["reason"]), entry["expires"],
                   tuple(entry.get("arches", ())), line)


def apply(findings: list[Finding], allowed: list[Allowed], path: Path,
          today: datetime.date) -> tuple[list[Finding], list[tuple[Finding, Allowed]]]:
    """The findings that are left, those about exceptions among them, and the allowed ones."""
    left, used = list(findings), []
    name = shown(path)
    for entry in allowed:
        fitting = [finding for finding in left if entry.fits(finding)]
        what = f"{entry.rule} of {entry.subject}: {entry.reason}"
        if entry.expires < today:
            left.append(Finding(name, entry.line, "EXCEPTION_EXPIRED", entry.subject,
                                {"exceptions": [f"ended on {entry.expires}: {what}"]}))
        elif not fitting:
            left.append(Finding(name, entry.line, "EXCEPTION_UNUSED", entry.subject,
                                {"exceptions": [what]}))
        else:
            left = [finding for finding in left if finding not in fitting]
            used += [(finding, entry) for finding in fitting]
    return left, used
