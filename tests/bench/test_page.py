# SPDX-License-Identifier: GPL-2.0-only
"""docs/performance.md is what its figures say: tables, pictures, and that every target is reached."""

import re

import pytest

from lab.bench import page, plots, targets
from lab.kernels import flavours

CURE = "run `make bench WRITE=1`"


@pytest.fixture(name="series", scope="module")
def series_fixture():
    return page.kept()


def test_every_stock_kernel_was_measured(series):
    assert set(series) == set(flavours.FLAVOURS)
    assert all(len(one.boots) >= 3 for one in series.values())


def test_page_is_made_of_the_figures(series):
    text = page.PAGE.read_text("utf-8")
    assert page.made(text, series) == text, CURE


def test_page_has_a_place_for_each_table(series):
    text = page.PAGE.read_text("utf-8")
    with pytest.raises(ValueError, match="no place for the table calls"):
        page.made(text.replace("<!-- end: calls -->\n", ""), series)


def test_every_target_is_reached(series):
    missed = [f"{flavour}: {verdict.target.what}: {verdict.figure.median:.4g}, "
              f"{verdict.target.limit}" for flavour, one in series.items()
              for verdict in targets.verdicts(one) if not verdict.ok]
    assert not missed


def test_pictures_were_drawn_of_the_figures(series):
    text = page.PAGE.read_text("utf-8")
    shown = set(re.findall(r"\]\(performance/(\w+)\.svg\)", text))
    assert shown == set(plots.PICTURES) == {path.stem for path in page.KEPT.glob("*.svg")}
    for name in shown:
        assert f"figures {plots.digest(series)}" in (page.KEPT / f"{name}.svg").read_text("utf-8"), CURE


def test_pictures_can_be_drawn_and_repeat(series, tmp_path):
    drawn = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        drawn.append([path.read_bytes() for path in plots.draw(series, folder)])
    assert drawn[0] == drawn[1]
    assert all(b"</svg>" in picture for picture in drawn[0])


def test_another_figure_makes_another_page():
    changed = page.kept()
    flavour = next(iter(changed))
    for boot in changed[flavour].boots:
        boot.values["block.load"] *= 5
    text = page.PAGE.read_text("utf-8")
    made = page.made(text, changed)
    assert made != text and "**missed:" in made
