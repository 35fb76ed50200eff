# SPDX-License-Identifier: GPL-2.0-only
"""KUnit's results are believed only when every case of the sources ran and the sums agree."""

import re

import pytest

from lab.machine.machine import Outcome
from lab.paths import ROOT
from lab.suites import kunit

EXPECTED = ["nvlink2_range.test_range_a", "nvlink2_range.test_range_b", "nvlink2_gate.test_gate"]
GOOD = """\
[    1.000000] KTAP version 1
[    1.000000] 1..0
[    2.000000] nvlab: start /bin/nvtest
[    2.100000] KTAP version 1
[    2.100001] 1..2
[    2.100002]     KTAP version 1
[    2.100003]     # Subtest: nvlink2_range
[    2.100004]     # module: nvlink2_vfio_pci
[    2.100005]     1..2
[    2.100006]     ok 1 test_range_a
[    2.100007] pci 0000:01:00.0: a line between
[    2.100008]     ok 2 test_range_b
[    2.100009] # nvlink2_range: pass:2 fail:0 skip:0 total:2
[    2.100010] # Totals: pass:2 fail:0 skip:0 total:2
[    2.100011] ok 1 nvlink2_range
[    2.100012]     KTAP version 1
[    2.100013]     # Subtest: nvlink2_gate
[    2.100014]     1..1
[    2.100015]     ok 1 test_gate
[    2.100016] ok 2 nvlink2_gate
"""


@pytest.fixture(autouse=True)
def small_minimum(monkeypatch):
    monkeypatch.setattr(kunit, "MINIMUM_SUITES", 2)
    monkeypatch.setattr(kunit, "MINIMUM_CASES", 3)


def failed(text):
    cases = kunit.judge_tests(Outcome(text.splitlines(), "5eed", "end", 1.0, 0), EXPECTED)
    assert {case.name for case in cases} >= set(EXPECTED)
    return {case.name: case.detail for case in cases if not case.ok}


@pytest.mark.parametrize("stamped", [True, False])
def test_good_run_passes(stamped):
    text = GOOD if stamped else re.sub(r"(?m)^\[.*?\] ", "", GOOD)
    assert not failed(text)


def test_failed_case_fails_with_its_reason():
    text = GOOD.replace("]     ok 2 test_range_b",
                        "]     # test_range_b: EXPECTATION FAILED at kernel/range_kunit.c:63\n"
                        "[    2.1]     not ok 2 test_range_b")
    text = text.replace("pass:2 fail:0", "pass:1 fail:1").replace("ok 1 nvlink2_r", "not ok 1 nvlink2_r")
    found = failed(text)
    assert list(found) == ["nvlink2_range.test_range_b"]
    assert "range_kunit.c:63" in found["nvlink2_range.test_range_b"]


def test_skipped_case_fails():
    text = GOOD.replace("ok 2 test_range_b", "ok 2 test_range_b # SKIP no device")
    assert "nvlink2_range.test_range_b" in failed(text)


def test_suite_that_did_not_run_fails():
    text = GOOD[:GOOD.index("[    2.100012]")]
    assert "nvlink2_gate.test_gate" in failed(text)


def test_suite_that_did_not_end_fails():
    text = GOOD[:GOOD.index("[    2.100016]")]
    assert "did not end" in failed(text)["KTAP"]


def test_driver_without_suites_fails():
    assert set(EXPECTED) <= set(failed(GOOD[:GOOD.index("[    2.100000]")]))


@pytest.mark.parametrize("said,instead,complaint", [
    ("[    2.100001] 1..2", "[    2.100001] 1..3", "3 suites"),
    ("    1..2", "    1..3", "the plan is 3 cases"),
    ("# nvlink2_range: pass:2 fail:0", "# nvlink2_range: pass:1 fail:1", "the totals differ"),
    ("# nvlink2_range: pass:2 fail:0 skip:0 total:2", "#", "the totals differ"),
    ("] ok 1 nvlink2_range", "] not ok 1 nvlink2_range", "its cases say otherwise"),
    ("ok 1 test_gate", "ok 1 test_stranger", "in no source"),
    ("pci 0000:01:00.0: a line between", "    ok 1 test_range_a", "ended twice"),
])
def test_sums_that_disagree_fail(said, instead, complaint):
    assert said in GOOD
    assert complaint in failed(GOOD.replace(said, instead)).get("KTAP", "")


def test_fewer_cases_than_there_were_fail(monkeypatch):
    monkeypatch.setattr(kunit, "MINIMUM_CASES", 4)
    assert "fewer than" in failed(GOOD)["KTAP"]


def test_every_suite_of_the_sources_is_built_and_named():
    built = re.findall(r"\w+_kunit(?=\.o)", (ROOT / "kernel/Kbuild").read_text("ascii"))
    assert sorted(built) == sorted(path.stem for path in (ROOT / "kernel").glob("*_kunit.c"))
    names = kunit.names()
    assert len(names) == len(set(names))
    assert len({name.partition(".")[0] for name in names}) == len(built)
    assert all(re.fullmatch(r"nvlink2_\w+\.test_\w+", name) for name in names)
