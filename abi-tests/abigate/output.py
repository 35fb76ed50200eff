# SPDX-License-Identifier: GPL-2.0-only
"""Findings for people (text), programs (json), code scanning (sarif) and GitHub's pages (github)."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass

from .exceptions import Allowed
from .findings import Finding
from .measure import ORIGINS
from .rules import NOTES, PROCESS, RULES

FORMATS = ("text", "json", "sarif", "github")


@dataclass(frozen=True)
class Verdict:
    """All there is to say of a run."""

    old: str
    new: str
    findings: list[Finding]
    notes: list[Finding]
    allowed: list[tuple[Finding, Allowed]]
    configurations: list[str]
    tools: dict[str, str]
    exceptions: str
    arches: frozenset[str]

    @property
    def clean(self) -> bool:
        return not self.findings


def _where(finding: Finding, verdict: Verdict) -> str:
    arches = "all architectures" if finding.arches in (set(), verdict.arches) \
        else ", ".join(sorted(finding.arches))
    origin = ORIGINS[next(iter(finding.origins))] if len(finding.origins) == 1 else ""
    return f"{arches}; with the {origin}" if origin == ORIGINS["system"] else arches


def _scope(finding: Finding, verdict: Verdict) -> str:
    kinds = " and ".join(finding.about.category)
    return kinds if finding.about.category == (PROCESS,) else f"{kinds}, on {_where(finding, verdict)}"


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent=f"    {label:8} ", subsequent_indent=" " * 13,
                         break_long_words=False, break_on_hyphens=False)


def _what(finding: Finding) -> str:
    return "; ".join(finding.what)


def _entry(finding: Finding, verdict: Verdict) -> list[str]:
    about = finding.about
    kind = "note" if finding.rule in NOTES else "error"
    lines = [f"{finding.file}:{finding.line}: {kind}: {finding.subject}: {_what(finding)} "
             f"[{finding.rule}]"]
    lines += _wrapped("breaks", f"{_scope(finding, verdict)}: {about.breaks}")
    lines += _wrapped("instead", about.instead)
    if kind == "error" and not finding.rule.startswith("EXCEPTION"):
        # In one line, to be copied.
        lines.append(f"    allow    in {verdict.exceptions}: {{rule: {finding.rule}, subject: "
                     f'"{finding.subject}", reason: ..., expires: YYYY-MM-DD}}')
    return lines + _wrapped("seen by", ", ".join(sorted(finding.detectors)))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def text(verdict: Verdict) -> str:
    """For a person at a terminal."""
    lines = []
    for finding in [*verdict.notes, *verdict.findings]:
        lines += [*_entry(finding, verdict), ""]
    for finding, entry in verdict.allowed:
        lines.append(f"allowed until {entry.expires}: {finding.rule} of {finding.subject}: "
                     f"{entry.reason}")
    seen = f"{_count(len(verdict.configurations), 'compiler')}, {_count(len(verdict.arches), 'architecture')}"
    outcome = "compatible" if verdict.clean else \
        f"{_count(len(verdict.findings), 'incompatible change')}; docs/abi-gate.md explains"
    return "\n".join([*lines, f"{verdict.new} against {verdict.old} ({seen}): {outcome}", ""])


def _plain(finding: Finding, verdict: Verdict) -> dict[str, object]:
    about = finding.about
    return {"rule": finding.rule, "subject": finding.subject, "file": finding.file,
            "line": finding.line, "what": finding.what, "category": list(about.category),
            "breaks": about.breaks, "instead": about.instead,
            "architectures": sorted(finding.arches or verdict.arches),
            "definitions": sorted(finding.origins or ORIGINS),
            "detectors": {name: finding.reported[name] for name in sorted(finding.reported)}}


def as_json(verdict: Verdict) -> str:
    """For a program; `format` is raised when a key changes its meaning."""
    return json.dumps({
        "format": 1, "old": verdict.old, "new": verdict.new, "compatible": verdict.clean,
        "findings": [_plain(f, verdict) for f in verdict.findings],
        "notes": [_plain(f, verdict) for f in verdict.notes],
        "allowed": [{**_plain(f, verdict), "reason": e.reason, "expires": str(e.expires)}
                    for f, e in verdict.allowed],
        "compilers": verdict.configurations, "tools": verdict.tools}, indent=2) + "\n"


def _sarif_result(finding: Finding, verdict: Verdict, level: str) -> dict[str, object]:
    return {
        "ruleId": finding.rule, "level": level,
        "message": {"text": f"{finding.subject}: {_what(finding)}. Breaks "
                            f"({_scope(finding, verdict)}): {finding.about.breaks} Instead: "
                            f"{finding.about.instead}"},
        "partialFingerprints": {"ruleAndSubject/v1": f"{finding.rule} {finding.subject}"},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": finding.file},
            "region": {"startLine": max(1, finding.line)}}}]}


def sarif(verdict: Verdict) -> str:
    """SARIF 2.1.0, for code scanning."""
    results = [_sarif_result(f, verdict, "error") for f in verdict.findings]
    results += [_sarif_result(f, verdict, "note") for f in verdict.notes]
    for finding, entry in verdict.allowed:
        results.append({**_sarif_result(finding, verdict, "error"), "suppressions": [
            {"kind": "external", "justification": f"{entry.reason} (until {entry.expires})"}]})
    allowed = [finding for finding, _ in verdict.allowed]
    used = sorted({finding.rule for finding in (*verdict.findings, *verdict.notes, *allowed)})
    rules = [{"id": rule, "shortDescription": {"text": RULES[rule].purpose},
              "fullDescription": {"text": RULES[rule].breaks},
              "help": {"text": RULES[rule].instead},
              "properties": {"tags": list(RULES[rule].category)}} for rule in used]
    return json.dumps({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "abi-gate", "rules": rules}},
                  "results": results}]}, indent=2) + "\n"


def _escaped(value: str, in_property: bool = False) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        value = value.replace(char, code)
    return value.replace(":", "%3A").replace(",", "%2C") if in_property else value


def github(verdict: Verdict) -> str:
    """Workflow commands: an annotation in the change for each finding."""
    lines = []
    for finding in [*verdict.notes, *verdict.findings]:
        kind = "notice" if finding.rule in NOTES else "error"
        message = (f"{finding.subject}: {_what(finding)}\nBreaks "
                   f"({_scope(finding, verdict)}): {finding.about.breaks}\nInstead: {finding.about.instead}")
        lines.append(f"::{kind} file={_escaped(finding.file, True)},line={finding.line},"
                     f"title={_escaped(finding.rule, True)}::{_escaped(message)}")
    return "\n".join([*lines, text(verdict)])


def render(verdict: Verdict, form: str) -> str:
    """The verdict in one of FORMATS."""
    return {"text": text, "json": as_json, "sarif": sarif, "github": github}[form](verdict)
