/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the driver share.
 *
 * Lock order, outermost first:
 *
 *	dev_set->lock		(vfio: open, close, hot reset)
 *	mmap_lock		(mm: mmap, munmap, fault)
 *	core.memory_lock	(vfio-pci: held for write by its resets and changes
 *				 of power, for read by faults on BARs)
 *	device_lock		(driver core: sysfs reset, error recovery, probe,
 *				 remove; vfio-pci's resets try it with
 *				 memory_lock held, and give up when it is taken)
 *	nvlink2_npu_lock	(ours: a link changes, a GPU is opened or closed)
 *	gate			(ours: copy and most faults for read; reset, and
 *				 faults that bring pages where a leaf would
 *				 fit, for write)
 *	nvlink2_space.lock	(registration.c; of one address space, the kernel's
 *				 records of it are searched under it)
 *	nvlink2_left_lock	(registration.c; held for no search)
 *
 * and, of those, under dev_set->lock alone:
 *
 *	lock of lpar.c		(ours; the platform's are taken inside)
 *
 * Nothing that can fault on user memory runs with gate held: a fault takes
 * mmap_lock first, and may well be one on this very GPU RAM.
 */
#ifndef NVLINK2_H
#define NVLINK2_H

#include <linux/types.h>

#include "topology.h"

struct kvm;
struct mm_struct;
struct nvlink2_lpar;
struct nvlink2_registration;
struct nvlink2_window;

/**
 * struct nvlink2_device - a GPU, a bridge, or a plain PCI function
 * @pdev: the function
 * @topo: what the device tree said at open; stable until close
 * @lpar: the partition a GPU serves, NULL while it serves none (lpar.c)
 * @window: of a GPU, while its region is registered
 * @quarantined: a message says that the RAM is still registered for DMA
 * @atsd_size: of the ATSD registers that a bridge offers, in bytes; 0: none
 * @atsd: kernel mapping of a bridge's ATSD registers, NULL when there are none
 *
 * What vfio has beside it is in device.h.
 */
struct nvlink2_device {
	struct pci_dev *pdev;
	struct nvlink2_topology topo;
	struct nvlink2_lpar *lpar;
	struct nvlink2_window *window;
	bool quarantined;
	u64 atsd_size;
	void __iomem *atsd;
};

/* gpu_ram.c */
int nvlink2_gpu_ram_ready(struct nvlink2_device *dev);
int nvlink2_gpu_ram_register(struct nvlink2_device *dev);

/* registration.c */
struct nvlink2_window *nvlink2_window_get(phys_addr_t hpa, u64 size);
void nvlink2_window_put(struct nvlink2_window *window);
struct nvlink2_registration *
nvlink2_registration_make(struct nvlink2_window *window, struct mm_struct *mm,
			  unsigned long ua, unsigned long len, phys_addr_t hpa);
void nvlink2_registration_drop(struct nvlink2_registration *reg);
bool nvlink2_quarantined(phys_addr_t hpa, u64 size);
void nvlink2_quarantine_exit(void);

/* atsd.c */
int nvlink2_atsd_register(struct nvlink2_device *dev);

/* lpar.c */
int nvlink2_lpid_of(struct pci_dev *pdev, struct kvm *kvm, u64 *lpid);
int nvlink2_lpar_ready(struct pci_dev *pdev);
int nvlink2_lpar_bind(struct nvlink2_device *dev, struct kvm *kvm);
void nvlink2_lpar_unbind(struct nvlink2_device *dev);
void nvlink2_lpar_exit(void);

#endif /* NVLINK2_H */
