# SPDX-License-Identifier: GPL-2.0-only
"""The table of kernels says what ran, and nothing that did not."""

import pytest

from lab.errors import LabError
from lab.suites import kernelstable, suites
from lab.suites.judge import Case


@pytest.fixture(name="page")
def page_fixture(monkeypatch, tmp_path):
    """A page and results of the test's own."""
    page = tmp_path / "kernels.md"
    page.write_text(f"# Kernels\n\n{kernelstable.BEGIN}old\n{kernelstable.END}\nmore\n")
    monkeypatch.setattr(kernelstable, "PAGE", page)
    monkeypatch.setattr(kernelstable, "_FOLDER", tmp_path / "results")
    return page


def run_all(**failed):
    """Records a result for each suite of each kernel."""
    for flavour, suite in kernelstable.wanted():
        bad = failed.get(suite, 0)
        kernelstable.record(flavour, suite, [Case("a", True, ""), *[Case("b", False, "")] * bad])


def cells():
    """The table's cells by kernel and suite."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]]
             for line in kernelstable.on_page().splitlines()]
    return {(row[0], suite): cell for row in lines[2:] for suite, cell in zip(lines[0], row)}


def test_table_says_what_ran(page):
    run_all()
    kernelstable.write()
    found = cells()
    assert found["6.12-64k", "dma"] == "1" and found["6.12-debug", "attack"] == "1"
    assert found["7.2-4k", "dma"] == "stopped by 0001" and found["7.2-debug", "dma"] == "1"
    assert found["6.12-debug", "clients"] == "-"
    assert page.read_text().startswith("# Kernels\n\n") and page.read_text().endswith("\nmore\n")
    assert {suite for _, suite in found} >= set(suites.ALL_SUITES)


def test_table_says_what_failed(page):
    run_all(topology=2)
    kernelstable.write()
    assert page.exists() and cells()["6.12-4k", "topology"] == "**2 failed**"


def test_table_of_what_never_ran_is_not_made(page):
    before = page.read_text()
    with pytest.raises(LabError, match="basic did not run on 6.12-64k yet: run `make test-guest`"):
        kernelstable.write()
    assert page.read_text() == before


def test_page_without_a_place_is_reported(page):
    page.write_text("# Kernels\n")
    run_all()
    with pytest.raises(LabError, match="kernels.md has no place for the table"):
        kernelstable.write()
