/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Linux 5.10 calls or does otherwise than the kernels that the driver's
 * files are written for. Takes the place of ../compat.h in a tree of 5.10, where
 * the driver is a part of vfio-pci (`make in-tree-5.10`).
 */
#ifndef NVLINK2_COMPAT_H
#define NVLINK2_COMPAT_H

#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio.h>

#include "../vfio_pci_private.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
#error "this part of the driver is for Linux 5.10; for later ones see docs/kernels.md"
#endif

/* There was no core that drivers share: vfio-pci is the driver. */
#define vfio_pci_core_device	vfio_pci_device

struct vfio_pci_core_device;

/*
 * The functions of a region, as later kernels declare them. Those of 5.10 return
 * a size_t from rw, where an errno is what a negative one becomes; between the
 * two stands vfio_pci_nvlink2.c.
 */
struct nvlink2_regops {
	ssize_t (*rw)(struct vfio_pci_device *vdev, char __user *buf,
		      size_t count, loff_t *ppos, bool iswrite);
	void (*release)(struct vfio_pci_device *vdev,
			struct vfio_pci_region *region);
	int (*mmap)(struct vfio_pci_device *vdev,
		    struct vfio_pci_region *region,
		    struct vm_area_struct *vma);
	int (*add_capability)(struct vfio_pci_device *vdev,
			      struct vfio_pci_region *region,
			      struct vfio_info_cap *caps);
};

#define vfio_pci_regops		nvlink2_regops

/* vfio_pci_nvlink2.c; as the core's of later kernels. */
int nvlink2_register_dev_region(struct vfio_pci_device *vdev,
				unsigned int type, unsigned int subtype,
				const struct nvlink2_regops *ops, size_t size,
				u32 flags, void *data);

#define vfio_pci_core_register_dev_region	nvlink2_register_dev_region

#define NVLINK2_KZALLOC_OBJ(obj, gfp)	kzalloc(sizeof(obj), gfp)
#define NVLINK2_INSERT_LEAF(vmf, pfn, write) \
	vmf_insert_pfn_pmd(vmf, (pfn_t) { pfn }, write)

/* What huge_fault is asked for was a name of its own, and no order. */
#define PMD_ORDER	PE_SIZE_PMD

static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

/*
 * Faults user pages in, by reading or for writing, and without writing to them;
 * returns how many of the bytes cannot be had, as the functions of later kernels.
 */
static inline size_t nvlink2_fault_in_user(const char __user *buf, size_t len,
					   unsigned int flags)
{
	unsigned long start = (unsigned long)buf, end = start + len;
	struct mm_struct *mm = current->mm;
	unsigned long at = start;
	bool unlocked;

	while (at < end) {
		unlocked = false;
		mmap_read_lock(mm);
		if (fixup_user_fault(mm, at & PAGE_MASK, flags, &unlocked)) {
			mmap_read_unlock(mm);
			break;
		}
		mmap_read_unlock(mm);
		at = (at & PAGE_MASK) + PAGE_SIZE;
	}
	return at < end ? end - at : 0;
}

static inline size_t fault_in_readable(const char __user *buf, size_t len)
{
	return nvlink2_fault_in_user(buf, len, 0);
}

static inline size_t fault_in_safe_writeable(const char __user *buf, size_t len)
{
	return nvlink2_fault_in_user(buf, len, FAULT_FLAG_WRITE);
}

#endif /* NVLINK2_COMPAT_H */
