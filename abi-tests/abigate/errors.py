# SPDX-License-Identifier: GPL-2.0-only
"""Errors that end the ABI gate."""


class GateError(Exception):
    """The ABI gate could not do its work: exit status 2."""
