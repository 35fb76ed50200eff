# SPDX-License-Identifier: GPL-2.0-only
"""
Our driver beside the one of 2018, on the kernel that has both (`make test-reference`).

The same image runs both: vfio-pci.ko is the only file that differs. Each difference has to be
one that docs/defects.md names; anything else fails.
"""
