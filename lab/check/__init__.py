# SPDX-License-Identifier: GPL-2.0-only
"""`make check`: the quick tests that a change can fail."""
