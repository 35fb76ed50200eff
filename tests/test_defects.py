# SPDX-License-Identifier: GPL-2.0-only
"""
The page of defects, the tests that carry their numbers and the mutants say the same.

That each mutant names a test is checked here, that it fits the sources and compiles in
tests/lab/test_mutants.py; all the way they take minutes (`make test-mutants`).
"""

import re

import pytest

from lab.errors import LabError
from lab.mutants import mutants
from lab.paths import ROOT
from lab.suites import suites

PAGE = (ROOT / "docs/defects.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([DN]\d+) \|", PAGE, re.MULTILINE)
_, WITHOUT = mutants.load()


def named_tests():
    """The names of all tests: in the machine, in the kernel, and here."""
    names = [name for suite in suites.ALL_SUITES for name in suites.names(suite)]
    names += [name for suite in ("npu2_platform", "npu2_refused") for name in suites.names(suite)]
    for path in [*(ROOT / "kernel").glob("*_kunit.c"), *(ROOT / "tests").rglob("*.c")]:
        names += re.findall(r"(?:KUNIT_CASE|cmocka_unit_test)\((\w+)\)", path.read_text("utf-8"))
    return names + [path.stem for path in (ROOT / "tests").rglob("test_*.py")]


def test_page_has_every_defect():
    assert sorted(ROWS) == sorted(mutants.DEFECTS)


@pytest.mark.parametrize("defect", mutants.DEFECTS)
def test_defect_has_a_test(defect):
    assert [name for name in named_tests() if re.search(rf"_{defect}(?![0-9])", name)], (
        f"no test's name carries {defect}")


def test_reasons_are_reasons():
    for defect, reason in WITHOUT.items():
        assert len(reason) > 20, f"{defect}: {reason!r} is no reason"


def test_edit_that_does_not_fit_is_reported(tmp_path):
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/a.c").write_text("x\nx\n", "utf-8")
    with pytest.raises(LabError, match="occurs 2 times in kernel/a.c"):
        mutants.mutate(tmp_path, (("kernel/a.c", "x\n", "y\n"),))
    with pytest.raises(LabError, match="occurs 0 times"):
        mutants.mutate(tmp_path, (("kernel/a.c", "z", "y"),))
