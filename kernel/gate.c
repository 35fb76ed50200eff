// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes and opens the gate of GPU RAM: for resets, of the GPU or of a link of its
 * NPU (npu.c), for errors and for sleep. The reader's side is in device.h.
 */

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
 * nvlink2_gate_block() - a reset begins: keep everybody out
 * @vfio: the device
 *
 * When this returns, no page of GPU RAM is mapped, no copy is under way, and
 * faults get SIGBUS until nvlink2_gate_unblock(). Nests.
 *
 * What began before has ended when the gate is held for write, and what begins
 * later sees the count, so that the gate need not be held to unmap.
 *
 * Context: process context; device_lock, possibly memory_lock held.
 */
void nvlink2_gate_block(struct nvlink2_vfio_device *vfio)
{
	down_write(&vfio->gate);
	vfio->resets++;
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
	down_write(&vfio->gate);
	vfio->resets--;
	up_write(&vfio->gate);
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
	vfio->frozen = true;
	up_write(&vfio->gate);
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
	vfio->frozen = pci_channel_offline(vfio->core.pdev);
	up_write(&vfio->gate);
}

/**
 * nvlink2_gate_init() - prepare a device that was just allocated
 * @vfio: the device
 */
void nvlink2_gate_init(struct nvlink2_vfio_device *vfio)
{
	init_rwsem(&vfio->gate);
}
