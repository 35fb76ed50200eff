# SPDX-License-Identifier: GPL-2.0-only
"""What the driver costs, in instructions: figures, targets, plots. docs/performance.md has them."""
