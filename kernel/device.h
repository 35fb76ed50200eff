/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of ours beside vfio-pci's, and the gate of its GPU RAM.
 *
 * Hold the gate from the access check until the access, or the PTE insertion, is
 * done. Resets close the gate, unmap what is mapped, and open it when they are over
 * (gate.c).
 *
 * vfio-pci's memory_lock cannot be used instead. It is held for write by the resets
 * and power changes that go through vfio-pci. A reset by sysfs and the recovery of
 * an error do not take it, and the change of a link (npu.c) would have to take that
 * of other devices; they reach this driver by reset_prepare(), error_detected() and
 * as calls of its own.
 */
#ifndef NVLINK2_DEVICE_H
#define NVLINK2_DEVICE_H

#include <linux/mm_types.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>
#include <linux/wait.h>

#include "nvlink2.h"

/**
 * struct nvlink2_vfio_device - what vfio allocates for a function
 * @core: vfio-pci's device; first, because vfio allocates the whole by it
 * @dev: ours
 * @gate: held for read while GPU RAM is touched or pages of it inserted, for
 *	  write to change @resets or @frozen, or to insert alone
 * @resets: resets and changes of links in progress; whoever would touch GPU RAM
 *	  waits while it is not 0
 * @opened: woken when @resets becomes 0, or @frozen is set
 * @frozen: an error was reported and recovery is not over
 * @copied: the kernel mapped GPU RAM for a copy since the gate was last closed
 * @npu_node: in npu.c, on the list of open GPUs, or on that of changing links
 * @npu: of a link that is changing, its NPU
 * @npu_changes: of a function, how many changes are in progress
 */
struct nvlink2_vfio_device {
	struct vfio_pci_core_device core;
	struct nvlink2_device dev;
	struct rw_semaphore gate;
	unsigned int resets;
	wait_queue_head_t opened;
	bool frozen;
	bool copied;
	struct list_head npu_node;
	const struct device_node *npu;
	unsigned int npu_changes;
};

static inline struct nvlink2_vfio_device *
nvlink2_vfio(struct vfio_pci_core_device *core)
{
	return container_of(core, struct nvlink2_vfio_device, core);
}

static inline struct nvlink2_vfio_device *
nvlink2_vfio_of(struct nvlink2_device *dev)
{
	return container_of(dev, struct nvlink2_vfio_device, dev);
}

/* What the functions of a region are given, and what is ours of it. */
static inline struct nvlink2_device *
nvlink2_from_core(struct vfio_pci_core_device *core)
{
	return &nvlink2_vfio(core)->dev;
}

static inline struct vfio_pci_core_device *
nvlink2_core(struct nvlink2_device *dev)
{
	return &nvlink2_vfio_of(dev)->core;
}

/**
 * nvlink2_gate_state() - may GPU RAM be touched just now?
 * @vfio: the GPU
 *
 * Context: gate held. The power state changes under memory_lock, but to sleep
 * only between nvlink2_gate_block() and nvlink2_gate_unblock().
 * Return: 0; -EAGAIN while it is closed and will be open again, for a reset or a
 * change of a link; -EIO while an error recovery is under way, or the GPU asleep.
 */
static inline int nvlink2_gate_state(const struct nvlink2_vfio_device *vfio)
{
	pci_power_t state = vfio->core.pdev->current_state;

	lockdep_assert_held(&vfio->gate);
	if (vfio->frozen)
		return -EIO;
	if (vfio->resets)
		return -EAGAIN;
	if (vfio->core.pm_runtime_engaged || state == PCI_D3hot ||
	    state == PCI_D3cold)
		return -EIO;
	return 0;
}

/* gate.c */
int nvlink2_gate_wait(struct nvlink2_vfio_device *vfio);
vm_fault_t nvlink2_gate_wait_fault(struct nvlink2_vfio_device *vfio,
				   struct vm_fault *vmf);

/**
 * nvlink2_gate_enter() - begin to touch GPU RAM
 * @dev: the GPU
 *
 * Context: process context without locks, waits for the end of a reset. Nothing
 * that can fault on user memory may be done inside.
 * Return: 0, to be ended by nvlink2_gate_leave(); -EIO when nobody may; -EINTR
 * for a fatal signal.
 */
