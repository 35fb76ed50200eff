/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the GPU RAM region share. */
#ifndef NVLINK2_GPU_RAM_H
#define NVLINK2_GPU_RAM_H

#include <linux/mm.h>
#include <linux/refcount.h>

struct nvlink2_device;
struct nvlink2_registration;
struct vfio_pci_core_device;

/**
 * struct nvlink2_mapping - one mmap of GPU RAM, however often it was split
 * @dev: the GPU; lives longer, every vma holds its file
 * @reg: registration of the whole range that was mapped
 * @vmas: vmas that are left of it
 */
struct nvlink2_mapping {
	struct nvlink2_device *dev;
	struct nvlink2_registration *reg;
	refcount_t vmas;
};

/* gpu_ram_rw.c */
ssize_t nvlink2_gpu_ram_rw(struct vfio_pci_core_device *core, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite);

/* gpu_ram_fault.c */
bool nvlink2_fills_block(void);
vm_fault_t nvlink2_gpu_ram_fault(struct vm_fault *vmf);
vm_fault_t nvlink2_gpu_ram_huge_fault(struct vm_fault *vmf, unsigned int order);

#endif /* NVLINK2_GPU_RAM_H */
