# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machine: its emulator, its archive, its device tree and its console."""
