# SPDX-License-Identifier: GPL-2.0-only
"""The driver's costs in instructions: figures, targets, plots. docs/performance.md has them."""
