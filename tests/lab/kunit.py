# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites beside the driver's code: which there are, and what a run says of each."""

import re

from . import judge
from .paths import ROOT

SUITE = "kunit"
# A driver built without them would pass by saying nothing.
MINIMUM_SUITES = 6
MINIMUM_CASES = 25

_STAMP = re.compile(r"^\[\s*\d+\.\d+\](?:\[[^\]]*\])? ?")
_CASE = re.compile(r"    (not )?ok \d+ (\w+)(.*)")
_SUITE = re.compile(r"(not )?ok \d+ (\w+)(.*)")


def names():
    """Every case as `suite.case`, read from the sources."""
    found = []
    for path in sorted((ROOT / "kernel").glob("*_kunit.c")):
        text = path.read_text("utf-8")
        suite = re.search(r"\.name = \"(nvlink2_\w+)\",\n\t\.test_cases", text)[1]
        found += [f"{suite}.{case}" for case in re.findall(r"KUNIT_CASE\((\w+)\)", text)]
    return found


def read(lines):
    """({`suite.case`: (ok, text)}, complaints) of the kernel's KTAP lines."""
    results, pending, notes, complaints = {}, {}, [], []
    for line in lines:
        line = _STAMP.sub("", line)
        case, suite = _CASE.fullmatch(line), _SUITE.fullmatch(line)
        if case:
            ok = not case[1] and "SKIP" not in case[3]
            if case[2] in pending:
                complaints.append(f"{case[2]} ended twice")
            pending[case[2]] = (ok, "\n".join([*notes, line.strip()]))
            notes = []
        elif suite and pending:
            if bool(suite[1]) == all(ok for ok, _ in pending.values()):
                complaints.append(f"{line}: its cases say otherwise")
            results.update({f"{suite[2]}.{name}": case for name, case in pending.items()})
            pending = {}
        elif line.startswith("    # ") and "Subtest:" not in line and "module:" not in line:
            notes.append(line.strip())
    if pending:
        complaints.append(f"the suite of {', '.join(pending)} did not end")
    return results, complaints


def judge_tests(outcome, expected=None):
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
    return cases + [judge.Case("KTAP", False, text) for text in complaints]