static inline int nvlink2_gate_enter(struct nvlink2_device *dev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_vfio_of(dev);
	int err;

	do {
		down_read(&vfio->gate);
		err = nvlink2_gate_state(vfio);
		if (!err)
			return 0;
		up_read(&vfio->gate);
		if (err == -EAGAIN)
			err = nvlink2_gate_wait(vfio);
	} while (!err);
	return err;
}

/**
 * nvlink2_gate_leave() - GPU RAM was touched
 * @dev: the GPU
 *
 * Context: inside the gate.
 */
static inline void nvlink2_gate_leave(struct nvlink2_device *dev)
{
	up_read(&nvlink2_vfio_of(dev)->gate);
}

/**
 * nvlink2_gate_copied() - a mapping of the kernel was taken away
 * @dev: the GPU
 *
 * The processor may translate through it until the kernel flushes such mappings,
 * which it puts off; whoever closes the gate has that done.
 *
 * Context: inside the gate.
 */
static inline void nvlink2_gate_copied(struct nvlink2_device *dev)
{
	WRITE_ONCE(nvlink2_vfio_of(dev)->copied, true);
}

static inline void nvlink2_gate_down(struct nvlink2_vfio_device *vfio,
				     bool alone)
{
	if (alone)
		down_write(&vfio->gate);
	else
		down_read(&vfio->gate);
}

static inline void nvlink2_gate_up(struct nvlink2_vfio_device *vfio, bool alone)
{
	if (alone)
		up_write(&vfio->gate);
	else
		up_read(&vfio->gate);
}

/**
 * nvlink2_gate_fault() - begin to insert pages
 * @dev: the GPU
 * @vmf: the fault
 * @alone: let nobody else insert any meanwhile
 *
 * Context: in a fault; nothing that can fault on user memory may be done inside.
 * Return: 0, to be ended by nvlink2_gate_fault_end(); VM_FAULT_SIGBUS when nobody
 * may; VM_FAULT_RETRY after it has waited for the end of a reset without the
 * fault's locks, so that neither @dev nor the vma may be used any more.
 */
static inline vm_fault_t nvlink2_gate_fault(struct nvlink2_device *dev,
					    struct vm_fault *vmf, bool alone)
{
	struct nvlink2_vfio_device *vfio = nvlink2_vfio_of(dev);
	vm_fault_t ret;
	int err;

	do {
		nvlink2_gate_down(vfio, alone);
		err = nvlink2_gate_state(vfio);
		if (!err)
			return 0;
		nvlink2_gate_up(vfio, alone);
		ret = VM_FAULT_SIGBUS;
		if (err == -EAGAIN)
			ret = nvlink2_gate_wait_fault(vfio, vmf);
	} while (!ret);
	return ret;
}

/**
 * nvlink2_gate_fault_end() - the pages are in
 * @dev: the GPU
 * @alone: as for nvlink2_gate_fault()
 *
 * Context: inside the gate.
 */
static inline void nvlink2_gate_fault_end(struct nvlink2_device *dev,
					  bool alone)
{
	nvlink2_gate_up(nvlink2_vfio_of(dev), alone);
}

/* Resets find every vma by the device's file. */
static inline void nvlink2_gate_vma_open(struct nvlink2_device *dev,
					 struct vm_area_struct *vma)
{
}

static inline void nvlink2_gate_vma_close(struct nvlink2_device *dev,
					  struct vm_area_struct *vma)
{
}

void nvlink2_gate_init(struct nvlink2_vfio_device *vfio);
void nvlink2_gate_block(struct nvlink2_vfio_device *vfio);
void nvlink2_gate_unblock(struct nvlink2_vfio_device *vfio);
void nvlink2_gate_freeze(struct nvlink2_vfio_device *vfio);
void nvlink2_gate_thaw(struct nvlink2_vfio_device *vfio);

/* npu.c */
void nvlink2_npu_gpu_opened(struct nvlink2_vfio_device *gpu);
void nvlink2_npu_gpu_closed(struct nvlink2_vfio_device *gpu);
void nvlink2_npu_link_begin(struct nvlink2_vfio_device *link);
void nvlink2_npu_link_end(struct nvlink2_vfio_device *link);

#endif /* NVLINK2_DEVICE_H */
