# SPDX-License-Identifier: GPL-2.0-only
"""The checks of `make lint` by clang, checkpatch and coccinelle, one test each: a finding is a failure."""

import pytest

from lab.lint import lint


@pytest.mark.parametrize("check", lint.SOURCES)
def test_lint(check):
    findings = lint.lint([check])
    assert not findings, "\n".join(["", *findings])
