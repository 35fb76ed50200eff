# SPDX-License-Identifier: GPL-2.0-only
"""Sightings of the detectors, and the findings they come together to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .rules import ABSORBS, RULES, Rule


#: The detectors, the one whose words are plainest first.
_ELOQUENT = ("spec", "macros", "pahole", "endianness", "assertions", "names", "libabigail",
             "agreement", "exceptions")


@dataclass(frozen=True)
class Sighting:
    """What one detector saw in one configuration."""

    rule: str
    subject: str
    what: str
    detector: str
    arch: str = ""          # empty: it does not depend on the architecture
    origin: str = ""        # whose definitions; empty: either's


@dataclass(order=True)
class Finding:
    """One change, with everything that saw it."""

    file: str
    line: int
    rule: str
    subject: str
    reported: dict[str, list[str]] = field(default_factory=dict)      # by detector
    arches: set[str] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)

    @property
    def detectors(self) -> set[str]:
        """Who has seen it."""
        return set(self.reported)

    @property
    def what(self) -> list[str]:
        """What became of it, in the words of the detector that says it best."""
        return next((self.reported[name] for name in _ELOQUENT if self.reported.get(name)), [])

    @property
    def about(self) -> Rule:
        return RULES[self.rule]


def _owner(subject: str) -> str:
    return subject.partition("::")[0]


def _absorb(groups: dict[tuple[str, str], list[Sighting]]) -> None:
    """
    Takes vague sightings into the exact findings about the same thing; they count there.

    Only where the exact one was seen: on other architectures the vague one is all there is.
    """
    for rule, by in ABSORBS.items():
        for key in [key for key in groups if key[0] == rule]:
            hosts = [other for other in groups if other != key and other[0] in by
                     and other[1] in _hosts(rule, key[1], other[1])]
            left = groups[key]
            for host in hosts:
                arches = {seen.arch for seen in groups[host]}
                groups[host] += [Sighting(host[0], host[1], "", seen.detector, seen.arch,
                                          seen.origin) for seen in groups[key] if seen.arch in arches]
                left = [seen for seen in left if seen.arch not in arches]
            groups[key] = left
            if not left:
                del groups[key]


def _hosts(rule: str, subject: str, other: str) -> set[str]:
    if rule in ("STRUCT_CHANGED", "STRUCT_SHAPE_CHANGED"):
        # Whatever was found about the struct or a member of it.
        return {other} if _owner(other) == subject else set()
    return {subject, _owner(subject)}


def gather(sightings: list[Sighting],
           locate: Callable[[str, str], tuple[str, int]]) -> list[Finding]:
    """One finding for each rule and subject; `locate(rule, subject)` gives (file, line)."""
    groups: dict[tuple[str, str], list[Sighting]] = {}
    for seen in sightings:
        assert seen.rule in RULES, f"rule {seen.rule} is not listed"
        groups.setdefault((seen.rule, seen.subject), []).append(seen)
    _absorb(groups)
    found = []
    for (rule, subject), group in groups.items():
        file, line = locate(rule, subject)
        finding = Finding(file, line, rule, subject)
        for seen in group:
            words = finding.reported.setdefault(seen.detector, [])
            if seen.what and seen.what not in words:
                words.append(seen.what)
            # What was seen whatever the architecture was seen on all of them.
            finding.arches |= {seen.arch} if seen.arch else set()
            finding.origins |= {seen.origin} if seen.origin else set()
        found.append(finding)
    return sorted(found, key=lambda f: (f.file, f.line, f.rule, f.subject))
