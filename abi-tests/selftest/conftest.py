# SPDX-License-Identifier: GPL-2.0-only
"""What more than one file of tests needs and is slow to make."""

import pytest

from . import command, compat


@pytest.fixture(autouse=True, scope="session")
def warm_fixture():
    """The gate's tools are started once; test_warm.py has that they answer as if started anew."""
    with command.warm_tools():
        yield


@pytest.fixture(name="programs", scope="session")
def programs_fixture(tmp_path_factory):
    """Drivers and programs of all versions. What a driver answered is kept."""
    return compat.Programs(tmp_path_factory.mktemp("compat"))
