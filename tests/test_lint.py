# SPDX-License-Identifier: GPL-2.0-only
"""What `make lint` runs, one test a check: nothing that it would find passes `make test`."""

import pytest

from tests.lab import lint


@pytest.mark.parametrize("check", lint.CHECKS)
def test_lint(check):
    findings = lint.lint([check])
    assert not findings, "\n".join(["", *findings])
