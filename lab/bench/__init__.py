# SPDX-License-Identifier: GPL-2.0-only
"""What `make bench` makes of its measurements: figures, targets, plots and the page."""
