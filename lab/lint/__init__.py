# SPDX-License-Identifier: GPL-2.0-only
"""The static checks of `make lint`."""
