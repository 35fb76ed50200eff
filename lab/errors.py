# SPDX-License-Identifier: GPL-2.0-only
"""The errors with which the lab stops."""


class LabError(Exception):
    """The lab itself cannot work (exit status 2): one sentence with cause and cure."""


class CheckFailed(Exception):
    """The lab worked and found something wrong (exit status 1)."""


class Gone(LabError):
    """A suite, or a package of it, that Debian's mirror offers no longer."""
