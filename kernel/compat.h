/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, behind the name of a feature, and
 * nowhere else. Supported: 6.12.
 */
#ifndef NVLINK2_COMPAT_H
#define NVLINK2_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "nvlink2-vfio-pci needs Linux 6.12 or later (see the table in README.md)"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#error "nvlink2-vfio-pci does not know Linux 7.0 and later yet (see the table in README.md)"
#endif

#endif /* NVLINK2_COMPAT_H */
