# SPDX-License-Identifier: GPL-2.0-only
"""What more than one file of tests needs and is slow to make."""

import pytest

from . import compat


@pytest.fixture(name="programs", scope="session")
def programs_fixture(tmp_path_factory):
    """Drivers and programs of all versions. What a driver answered is kept."""
    return compat.Programs(tmp_path_factory.mktemp("compat"))
