/* SPDX-License-Identifier: GPL-2.0-only */
/* What both regions do with the generated table. */
#ifndef NVLINK2_REGION_H
#define NVLINK2_REGION_H

#include <linux/mm.h>

#include "compat.h"
#include "device.h"
#include "nvlink2_regions.h"

/* Byte position inside its region of a page offset of the device file. */
static inline u64 nvlink2_pgoff_to_pos(pgoff_t pgoff)
{
	return ((u64)pgoff << PAGE_SHIFT) & VFIO_PCI_OFFSET_MASK;
}

/**
 * nvlink2_region_register() - add a region to a device being opened
 * @dev: the device
 * @id: which region
 * @size: its size in bytes, may be 0
 * @ops: its functions
 *
 * Context: process context, between vfio_pci_core_enable() and
 * vfio_pci_core_finish_enable(). vfio-pci releases the region.
 * Return: 0 or -ENOMEM.
 */
static inline int
nvlink2_region_register(struct nvlink2_device *dev, enum nvlink2_region_id id,
			u64 size, const struct vfio_pci_regops *ops)
{
	const struct nvlink2_region_desc *desc = nvlink2_region_desc(id);

	return vfio_pci_core_register_dev_region(nvlink2_core(dev), desc->type,
						 desc->subtype, ops, size,
						 nvlink2_region_flags(id, size),
						 dev);
}

/**
 * nvlink2_region_prepare_vma() - flags and memory attribute of a mapping
 * @id: the region that is mapped
 * @vma: the mapping, inside ->mmap
 *
 * The memory has no struct page, belongs to one process, and is read by no core
 * dump: reading it may raise an interrupt that takes the host down.
 *
 * Context: mmap_lock held for write.
 */
static inline void nvlink2_region_prepare_vma(enum nvlink2_region_id id,
					      struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP |
		     VM_DONTCOPY);
	if (nvlink2_region_desc(id)->memattr == NVLINK2_MEM_NONCACHED)
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
}

#endif /* NVLINK2_REGION_H */
