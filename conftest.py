# SPDX-License-Identifier: GPL-2.0-only
"""How a run of the tests is ordered, counted and reported: lab/report.py."""

pytest_plugins = ["lab.report"]
