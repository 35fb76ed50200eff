# SPDX-License-Identifier: GPL-2.0-only
"""A short run is compared with committed ratios, and fails when it is worse. Nothing is booted."""

import pytest

from lab.bench import targets
from lab.bench.played import lines
from lab.errors import CheckFailed
from lab.kernels import flavours
from lab.machine.machine import Outcome
from lab.suites import bench


def outcome(printed):
    return Outcome([f"[ 1.0] nvlab| {line}" for line in printed], "5eed", "end", 1.0, 0)


def known(**changes):
    """The ratios of the made-up boot, with some changed."""
    boot = bench.read(outcome(lines()))
    return {"here": {ratio.name: ratio.compute(boot) for ratio in
                     targets.ratios(boot.page, boot.leaves)} | changes}


def failures(ratios, printed=None):
    return {case.name: case.detail for case in
            bench.judge_ratios(outcome(printed or lines()), "here", ratios) if not case.ok}


def test_as_it_was_is_well():
    assert not failures(known())


def test_better_is_well():
    # A ratio that has to be small was larger, one that has to be large was smaller.
    assert not failures(known(**{"read-64k": 9, "load-sequential": 0.1}))


@pytest.mark.parametrize("name, factor", [("read-64k", 1 / 1.12), ("load-sequential", 1.12)])
def test_worse_by_more_than_the_margin_is_reported(name, factor):
    was = known()["here"][name]
    assert set(failures(known(**{name: was * factor}))) == {name}
    assert not failures(known(**{name: was * (1 + (factor - 1) * 0.8)}))


def test_ratio_that_nothing_measures_is_reported():
    assert "take it out" in failures(known(gone=1))["gone"]


def test_ratio_that_is_not_committed_is_reported():
    ratios = known()
    del ratios["here"]["block"]
    assert "make bench-ratios" in failures(ratios)["block"]


def test_kernel_without_ratios_is_reported():
    assert "no ratios of here" in failures({})["here"]


def test_run_that_did_not_end_fails_every_ratio():
    assert set(failures(known(), lines()[3:])) == set(known()["here"])


def test_measuring_needs_an_end():
    with pytest.raises(CheckFailed, match="the benchmark has no page"):
        bench.read(outcome(lines()[1:]))


def test_committed_ratios_are_of_all_stock_kernels_and_within_the_targets():
    committed = bench.committed()
    assert set(committed) == set(flavours.FLAVOURS)
    for flavour, ratios in committed.items():
        size = 65536 if flavour.endswith("64k") else 4096
        wanted = {target.name: target for target in targets.ratios(size, flavour.startswith("7"))}
        assert set(ratios) == set(wanted)
        assert [name for name, value in ratios.items() if not wanted[name].holds(value)] == []


def test_budgets_are_measured(monkeypatch):
    monkeypatch.setattr(bench, "BUDGETS", (("quick", 5.0, ["true"]),))
    (name, seconds, limit), = bench.budgets()
    assert (name, limit) == ("quick", 5.0) and 0 < seconds < 5


def test_missed_targets_are_named(monkeypatch, capsys):
    boot = bench.read(outcome(lines()))
    monkeypatch.setattr(bench, "BUDGETS", (("slow", 0.0, ["true"]),))
    missed = bench.report({"here": bench.Series("6.12", "10", [boot])})
    assert "here: load-sequential" in missed and "slow" in missed
    assert "MISSED first load, sequential" in capsys.readouterr().out
