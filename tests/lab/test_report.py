# SPDX-License-Identifier: GPL-2.0-only
"""The order of a run's tests, and the parts it is accounted by."""

import json

from lab import report
from lab.paths import ROOT


def test_every_file_of_tests_has_a_part_with_a_budget():
    budgets = json.loads(report.BUDGETS.read_text("utf-8"))
    files = [str(path.relative_to(ROOT)) for folder in ("codegen", "abi-tests", "tests")
             for path in (ROOT / folder).rglob("test_*.py")]
    assert len(files) > 80
    assert {report.part_of(name) for name in files} <= set(budgets)
    assert {part for _, part in report.PARTS} == set(budgets)


def test_files_that_are_named_exist():
    for start, part in report.PARTS:
        assert not start or list(ROOT.glob(f"{start}*")), part


def test_part_over_twice_its_budget_is_reported():
    budgets = {"lint": 100, "small": 1}
    assert not report.over_budget({"lint": (900, 199), "small": (1, 39), "other": (9, 9)}, budgets, 1)
    line, = report.over_budget({"lint": (1, 201)}, budgets, 1)
    assert "lint took 201 processor seconds" in line and "100" in line
    assert not report.over_budget({"lint": (1, 201)}, budgets, 1.1)
    assert len(report.over_budget({"small": (1, 41)}, budgets, 1)) == 1
    assert not report.over_budget({"small": (1, 41)}, budgets, 1, more=10)
    assert len(report.over_budget({"small": (1, 51)}, budgets, 1, more=10)) == 1


def test_machines_come_first_among_processes_and_last_in_one():
    names = ["tests/lab/test_judge.py::a", "tests/test_guest.py::b", "tests/test_lint.py::c",
             "codegen/tests/test_rules.py::d", "abi-tests/selftest/test_face.py::e"]
    assert sorted(names, key=lambda name: report.rank(name, True)) == [
        names[1], names[3], names[0], names[2], names[4]]
    assert sorted(names, key=lambda name: report.rank(name, False))[-1] == names[1]
