# SPDX-License-Identifier: GPL-2.0-only
"""Figures, targets, plots and the page of `make bench`."""
