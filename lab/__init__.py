# SPDX-License-Identifier: GPL-2.0-only
"""The lab: fetches, builds, boots and judges. `/usr/bin/python3 -m lab --help`."""
