# SPDX-License-Identifier: GPL-2.0-only
"""Turns spec/vfio_nvlink2.yaml into headers, kernel code, test data and documentation."""
