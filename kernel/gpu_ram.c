// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU RAM as user space maps it: mmap, and the gate that keeps everybody out
 * while the GPU is in reset.
 *
 * mmap inserts no page. Pages go in at fault time (gpu_ram_fault.c), because a
 * present page may be prefetched, and because remap_pfn_range() at mmap time
 * would run before the vma can be found by a reset's unmap_mapping_range().
 */

#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "compat.h"
#include "gpu_ram.h"
#include "nvlink2.h"
#include "range.h"
#include "region.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static bool strict_align;
module_param(strict_align, bool, 0644);
MODULE_PARM_DESC(strict_align, "refuse mappings of GPU RAM whose address is less aligned than DMA pages of up to 1 GiB may need (default false, as QEMU needs it)");

static void nvlink2_vma_open(struct vm_area_struct *vma)
{
	struct nvlink2_mapping *map = vma->vm_private_data;

	refcount_inc(&map->vmas);
}

static void nvlink2_vma_close(struct vm_area_struct *vma)
{
	struct nvlink2_mapping *map = vma->vm_private_data;

	if (!refcount_dec_and_test(&map->vmas))
		return;
	nvlink2_registration_drop(map->reg);
	kfree(map);
}

/*
 * The registration knows the memory by its user address; at another one it
 * would be stale.
 */
static int nvlink2_vma_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct nvlink2_gpu_ram_vm_ops = {
	.open = nvlink2_vma_open,
	.close = nvlink2_vma_close,
	.mremap = nvlink2_vma_mremap,
	.fault = nvlink2_gpu_ram_fault,
	.huge_fault = nvlink2_gpu_ram_huge_fault,
};

/* See nvlink2_range_align(): what is less aligned may stop the host. */
static bool nvlink2_aligned(struct pci_dev *pdev, phys_addr_t hpa,
			    struct vm_area_struct *vma)
{
	u64 align = nvlink2_range_align(hpa, vma->vm_end - vma->vm_start);

	if (IS_ALIGNED(vma->vm_start, align))
		return true;
	dev_warn_ratelimited(&pdev->dev, "mmap of GPU RAM at %lx refused: strict_align wants a multiple of %#llx here\n",
			     vma->vm_start, align);
	return false;
}

static int nvlink2_gpu_ram_mmap(struct vfio_pci_core_device *core,
				struct vfio_pci_region *region,
				struct vm_area_struct *vma)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	unsigned long len = vma->vm_end - vma->vm_start;
	u64 pos = nvlink2_pgoff_to_pos(vma->vm_pgoff);
	struct nvlink2_mapping *map;
	phys_addr_t hpa;
	int ret;

	if (!nvlink2_range_ok(pos, len, dev->topo.gpu.size))
		return -EINVAL;

	hpa = dev->topo.gpu.hpa + pos;
	if (strict_align && !nvlink2_aligned(core->pdev, hpa, vma))
		return -EINVAL;

	map = NVLINK2_KZALLOC_OBJ(*map, GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;

	map->reg = nvlink2_registration_make(vma->vm_mm, vma->vm_start, len,
					     hpa);
	ret = PTR_ERR_OR_ZERO(map->reg);
	trace_vfio_pci_nvgpu_mmap(core->pdev, hpa, vma->vm_start, len, ret);
	if (ret) {
		kfree(map);
		return ret;
	}

	map->dev = dev;
	refcount_set(&map->vmas, 1);
	nvlink2_region_prepare_vma(NVLINK2_REGION_GPU_RAM, vma);
	vma->vm_private_data = map;
	vma->vm_ops = &nvlink2_gpu_ram_vm_ops;
	return 0;
}

/* Mappings hold the file, so none is left when the region goes. */
static void nvlink2_gpu_ram_release(struct vfio_pci_core_device *core,
				    struct vfio_pci_region *region)
{
}

static int nvlink2_gpu_ram_add_capability(struct vfio_pci_core_device *core,
					  struct vfio_pci_region *region,
					  struct vfio_info_cap *caps)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	const struct nvlink2_cap_values values = {
		.tgt = dev->topo.gpu.tgt,
	};

	return nvlink2_region_add_caps(NVLINK2_REGION_GPU_RAM, &values, caps);
}

