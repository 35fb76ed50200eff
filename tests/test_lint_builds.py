# SPDX-License-Identifier: GPL-2.0-only
"""The builds of `make lint` with gcc and sparse, one test a kernel: a finding is a failure."""

import pytest

from lab.lint import lint


@pytest.mark.parametrize("check", lint.BUILDS)
def test_lint(check):
    findings = lint.lint([check])
    assert not findings, "\n".join(["", *findings])
