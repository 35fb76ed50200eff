# SPDX-License-Identifier: GPL-2.0-only
"""
The answers of drivers to `nvtest transcript`: live ones, and the driver of 2018 as it was recorded
on an emulated POWER9 with Linux 5.10.262 (lab/versus/recorded/5.10).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import yaml

from lab.errors import CheckFailed
from lab.machine import machine
from lab.paths import ROOT
from lab.progress import note
from lab.suites import judge, suites

RECORDED = ROOT / "lab/versus/recorded/5.10"
DIFFERENCES = ROOT / "lab/versus/recorded/differences.yaml"
TIMEOUT = 300
# Recorded of another client: what it mapped and where the kernel put it.
_NOT_ASKED = re.compile(r"smaps|mmap\[0\]|phys |mmap last|reopen|\[0\]=|map\[0\]")


# {key: value} of a transcript, and {device: lines} of its traces.
Answers = dict[str, str]
Traces = dict[str, list[str]]


class Difference(NamedTuple):
    """An answer that is another one: its key, both, and the defect behind it, or None."""
    key: str
    old: str
    new: str
    defect: str | None


def allowed() -> dict[str, dict[str, str]]:
    """The named differences: {"answers": {key: defect}, "tests": {name: defect}}."""
    tables: dict[str, dict[str, str]] = yaml.safe_load(DIFFERENCES.read_text("utf-8"))
    return tables


def defects_of(name: str, table: Mapping[str, str]) -> list[str]:
    """The numbers of the defects that a test or an answer is about, as its name has them."""
    if name in table:
        return [table[name]]
    return [match for match in re.findall(r"[DN]\d+", name)
            if re.search(rf"(?:^|[_ ]){match}(?:_| |$)", name)]


def run(flavour: str) -> Answers:
    """The answers of a flavour's driver, {key: value}; CheckFailed when they are not whole."""
    note(f"{flavour} transcript: starting the machine")
    outcome = machine.boot(flavour, ["/bin/nvtest", "transcript"], suites.payload(flavour), TIMEOUT,
                           log=suites.log_path(flavour, "transcript"))
    lines = judge.split(outcome.console)[0]
    answers = parse(lines)
    failed = [case for case in (judge.judge_log(outcome), judge.judge_end(outcome)) if not case.ok]
    if failed or answers.get("transcript") != "whole":
        raise CheckFailed(f"{flavour}: the transcript is not whole\n"
                       + "\n".join(case.detail for case in failed))
    return answers


def parse(lines: Iterable[str]) -> Answers:
    """{key: value} of lines `key = value`."""
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def recorded() -> Answers:
    """Returns the recorded answers of the driver of 2018, by the keys of a transcript."""
    found = {}
    for path in sorted(RECORDED.glob("*.hex")):
        found[f"info {path.stem}"] = path.read_text("ascii").strip()
    for line in (RECORDED / "retcodes-basic.txt").read_text("ascii").splitlines():
        key, equals, value = line.partition(" = ")
        if equals and not _NOT_ASKED.search(key):
            found[key] = value.split()[0]
    calls = (RECORDED / "opal-calls-kvm-guest.txt").read_text("ascii").splitlines()
    for number, line in enumerate(calls):
        found[f"firmware {number}"] = line.removeprefix("NVSIM ")
    if len(found) < 30:
        raise CheckFailed(f"{RECORDED}: only {len(found)} recorded answers")
    return found


def _shape(text: str) -> str:
    """A line of a trace without its addresses and sizes."""
    return re.sub(r"\b[0-9a-f]{5,}\b", "N", text)


def recorded_shapes() -> set[str]:
    """Returns the shapes of the tracepoints' lines as they were recorded."""
    lines = (RECORDED / "trace-lines.txt").read_text("ascii").splitlines()
    found = {_shape(match[1]) for line in lines if (match := re.search(r"(vfio_pci_\w+: .*)", line))}
    if len(found) != 3:
        raise CheckFailed(f"{RECORDED}: {len(found)} kinds of trace lines, not 3")
    return found


def against_recorded(answers: Answers, old: Answers) -> tuple[int, list[Difference]]:
    """(how many answers were compared, those that differ) of live answers and recorded ones."""
    table = allowed()["answers"]
    shapes = {_shape(value) for key, value in answers.items() if key.startswith("trace ")}
    compared = {key: value for key, value in old.items() if key in answers}
    # A buffer was recorded up to what the answer could fill.
    pairs = {key: (value, answers[key][:len(value)] if key.startswith("info ") else answers[key])
             for key, value in compared.items()}
    found = [_difference(key, *pair, table) for key, pair in pairs.items() if pair[0] != pair[1]]
    for shape in sorted(shapes ^ recorded_shapes()):
        found.append(Difference("trace", *((shape, "nothing") if shape not in shapes else
                                           ("nothing", shape)), None))
    return len(compared), found


def against_live(new: Answers, old: Answers) -> tuple[int, list[Difference]]:
    """(how many answers were compared, those that differ) of two drivers' transcripts."""
    table = allowed()["answers"]
    keys = [key for key in dict.fromkeys([*old, *new]) if not key.startswith(("cost ", "trace "))]
    found = [_difference(key, old.get(key, "nothing"), new.get(key, "nothing"), table)
             for key in keys if old.get(key) != new.get(key)]
    traced = _traces(old), _traces(new)
    return len(keys) + len(traced[1]), found + _trace_differences(*traced)


def _difference(key: str, old: str, new: str, table: Mapping[str, str]) -> Difference:
    defects = defects_of(key, table)
    return Difference(key, old, new, defects[0] if defects else None)


def _traces(answers: Answers) -> Traces:
    """The trace of each mapping, with user addresses counted from the mapping's start."""
    found: dict[str, list[tuple[int, str]]] = {}
    for key, value in answers.items():
        if not key.startswith("trace "):
            continue
        device = key.split()[1]
        mapped = re.findall(r"-> ([0-9a-f]+) ", value + " ")[0]
        lines = found.setdefault(device, [])
        start = lines[0][0] if lines else int(mapped, 16)
        text = value.replace(f"-> {mapped}", f"-> +{int(mapped, 16) - start:x}")
        lines.append((start, text))
    return {device: [text for _, text in lines] for device, lines in found.items()}


def _trace_differences(old: Traces, new: Traces) -> list[Difference]:
    """
    Lines that only one of two has. One fault fills a block: faults that the driver of 2018 takes
    for each page of it need not come.
    """
    found: list[Difference] = []
    for device in dict.fromkeys([*old, *new]):
        before, after = old.get(device, []), new.get(device, [])
        found += [Difference(f"trace {device}", "nothing", line, None)
                  for line in after if line not in before]
        found += [Difference(f"trace {device}", line, "nothing", None)
                  for line in before if line not in after and not _same_block(line, after)]
    return found


def _same_block(line: str, lines: Sequence[str]) -> bool:
    """Says whether a fault lies in the block that one of other lines' faults has filled."""
    def block(text: str) -> tuple[str, int] | None:
        match = re.search(r"mmap_fault: \S+ ([0-9a-f]+) -> \+([0-9a-f]+) ", text)
        return (text.split()[0], int(match[1], 16) >> 21) if match else None
    return block(line) is not None and block(line) in [block(other) for other in lines]


def costs(answers: Answers) -> dict[str, int]:
    """Returns the counts of the transcript, {what: instructions}."""
    return {key.removeprefix("cost "): int(value) for key, value in answers.items()
            if key.startswith("cost ")}
