# SPDX-License-Identifier: GPL-2.0-only
"""Debian's packages: where they come from, and what is taken out of them."""
