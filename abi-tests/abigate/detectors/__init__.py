# SPDX-License-Identifier: GPL-2.0-only
"""
The detectors: each compares two measurements of a header, or two specs, in its own way.

None of them sees every change; what the ABI gate finds is what any of them has seen.
"""
