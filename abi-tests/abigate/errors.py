# SPDX-License-Identifier: GPL-2.0-only
"""What stops the gate."""


class GateError(Exception):
    """The gate could not do its work: exit status 2."""
