// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU RAM as user space maps it, and as a region of vfio.
 *
 * mmap inserts no page. Pages go in at fault time (gpu_ram_fault.c), because a
 * present page may be prefetched, and because remap_pfn_range() at mmap time
 * would run before the vma can be found by a reset's unmap_mapping_range().
 */

#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "compat.h"
#include "device.h"
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
	nvlink2_gate_vma_open(map->dev, vma);
}

static void nvlink2_vma_close(struct vm_area_struct *vma)
{
	struct nvlink2_mapping *map = vma->vm_private_data;

	nvlink2_gate_vma_close(map->dev, vma);
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
	if (strict_align && !nvlink2_aligned(dev->pdev, hpa, vma))
		return -EINVAL;

	map = NVLINK2_KZALLOC_OBJ(*map, GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;

	map->reg = nvlink2_registration_make(dev->window, vma->vm_mm,
					     vma->vm_start, len, hpa);
	ret = PTR_ERR_OR_ZERO(map->reg);
	trace_vfio_pci_nvgpu_mmap(dev->pdev, hpa, vma->vm_start, len, ret);
	if (ret == -ENOSPC)
		dev_warn_ratelimited(&dev->pdev->dev,
				     "mmap of GPU RAM refused: the process has too many parts of it mapped, or unmapped and still registered for DMA\n");
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
	nvlink2_window_put(nvlink2_from_core(core)->window);
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
	int err;

	dev->window = nvlink2_window_get(dev->topo.gpu.hpa, dev->topo.gpu.size);
	if (!dev->window)
		return -ENOMEM;
	err = nvlink2_region_register(dev, NVLINK2_REGION_GPU_RAM,
				      dev->topo.gpu.size,
				      &nvlink2_gpu_ram_regops);
	if (err)
		nvlink2_window_put(dev->window);
	return err;
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
		pci_warn(dev->pdev,
			 "GPU RAM is still registered for DMA by an earlier owner; the GPU cannot be opened until that process unregisters it or exits\n");
	dev->quarantined = true;
	return -EBUSY;
}
