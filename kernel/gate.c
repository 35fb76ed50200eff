// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes and opens the gate of GPU RAM: for resets, of the GPU or of a link of its
 * NPU (npu.c), for errors and for sleep. The reader's side is in device.h.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#include "device.h"

/*
 * Takes away all mappings of GPU RAM: those of user space, and what the processor
 * may still have of the kernel's own, which memunmap() leaves to be flushed later.
 */
static void nvlink2_gate_zap(struct nvlink2_vfio_device *vfio)
{
	/* All device regions; of a bridge only ATSD, which has no gate. */
	if (vfio->dev.topo.role != NVLINK2_ROLE_GPU)
		return;
	unmap_mapping_range(vfio->core.vdev.inode->i_mapping,
			    VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_NUM_REGIONS), 0,
			    true);
	if (xchg(&vfio->copied, false))
		vm_unmap_aliases();
}

/**
 * nvlink2_gate_wait() - wait until GPU RAM may be open again
 * @vfio: the GPU
 *
 * Context: process context, without locks that a reset takes.
 * Return: 0, after which the state has to be asked anew; -EINTR for a fatal signal.
 */
int nvlink2_gate_wait(struct nvlink2_vfio_device *vfio)
{
	int err = wait_event_killable(vfio->opened, !READ_ONCE(vfio->resets) ||
				      READ_ONCE(vfio->frozen));

	return err ? -EINTR : 0;
}

/**
 * nvlink2_gate_wait_fault() - the same, in a fault
 * @vfio: the GPU
 * @vmf: the fault
 *
 * A reset can take seconds, in which the rest of the process has to go on: so the
 * fault's locks are released where its caller allows that. Where it does not, the
 * fault waits with them, as one on a BAR waits for memory_lock.
 *
 * Context: in a fault, outside of the gate.
 * Return: 0 when the state has to be asked anew; VM_FAULT_RETRY when the fault has
 * to be begun anew, after which neither the device nor the vma may be there;
 * VM_FAULT_SIGBUS for a fatal signal.
 */
vm_fault_t nvlink2_gate_wait_fault(struct nvlink2_vfio_device *vfio,
				   struct vm_fault *vmf)
{
	struct file *file;

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return nvlink2_gate_wait(vfio) ? VM_FAULT_SIGBUS : 0;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	/* The file keeps the device open. */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	/* The caller looks for a fatal signal itself. */
	nvlink2_gate_wait(vfio);
	fput(file);
	return VM_FAULT_RETRY;
}

/**
 * nvlink2_gate_block() - a reset begins: keep everybody out
 * @vfio: the device
 *
 * When this returns, no page of GPU RAM is mapped and no copy is under way; faults
 * and copies wait until nvlink2_gate_unblock(). Nests.
 *
 * An access that began before has ended when the gate is held for write, and one that
 * begins later sees the count, so that the gate need not be held to unmap.
 *
 * The caller must not fault on user memory before nvlink2_gate_unblock(): that could
 * be GPU RAM, and wait for itself.
 *
 * Context: process context; device_lock, possibly memory_lock held.
 */
void nvlink2_gate_block(struct nvlink2_vfio_device *vfio)
{
	down_write(&vfio->gate);
	WRITE_ONCE(vfio->resets, vfio->resets + 1);
	up_write(&vfio->gate);
	nvlink2_gate_zap(vfio);
}

/**
 * nvlink2_gate_unblock() - the reset is over
 * @vfio: the device
 *
 * Context: as nvlink2_gate_block().
 */
void nvlink2_gate_unblock(struct nvlink2_vfio_device *vfio)
{
	bool last;

	down_write(&vfio->gate);
	last = vfio->resets == 1;
	WRITE_ONCE(vfio->resets, vfio->resets - 1);
	up_write(&vfio->gate);
	if (last)
		wake_up_all(&vfio->opened);
}

/**
 * nvlink2_gate_freeze() - an error was reported: keep everybody out
 * @vfio: the device
 *
 * Does not nest: an error may be reported several times, and be over once.
 *
 * Context: process context, device_lock held.
 */
void nvlink2_gate_freeze(struct nvlink2_vfio_device *vfio)
{
	down_write(&vfio->gate);
	WRITE_ONCE(vfio->frozen, true);
	up_write(&vfio->gate);
	wake_up_all(&vfio->opened);
	nvlink2_gate_zap(vfio);
}

/**
 * nvlink2_gate_thaw() - recovery is over, or the device is opened anew
 * @vfio: the device
 *
 * A recovery that was given up ends with the open, which resets the function.
 * One that goes on does not: the channel is offline until its resume. The PCI
 * core changes that state before it calls us, so that inside the gate no error
 * can be missed.
 *
 * Context: process context.
 */
void nvlink2_gate_thaw(struct nvlink2_vfio_device *vfio)
{
	down_write(&vfio->gate);
	WRITE_ONCE(vfio->frozen, pci_channel_offline(vfio->core.pdev));
	up_write(&vfio->gate);
}

/**
 * nvlink2_gate_init() - prepare a device that was just allocated
 * @vfio: the device
 */
void nvlink2_gate_init(struct nvlink2_vfio_device *vfio)
{
	init_rwsem(&vfio->gate);
	init_waitqueue_head(&vfio->opened);
}
