# SPDX-License-Identifier: GPL-2.0-only
"""`make test-deb`: the Debian packages in a root with nothing but apt in it."""
