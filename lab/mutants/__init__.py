# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of the driver: each takes a fix out, and the test that names it must fail."""
