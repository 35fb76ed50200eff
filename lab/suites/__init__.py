# SPDX-License-Identifier: GPL-2.0-only
"""The suites that run in the machine: how they start, and how they are judged."""
