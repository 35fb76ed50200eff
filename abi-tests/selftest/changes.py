# SPDX-License-Identifier: GPL-2.0-only
"""Single changes of the newest release, each compared with it by the ABI gate."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from abigate import sides
from abigate.compare import DETECTORS, Gate
from abigate.findings import Finding
from abigate.sides import Header, Side
from abigate.toolchain import tool_versions, toolchains

HERE = Path(__file__).resolve().parent
LIST = HERE.parent / "changes.yaml"

#: Both data models, both byte orders, and __u64 aligned to 4 and to 8: what only i386 sees, ppc64
#: does not. For ppc64 __u64 is a long, for x86_64 a long long, which types in a header may show.
ARCHES = ("i386", "ppc64")
ARCHES_OF_HEADERS = ("x86_64", *ARCHES)

Edits = list[list[str] | str]


@dataclass
class Change:
    name: str
    group: str
    old: Side
    new: Side
    rules: set[str]
    arches: set[str] = field(default_factory=set)


@dataclass
class Outcome:
    rules: set[str]
    arches: set[str]
    detectors: set[str]
    findings: list[Finding]


def edited(text: str, edits: Edits, name: str, named: dict[str, Edits] | None = None) -> str:
    """The text with every edit made in the one place where it fits."""
    for edit in edits:
        if isinstance(edit, str):
            text = edited(text, named[edit], f"{name}, {edit}")
            continue
        pattern, replacement = edit
        places = len(re.findall(pattern, text, flags=re.S))
        assert places == 1, f"{name}: {pattern!r} fits in {places} places, not in one"
        changed = re.sub(pattern, replacement, text, flags=re.S)
        assert changed != text, f"{name}: {pattern!r} changes nothing"
        text = changed
    return text


def _header(text: str, shown: str = "changed.h") -> Header:
    return Header("linux/vfio_nvlink2.h", text, shown)


class ChangeFactory:
    """Makes changes of a release."""

    def __init__(self, base: Side, scratch: Path, named: dict[str, Edits]):
        self.named = named
        self.base = base
        self.scratch = scratch
        self.spec_text = (base.baseline / "spec.yaml").read_text(encoding="utf-8")
        self._sides: dict[tuple[str, str], Side] = {}
        # Compared without a spec, as another project's header is.
        self.plain = Side(base.name, base.header)

    def _spec(self, text: str, old: Side | None = None) -> Side:
        """A side whose header comes from this text of a spec, or the old side's from a wrong one."""
        judged = old is not None
        key = (text, old.header.text if old else "")
        if key not in self._sides:
            path = self.scratch / f"spec{len(self._sides)}.yaml"
            path.write_text(text, encoding="utf-8")
            spec = sides.spec_file(path, path.name, judged)
            header = old.header.text if spec.problems else sides.generated(spec)
            self._sides[key] = Side(path.name, _header(header, path.name), spec)
        return self._sides[key]

    def of_header(self, entry: dict) -> Change:
        name = entry["name"]
        old = edited(self.base.header.text, entry.get("base", []), name)
        new = edited(old, entry["edits"], name)
        side = Side(name, _header(old, "base.h")) if "base" in entry else self.plain
        return Change(name, "header", side, Side(name, _header(new)), set(entry["rules"]),
                      set(entry.get("arches", [])))

    def of_spec(self, entry: dict) -> Change:
        name = entry["name"]
        old = edited(self.spec_text, entry.get("base", []), name, self.named)
        new = edited(old, entry["edits"], name, self.named)
        side = self._spec(old)
        return Change(name, "spec", side, self._spec(new, side), set(entry["rules"]))

    def of_both(self, entry: dict) -> Change:
        name = entry["name"]
        old = self._spec(self.spec_text)
        side = self._spec(edited(self.spec_text, entry["spec"], name), old)
        text = edited(side.header.text, entry["header"], name)
        return Change(name, "both", old, Side(name, _header(text), side.spec), set(entry["rules"]))

    def of_macros(self) -> Iterator[Change]:
        """Every number of the header, removed and changed."""
        text = self.base.header.text
        for name, number, suffix in re.findall(r"^#define (\w+)[ \t]+(0x\w*?|\d+)(U?)$", text, re.M):
            line = rf"(?m)^(#define {name}[ \t]+)[0-9][^\n]*$"
            other = rf"\g<1>{int(number, 0) ^ 0x40:#x}{suffix}"
            for what, by, rule in (("removed", "", "MACRO_REMOVED"),
                                   ("changed", other, "MACRO_VALUE_CHANGED")):
                changed = edited(text, [[line, by]], name)
                yield Change(f"{name} {what}", "macro", self.plain, Side(name, _header(changed)),
                             {rule})


