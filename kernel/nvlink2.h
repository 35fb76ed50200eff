/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the driver share.
 *
 * Lock order, outermost first:
 *
 *	dev_set->lock		(vfio: open, close, hot reset)
 *	device_lock		(pci: reset)
 *	mmap_lock		(mm: mmap, munmap, fault)
 *	core.memory_lock	(vfio-pci: held for write by its resets)
 *	gate			(ours: copy and most faults for read; reset, and
 *				 faults that bring pages where a leaf would
 *				 fit, for write)
 *	quarantine lock		(ours; nothing that faults is called under it)
 *
 * Nothing that can fault on user memory runs with gate held: a fault takes
 * mmap_lock first, and may well be one on this very GPU RAM.
 */
#ifndef NVLINK2_H
#define NVLINK2_H

#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>

#include "topology.h"

struct nvlink2_platform_ops;
struct nvlink2_registration;

/**
 * struct nvlink2_lpar - the partition a GPU is bound to
 * @ops: provider that bound it, referenced; NULL while it is not bound
 * @lpid: the partition's id; valid while the VM is, which vfio guarantees
 *	  from before open_device to after close_device
 */
struct nvlink2_lpar {
	const struct nvlink2_platform_ops *ops;
	u64 lpid;
};

/**
 * struct nvlink2_device - a GPU, a bridge, or a plain PCI function
 * @core: vfio-pci's device; first, because vfio allocates the whole by it
 * @topo: what the device tree said at open; stable until close
 * @lpar: the partition a GPU serves
 * @gate: held for read while GPU RAM is touched or pages of it inserted, for
 *	  write to change @resets or @frozen, or to insert alone
 * @resets: resets in progress; no GPU RAM access while not 0
 * @frozen: an error was reported and recovery is not over
 * @quarantined: the user was told that the RAM is still registered for DMA
 * @atsd: kernel mapping of a bridge's ATSD registers, NULL when there are none
 */
struct nvlink2_device {
	struct vfio_pci_core_device core;
	struct nvlink2_topology topo;
	struct nvlink2_lpar lpar;
	struct rw_semaphore gate;
	unsigned int resets;
	bool frozen;
	bool quarantined;
	void __iomem *atsd;
};

static inline struct nvlink2_device *
nvlink2_from_core(struct vfio_pci_core_device *core)
{
	return container_of(core, struct nvlink2_device, core);
}

static inline struct nvlink2_device *nvlink2_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct nvlink2_device, core.vdev);
}

/* Byte position inside its region of a page offset of the device file. */
static inline u64 nvlink2_pgoff_to_pos(pgoff_t pgoff)
{
	return ((u64)pgoff << PAGE_SHIFT) & VFIO_PCI_OFFSET_MASK;
}

/**
 * nvlink2_gpu_ram_blocked() - is GPU RAM out of bounds just now?
 * @dev: the GPU
 *
 * Context: gate held. The power state changes under memory_lock, but to sleep
 * only between nvlink2_gpu_ram_block() and nvlink2_gpu_ram_unblock().
 * Return: true while a reset or an error recovery is under way, or the GPU
 * asleep.
 */
static inline bool nvlink2_gpu_ram_blocked(const struct nvlink2_device *dev)
{
	pci_power_t state = dev->core.pdev->current_state;

	lockdep_assert_held(&dev->gate);
	return dev->resets || dev->frozen || dev->core.pm_runtime_engaged ||
	       state == PCI_D3hot || state == PCI_D3cold;
}

/* gpu_ram.c */
void nvlink2_gpu_ram_init(struct nvlink2_device *dev);
int nvlink2_gpu_ram_ready(struct nvlink2_device *dev);
int nvlink2_gpu_ram_register(struct nvlink2_device *dev);
void nvlink2_gpu_ram_block(struct nvlink2_device *dev);
void nvlink2_gpu_ram_unblock(struct nvlink2_device *dev);
void nvlink2_gpu_ram_freeze(struct nvlink2_device *dev);
void nvlink2_gpu_ram_thaw(struct nvlink2_device *dev);

/* registration.c */
struct nvlink2_registration *
nvlink2_registration_make(struct mm_struct *mm, unsigned long ua,
			  unsigned long len, phys_addr_t hpa);
void nvlink2_registration_drop(struct nvlink2_registration *reg);
bool nvlink2_quarantined(phys_addr_t hpa, u64 size);
void nvlink2_quarantine_exit(void);

/* gpu_ram_rw.c */
ssize_t nvlink2_gpu_ram_rw(struct vfio_pci_core_device *core, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite);

/* atsd.c */
int nvlink2_atsd_register(struct nvlink2_device *dev);

/* lpar.c */
int nvlink2_lpid_of(struct pci_dev *pdev, struct kvm *kvm, u64 *lpid);
int nvlink2_lpar_bind(struct nvlink2_device *dev);
void nvlink2_lpar_unbind(struct nvlink2_device *dev);

#endif /* NVLINK2_H */
