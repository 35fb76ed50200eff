# SPDX-License-Identifier: GPL-2.0-only
"""The kernels the lab boots: Debian's, and those it builds; and what is compiled for them."""
