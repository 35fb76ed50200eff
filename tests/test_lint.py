# SPDX-License-Identifier: GPL-2.0-only
"""What `make lint` runs over Python and shell, one test a check: a finding is a failure."""

import pytest

from tests.lab import lint


@pytest.mark.parametrize("check", lint.SCRIPTS)
def test_lint(check):
    findings = lint.lint([check])
    assert not findings, "\n".join(["", *findings])
