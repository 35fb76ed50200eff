# SPDX-License-Identifier: GPL-2.0-only
"""The manual is built, and compared with what it describes."""
