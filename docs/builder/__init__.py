# SPDX-License-Identifier: GPL-2.0-only
"""Builds the manual: `python3 -m docs.builder`."""
