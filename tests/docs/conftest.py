# SPDX-License-Identifier: GPL-2.0-only
"""The made-up machines of the tool's tests, for the picture of the topology."""

# A fixture is found by being here.
# pylint: disable-next=unused-import
from tests.tools.conftest import machine_fixture, shim_fixture, tool_fixture
