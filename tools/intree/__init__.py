# SPDX-License-Identifier: GPL-2.0-only
"""The driver as a part of a kernel's source tree."""
