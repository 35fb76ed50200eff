/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, behind the name of a feature, and
 * nowhere else. Supported: 6.12 and 7.2; docs/kernels.md says what was tried.
 */
#ifndef NVLINK2_COMPAT_H
#define NVLINK2_COMPAT_H

#include <linux/version.h>

/* Building out of tree, check-kernel.sh says so before the compiler does. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "nvlink2-vfio-pci needs Linux 6.12 or later (see docs/kernels.md)"
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#error "nvlink2-vfio-pci was never tried on Linux 6.13 to 7.1: use 6.12 or 7.2 (docs/kernels.md)"
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
#error "nvlink2-vfio-pci does not know Linux 7.3 and later yet (see docs/kernels.md)"
#endif

/*
 * NVLINK2_OPS_OF_VERSION: the last of vfio_device_ops. Whether a token that
 * user space names opens the device; the iommufd way to open takes it as a
 * number, and calls without looking. And the answer to
 * VFIO_DEVICE_GET_REGION_INFO, which was a part of the ioctl, and became an
 * operation of its own, which gets the chain to add to.
 *
 * NVLINK2_KZALLOC_OBJ(): zeroed memory for an object, which has a name of its
 * own where checkpatch asks for it.
 *
 * NVLINK2_INSERT_LEAF(): one entry for a block of page frames, whose number was
 * a type of its own once. 6.12 has it for other processors only: this one's page
 * table walkers do not know such an entry for what it is.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define NVLINK2_OPS_OF_VERSION \
	.get_region_info_caps = vfio_pci_ioctl_get_region_info, \
	.match = vfio_pci_core_match, \
	.match_token_uuid = vfio_pci_core_match_token_uuid
#define NVLINK2_KZALLOC_OBJ(obj, gfp) kzalloc_obj(obj, gfp)
#define NVLINK2_INSERT_LEAF(vmf, pfn, write) vmf_insert_pfn_pmd(vmf, pfn, write)
#else
#define NVLINK2_OPS_OF_VERSION	.match = vfio_pci_core_match
#define NVLINK2_KZALLOC_OBJ(obj, gfp) kzalloc(sizeof(obj), gfp)
#define NVLINK2_INSERT_LEAF(vmf, pfn, write) vmf_insert_pfn_pmd(vmf, (pfn_t) { pfn }, write)
#endif

#endif /* NVLINK2_COMPAT_H */
