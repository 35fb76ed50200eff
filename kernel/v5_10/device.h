/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of ours beside vfio-pci's of Linux 5.10, and the gate of its GPU RAM.
 * Takes the place of ../device.h there, and has the same functions for the files
 * of the regions; vfio_pci_nvlink2.c has their bodies.
 */
#ifndef NVLINK2_DEVICE_H
#define NVLINK2_DEVICE_H

#include <linux/kernel.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "nvlink2.h"

struct kvm;

/**
 * struct nvlink2_vfio_device - what belongs to a function while vfio-pci has it
 * @dev: ours; lives from the first open to when the driver is unbound
 * @core: vfio-pci's device, while it is open
 * @ops: of the region, while it is open
 * @nb: hears of the VM the group is attached to
 * @listens: @nb is registered
 * @vm_lock: of what follows
 * @kvm: the VM, referenced; may be one that was detached meanwhile
 * @err: why the GPU is not bound to the VM, 0 when it is or there is none
 */
struct nvlink2_vfio_device {
	struct nvlink2_device dev;
	struct vfio_pci_device *core;
	const struct nvlink2_regops *ops;
	struct notifier_block nb;
	bool listens;
	struct mutex vm_lock;	/* kvm, err, dev.lpar */
	struct kvm *kvm;
	int err;
};

static inline struct nvlink2_vfio_device *
nvlink2_vfio_of(struct nvlink2_device *dev)
{
	return container_of(dev, struct nvlink2_vfio_device, dev);
}

/* vfio-pci's device has no room for ours; its only region of a vendor has. */
static inline struct nvlink2_device *
nvlink2_from_core(struct vfio_pci_device *core)
{
	return core->region[0].data;
}

static inline struct vfio_pci_device *nvlink2_core(struct nvlink2_device *dev)
{
	return nvlink2_vfio_of(dev)->core;
}

int nvlink2_gate_enter(struct nvlink2_device *dev);
void nvlink2_gate_leave(struct nvlink2_device *dev);
/* vfio-pci's resets do not come through this driver, so it is flushed at once. */
static inline void nvlink2_gate_copied(struct nvlink2_device *dev)
{
	vm_unmap_aliases();
}

vm_fault_t nvlink2_gate_fault(struct nvlink2_device *dev,
			      struct vm_fault *vmf, bool alone);
void nvlink2_gate_fault_end(struct nvlink2_device *dev, bool alone);
void nvlink2_gate_vma_open(struct nvlink2_device *dev,
			   struct vm_area_struct *vma);
void nvlink2_gate_vma_close(struct nvlink2_device *dev,
			    struct vm_area_struct *vma);

#endif /* NVLINK2_DEVICE_H */
