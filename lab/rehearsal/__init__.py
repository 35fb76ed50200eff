# SPDX-License-Identifier: GPL-2.0-only
"""The long targets, rehearsed: rehearse.py says how."""
