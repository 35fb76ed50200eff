# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites beside the driver's code: which there are, and what a run says of each."""

import re
from collections.abc import Iterable, Sequence

from lab.kernels import build
from lab.machine.machine import File, Outcome
from lab.paths import ROOT
from lab.suites import judge
from lab.suites.suite import Suite

SUITE = "kunit"
# A driver built without them would pass by saying nothing.
MINIMUM_SUITES = 6
MINIMUM_CASES = 32

_STAMP = re.compile(r"^\[\s*\d+\.\d+\](?:\[[^\]]*\])? ?")
_CASE = re.compile(r"    (not )?ok \d+ (\w+)(.*)")
_SUITE = re.compile(r"(not )?ok \d+ (\w+)(.*)")
_PLAN = re.compile(r"( {4})?1\.\.(\d+)")
_TOTALS = re.compile(r"# (?!Totals)\w+: pass:(\d+) fail:\d+ skip:\d+ total:(\d+)")


def names() -> list[str]:
    """Every case as `suite.case`, read from the sources."""
    found: list[str] = []
    for path in sorted((ROOT / "kernel").glob("*_kunit.c")):
        text = path.read_text("utf-8")
        suite = re.findall(r"\.name = \"(nvlink2_\w+)\",\n\t\.test_cases", text)[0]
        found += [f"{suite}.{case}" for case in re.findall(r"KUNIT_CASE\((\w+)\)", text)]
    return found


def read(lines: Iterable[str]) -> tuple[dict[str, tuple[bool, str]], list[str]]:
    """({`suite.case`: (ok, text)}, complaints) of the kernel's KTAP lines."""
    results: dict[str, tuple[bool, str]] = {}
    complaints: list[str] = []
    reading = _Suite()
    planned = ended = 0
    for line in lines:
        line = _STAMP.sub("", line)
        suite, plan = _SUITE.fullmatch(line), _PLAN.fullmatch(line)
        if suite and reading.cases:
            complaints += [f"{suite[2]}: {text}" for text in reading.complaints(not suite[1])]
            results.update({f"{suite[2]}.{name}": case for name, case in reading.cases.items()})
            reading = _Suite()
            ended += 1
        elif plan and not plan[1]:
            planned += int(plan[2])
        else:
            reading.take(line)
    if reading.cases:
        complaints.append(f"the suite of {', '.join(reading.cases)} did not end")
    if planned != ended:
        complaints.append(f"the plan is {planned} suites, {ended} ended")
    return results, complaints


class _Suite:
    """The lines of one suite, up to the one that ends it."""

    def __init__(self) -> None:
        self.cases: dict[str, tuple[bool, str]] = {}
        self.plan: int | None = None
        self.totals: tuple[int, int] | None = None
        self.twice: list[str] = []
        self.notes: list[str] = []

    def take(self, line: str) -> None:
        """Looks at one line; most of a log is none of KUnit's."""
        case, plan, totals = _CASE.fullmatch(line), _PLAN.fullmatch(line), _TOTALS.fullmatch(line)
        if case:
            if case[2] in self.cases:
                self.twice.append(case[2])
            self.cases[case[2]] = (not case[1] and "SKIP" not in case[3],
                                   "\n".join([*self.notes, line.strip()]))
            self.notes = []
        elif plan:
            self.plan = int(plan[2])
        elif totals:
            self.totals = int(totals[1]), int(totals[2])
        elif line.startswith("    # ") and "Subtest:" not in line and "module:" not in line:
            self.notes.append(line.strip())

    def complaints(self, ok: bool) -> list[str]:
        """Returns the contradictions in the results, now that the suite has ended `ok` or not."""
        found = [f"{name} ended twice" for name in self.twice]
        passed = sum(case_ok for case_ok, _ in self.cases.values())
        if self.plan != len(self.cases):
            found.append(f"the plan is {self.plan} cases, {len(self.cases)} ended")
        # KUnit leaves the totals out when there is but one case.
        if self.totals != (passed, len(self.cases)) and (self.totals or len(self.cases) > 1):
            found.append(f"{passed} of {len(self.cases)} cases passed, the totals differ")
        if ok != (passed == len(self.cases)):
            found.append("its cases say otherwise")
        return found


def judge_tests(outcome: Outcome, expected: Sequence[str] | None = None) -> list[judge.Case]:
    """A case per expected name, and failed ones for what does not add up."""
    expected = names() if expected is None else expected
    results, complaints = read(judge.split(outcome.console)[2])
    cases = []
    for name in expected:
        ok, text = results.pop(name, (False, f"no result in the log\n{judge.tail(outcome.console)}"))
        cases.append(judge.Case(name, ok, text))
    complaints += [f"{name} is in no source" for name in results]
    if len({name.partition(".")[0] for name in expected}) < MINIMUM_SUITES or \
            len(expected) < MINIMUM_CASES:
        complaints.append(f"fewer than {MINIMUM_SUITES} suites or {MINIMUM_CASES} cases")
    return cases + ([judge.Case("KTAP", False, "\n".join(complaints))] if complaints else [])


class KunitSuite(Suite):
    """The suites in the driver: they run when a build of it with them is loaded."""
    takes_names = False

    def names(self) -> list[str]:
        return names()

    def payload(self, flavour: str) -> list[File]:
        return [(f"lib/modules/kunit/{name}", path)
                for name, path in build.modules(flavour, kunit=True).items()]

    def judge_tests(self, outcome: Outcome, _: str, only: Sequence[str] = ()) -> list[judge.Case]:
        return judge_tests(outcome)
