# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what is installed: make install, DKMS, Debian packages."""
