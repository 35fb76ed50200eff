/* SPDX-License-Identifier: GPL-2.0-only */
/* What the marshalling code needs of the kernel's own <linux/vfio.h>. */
#ifndef SHIM_LINUX_VFIO_H
#define SHIM_LINUX_VFIO_H

#include <linux/types.h>
#include_next <linux/vfio.h>

struct vfio_info_cap {
	struct vfio_info_cap_header *buf;
	size_t size;
};

struct vfio_info_cap_header *vfio_info_cap_add(struct vfio_info_cap *caps, size_t size, u16 id,
					       u16 version);

#endif
