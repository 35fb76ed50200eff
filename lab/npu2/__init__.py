# SPDX-License-Identifier: GPL-2.0-only
"""
A machine whose firmware makes the NPU2 host bridge: the emulator gets the registers it lacks, and
the firmware the description that a real board has of them. No link, no translation, no silicon.
"""