static const struct vfio_pci_regops nvlink2_gpu_ram_regops = {
	.rw = nvlink2_gpu_ram_rw,
	.mmap = nvlink2_gpu_ram_mmap,
	.release = nvlink2_gpu_ram_release,
	.add_capability = nvlink2_gpu_ram_add_capability,
};

/**
 * nvlink2_gpu_ram_register() - add the GPU RAM region to a GPU being opened
 * @dev: the GPU; its topology has been read
 *
 * Context: process context, between vfio_pci_core_enable() and
 * vfio_pci_core_finish_enable(). vfio-pci releases the region.
 * Return: 0 or -ENOMEM.
 */
int nvlink2_gpu_ram_register(struct nvlink2_device *dev)
{
	return nvlink2_region_register(dev, NVLINK2_REGION_GPU_RAM,
				       dev->topo.gpu.size,
				       &nvlink2_gpu_ram_regops);
}

static void nvlink2_gpu_ram_zap(struct nvlink2_device *dev)
{
	/* All device regions; of a bridge only ATSD, which has no gate. */
	if (dev->topo.role == NVLINK2_ROLE_GPU)
		unmap_mapping_range(dev->core.vdev.inode->i_mapping,
				    VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_NUM_REGIONS),
				    0, true);
}

/**
 * nvlink2_gpu_ram_block() - a reset begins: keep everybody out
 * @dev: the device
 *
 * When this returns, no user page of GPU RAM is mapped, no copy is under way,
 * and faults get SIGBUS until nvlink2_gpu_ram_unblock(). Nests.
 *
 * Context: process context; device_lock, possibly memory_lock held. Takes the
 * gate only to change the count: unmapping waits for page table locks that a
 * fault holds inside the gate.
 */
void nvlink2_gpu_ram_block(struct nvlink2_device *dev)
{
	down_write(&dev->gate);
	dev->resets++;
	up_write(&dev->gate);
	nvlink2_gpu_ram_zap(dev);
}

/**
 * nvlink2_gpu_ram_unblock() - the reset is over
 * @dev: the device
 *
 * Context: as nvlink2_gpu_ram_block().
 */
void nvlink2_gpu_ram_unblock(struct nvlink2_device *dev)
{
	down_write(&dev->gate);
	dev->resets--;
	up_write(&dev->gate);
}

/**
 * nvlink2_gpu_ram_freeze() - an error was reported: keep everybody out
 * @dev: the device
 *
 * Does not nest: an error may be reported several times, and be over once.
 *
 * Context: process context, device_lock held.
 */
void nvlink2_gpu_ram_freeze(struct nvlink2_device *dev)
{
	down_write(&dev->gate);
	dev->frozen = true;
	up_write(&dev->gate);
	nvlink2_gpu_ram_zap(dev);
}

/**
 * nvlink2_gpu_ram_thaw() - recovery is over, or the device is opened anew
 * @dev: the device
 *
 * A recovery that was given up ends with the open, which resets the function.
 * One that goes on does not: the channel is offline until its resume. The PCI
 * core changes that state before it calls us, so that inside the gate no error
 * can be missed.
 *
 * Context: process context.
 */
void nvlink2_gpu_ram_thaw(struct nvlink2_device *dev)
{
	down_write(&dev->gate);
	dev->frozen = pci_channel_offline(dev->core.pdev);
	up_write(&dev->gate);
}

/**
 * nvlink2_gpu_ram_ready() - may the GPU be opened?
 * @dev: the GPU; its topology has been read
 *
 * Context: process context, from open_device.
 * Return: 0, or -EBUSY while an earlier owner's registration remains, which is
 * reported once.
 */
int nvlink2_gpu_ram_ready(struct nvlink2_device *dev)
{
	if (!nvlink2_quarantined(dev->topo.gpu.hpa, dev->topo.gpu.size)) {
		dev->quarantined = false;
		return 0;
	}
	if (!dev->quarantined)
		pci_warn(dev->core.pdev,
			 "GPU RAM is still registered for DMA by an earlier owner; the GPU cannot be opened until that process unregisters it or exits\n");
	dev->quarantined = true;
	return -EBUSY;
}

/**
 * nvlink2_gpu_ram_init() - prepare a device that was just allocated
 * @dev: the device
 */
void nvlink2_gpu_ram_init(struct nvlink2_device *dev)
{
	init_rwsem(&dev->gate);
}
