# SPDX-License-Identifier: GPL-2.0-only
"""Every change gets its verdict, and the matrix in the tree is the one the changes make."""

import pytest
import yaml

from abigate.compare import DETECTORS

from . import changes

LISTS = yaml.safe_load(changes.LIST.read_text(encoding="utf-8"))
MATRIX = changes.HERE.parent / "MATRIX.md"


def names():
    """Names of the listed changes; those of macros come from the header."""
    return [entry["name"] for group in ("header", "spec", "both") for entry in LISTS[group]]


@pytest.fixture(name="results", scope="module")
def results_fixture(request):
    """The findings for each, or, when tests were asked for by name as `make check` does, of those."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def progress(text):
        with capture.global_and_fixture_disabled():
            print(f"\n  # {text}", end="", flush=True)

    items = [item for item in request.session.items if item.path == request.path]
    only = None
    if all(hasattr(item, "callspec") for item in items):
        only = {item.callspec.params["name"] for item in items}
    return changes.run(progress, only)


def judge(change, got):
    found = "\n".join(f"  {f.rule} {f.subject}: {'; '.join(f.what)} ({', '.join(sorted(f.detectors))})"
                     for f in got.findings)
    assert got.rules == change.rules, f"the ABI gate finds:\n{found or '  compatible'}"
    if change.arches:
        assert got.arches == change.arches


@pytest.mark.parametrize("name", names())
def test_change(results, name):
    judge(*results[name])


def test_changes_of_every_macro(results):
    made = [pair for pair in results.values() if pair[0].group == "macro"]
    # Each of the header's sixteen numbers twice, and more when there are more.
    assert len(made) >= 32
    for change, got in made:
        judge(change, got)


def test_changes_are_many_and_some_are_compatible(results):
    passing = [change for change, _ in results.values() if not change.rules]
    assert len(results) >= 60 and len(passing) >= 20


def test_matrix_is_up_to_date(results, capsys):
    made = changes.matrix(results)
    with capsys.disabled():
        print(f"\n{made}")
    assert MATRIX.read_text(encoding="utf-8") == made, \
        "a detector sees more or less than it did; look why, then `make abi-matrix`"


def test_no_detector_sees_everything(results):
    """That is why there are several."""
    broken = [got for _, got in results.values() if got.findings]
    for detector in DETECTORS:
        assert any(detector not in got.detectors for got in broken), detector
    alone = {next(iter(got.detectors)) for got in broken if len(got.detectors) == 1}
    assert alone == {"spec", "macros", "names", "libabigail"}
