# SPDX-License-Identifier: GPL-2.0-only
"""From what the benchmark prints to figures and verdicts. Nothing is booted."""

import pytest

from lab.bench import figures, page, targets
from lab.bench.figures import Boot, Figure, Series
from lab.bench.played import lines


def test_boot_takes_the_median_and_of_calls_the_least():
    boot = Boot.from_lines([*lines(block__load=1), "bench block.load 9", "bench block.load 4",
                            "bench call.open.64 40"])
    assert boot.block() == 4
    assert boot.call("open", 64) == 40
    assert (boot.page, boot.leaves, boot.mib) == (4096, False, 64)


@pytest.mark.parametrize("start", ["bench-info page", "bench-info leaves", "bench-info len", "bench "])
def test_boot_that_did_not_end_is_none(start):
    with pytest.raises(ValueError, match="the benchmark has no"):
        Boot.from_lines([line for line in lines() if not line.startswith(start)])


def test_figures_are_what_their_names_say():
    boot = Boot.from_lines(lines(touch__original__sparse__load__64__first=64 * 3500))
    assert boot.touch("block", "random", "load") == 1500
    assert boot.munmap("block") == 100
    assert boot.single() == 2 * 3000
    assert boot.single("page") == 2 * 1500
    assert boot.each() == 1500 / 256
    assert boot.floor() == 2 * 3000 + 511 * 10
    assert Figure.of([3, 1, 2]) == (2, 1, 3)


def test_series_is_what_was_kept():
    boots = [Boot.from_lines(lines()), Boot.from_lines(lines(block__load=4000))]
    series = Series("6.12", "10", boots)
    again = Series.from_json(series.as_json())
    assert [boot.values for boot in again.boots] == [boot.values for boot in boots]
    assert again.figure(lambda boot: boot.block()) == (3000, 2000, 4000)


def verdicts(**changes):
    """{target: reached} of a kernel with 4 KiB pages that reaches all but what is changed."""
    good = {f"touch__original__{pattern}__{access}__64__first": 64 * 500_000
            for pattern in ("sequential", "random") for access in ("load", "store")}
    series = Series("6.12", "10", [Boot.from_lines(lines(**(good | changes)))])
    return {verdict.target.name: verdict.ok for verdict in targets.verdicts(series)}


# What makes each target be missed, on a kernel that has pages of 4 KiB and no leaves.
MISSES = {
    "load-sequential": {"touch__original__sequential__load__64__first": 64 * 290_000},
    "store-random": {"touch__original__random__store__64__first": 64 * 290_000},
    "store-to-load-sequential": {"touch__block__sequential__store__64__first": 64 * 2080},
    "bar-load-random": {"touch__block__random__load__64__first": 64 * 2010},
    "block": {"block__load": 10_000},
    "sparse": {"touch__block__sparse__load__64__first": 64 * 2650},
    "read-64k": {"copy__ours__read__64": 1410},
    "write-1024k": {"copy__ours__write__1024": 1160},
    "read-16384k": {"copy__ours__read__16384": 1060},
    "constant-open": {"call__open__131072": 111},
    "constant-mmap": {"call__mmap__131072": 103},
}


def test_targets_can_be_reached():
    found = verdicts(copy__ours__read__16384=1040, copy__ours__write__16384=1040)
    assert found and all(found.values()), found
    assert set(MISSES) <= set(found)


@pytest.mark.parametrize("name", MISSES)
def test_target_is_missed(name):
    given = {"copy__ours__read__16384": 1040, "copy__ours__write__16384": 1040} | MISSES[name]
    missed = {target for target, ok in verdicts(**given).items() if not ok}
    assert name in missed


def test_limits_are_those_of_the_page_size():
    limits = {(size, leaves): {target.name: target.limit for target in targets.targets(size, leaves)}
              for size in (4096, 65536) for leaves in (False, True)}
    assert limits[4096, False]["load-sequential"] == ">= 200"
    assert limits[65536, False]["load-sequential"] == ">= 28"
    assert limits[4096, True]["load-sequential"] == ">= 600"
    assert limits[65536, False]["store-sequential"] == ">= 40"
    assert (limits[4096, False]["block"], limits[65536, False]["block"]) == ("<= 0.3", "<= 0.75")
    assert limits[65536, True]["leaf-munmap"] == "<= 500"
    assert (limits[4096, False]["sparse"], limits[65536, False]["sparse"]) == ("<= 1.4", "<= 1.1")
    assert "leaf-munmap" not in limits[4096, False]


@pytest.mark.parametrize("value, text", [(0.02614, "0.0261"), (1, "1.00"), (37.44, "37.4"),
                                         (99.96, "100"), (724.4, "724"), (12345.6, "12 300"),
                                         (1_234_567, "1 230 000")])
def test_numbers_have_three_digits(value, text):
    assert page.number(value) == text


def test_kinds_of_the_page_are_those_of_the_program():
    source = (page.ROOT / "tests/guest/bench_touch.c").read_text("utf-8")
    for kind in page.KINDS:
        assert f'{{ "{kind}", ' in source
    assert figures.BLOCK_MIB == 2
