# SPDX-License-Identifier: GPL-2.0-only
"""The manual: builds it (python3 -m tests.docs), and compares it with what it describes."""