def changes(factory: ChangeFactory, lists: dict, only: set[str] | None = None) -> list[Change]:
    """All of them, or those of the lists with these names."""
    header, spec, both = ([entry for entry in lists[group] if only is None or entry["name"] in only]
                          for group in ("header", "spec", "both"))
    found = [*(factory.of_macros() if only is None else ()), *map(factory.of_header, header),
             *map(factory.of_spec, spec), *map(factory.of_both, both)]
    names = [change.name for change in found]
    assert len(names) == len(set(names)), "two changes have one name"
    return found


def outcome(gate: Gate, change: Change) -> Outcome:
    """The ABI gate's verdict on a change."""
    found = gate.compare(change.old, change.new).findings
    arches = {arch for finding in found for arch in finding.arches}
    return Outcome({f.rule for f in found}, arches,
                   {detector for f in found for detector in f.detectors}, found)


def run(progress=lambda text: None, only: set[str] | None = None) -> dict[str, tuple[Change, Outcome]]:
    """{name: (change, outcome)} of all changes or those named; two are at work at a time."""
    tool_versions()
    chains = [chain for chain in toolchains(ARCHES_OF_HEADERS) if chain.compiler == "clang"]
    with tempfile.TemporaryDirectory(prefix="abi-changes-") as name:
        scratch = Path(name)
        lists = yaml.safe_load(LIST.read_text(encoding="utf-8"))
        factory = ChangeFactory(sides.baseline(sides.newest_baseline()), scratch, lists["named"])
        gate = Gate(chains, scratch, jobs=1)
        fewer = replace(gate, chains=[chain for chain in chains if chain.arch in ARCHES])
        every = changes(factory, lists, only)
        # What has been measured of the old side is there for all the others.
        gate.compare(factory.plain, factory.plain)
        with ThreadPoolExecutor(2) as pool:
            found = {}
            for n, (change, got) in enumerate(
                    zip(every, pool.map(lambda change: outcome(
                        gate if change.group == "header" else fewer, change), every)), 1):
                found[change.name] = (change, got)
                if n % 20 == 0:
                    progress(f"{n} of {len(every)} changes")
        return found


def matrix(found: dict[str, tuple[Change, Outcome]]) -> str:
    """The table of detectors and changes, in Markdown."""
    lines = ["<!-- SPDX-License-Identifier: GPL-2.0-only -->",
             "<!-- Written by `make abi-matrix`; a test compares. -->", "",
             "# Which detector sees which change", "",
             f"{len(found)} changes of the released interface, "
             f"{sum(1 for _, got in found.values() if got.findings)} of them incompatible. A change in "
             "*italics* is compatible and", "has to pass: nothing may see it.", "",
             f"| change | {' | '.join(DETECTORS)} | rules |",
             f"|---|{'---|' * len(DETECTORS)}---|"]
    for name, (change, got) in found.items():
        cells = ["yes" if detector in got.detectors else "" for detector in DETECTORS]
        shown = name if got.findings else f"*{name}*"
        lines.append(f"| {change.group}: {shown} | {' | '.join(cells)} | "
                     f"{', '.join(sorted(got.rules))} |")
    total = [sum(1 for _, got in found.values() if detector in got.detectors)
             for detector in DETECTORS]
    alone = [sum(1 for _, got in found.values() if got.detectors == {detector})
             for detector in DETECTORS]
    lines += [f"| **seen** | {' | '.join(map(str, total))} | |",
              f"| **seen by no other** | {' | '.join(map(str, alone))} | |", ""]
    return "\n".join(lines)
