// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ATSD region of a bridge: 64 KiB of registers by which the guest's kernel
 * tells the GPU what translations to forget (LAUNCH at 0, AVA at 8, STATUS at
 * 0x10). Guarded, non-cached memory: every access reaches the hardware, once,
 * in the size that was asked for.
 */

#include <linux/io.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "device.h"
#include "platform.h"
#include "range.h"
#include "region.h"
#include "trace.h"

/*
 * A register as it lies in memory: raw accesses, so that its bytes go to user
 * space in the order they have there.
 */
union nvlink2_atsd_value {
	u8 b;
	u16 w;
	u32 l;
	u64 q;
};

static void nvlink2_atsd_load(void __iomem *reg, union nvlink2_atsd_value *v,
			      size_t width)
{
	switch (width) {
	case 1:
		v->b = __raw_readb(reg);
		break;
	case 2:
		v->w = __raw_readw(reg);
		break;
	case 4:
		v->l = __raw_readl(reg);
		break;
	case 8:
		v->q = __raw_readq(reg);
		break;
	}
}

static void nvlink2_atsd_store(void __iomem *reg,
			       const union nvlink2_atsd_value *v, size_t width)
{
	switch (width) {
	case 1:
		__raw_writeb(v->b, reg);
		break;
	case 2:
		__raw_writew(v->w, reg);
		break;
	case 4:
		__raw_writel(v->l, reg);
		break;
	case 8:
		__raw_writeq(v->q, reg);
		break;
	}
}

/*
 * One aligned access of 1, 2, 4 or 8 bytes; anything else would reach the
 * registers as accesses nobody asked for. The value goes through the stack, so
 * that a user buffer that faults leaves the register alone.
 */
static ssize_t nvlink2_atsd_rw(struct vfio_pci_core_device *core,
			       char __user *buf, size_t count, loff_t *ppos,
			       bool iswrite)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	union nvlink2_atsd_value value;

	if (count > sizeof(value) || !is_power_of_2(count) ||
	    !IS_ALIGNED(pos, count) ||
	    !nvlink2_range_ok(pos, count, dev->atsd_size))
		return -EINVAL;

	if (iswrite) {
		if (copy_from_user(&value, buf, count))
			return -EFAULT;
		nvlink2_atsd_store(dev->atsd + pos, &value, count);
		/* The write is done before the call returns. */
		mb();
	} else {
		nvlink2_atsd_load(dev->atsd + pos, &value, count);
		/* Nor is anything that follows done before the read. */
		mb();
		if (copy_to_user(buf, &value, count))
			return -EFAULT;
	}

	*ppos += count;
	return count;
}

static int nvlink2_atsd_mmap(struct vfio_pci_core_device *core,
			     struct vfio_pci_region *region,
			     struct vm_area_struct *vma)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	u64 len = vma->vm_end - vma->vm_start;
	u64 pos = nvlink2_pgoff_to_pos(vma->vm_pgoff);
	phys_addr_t hpa;
	int ret;

	if (!nvlink2_range_ok(pos, len, dev->atsd_size))
		return -EINVAL;

	hpa = dev->topo.bridge.atsd_hpa + pos;
	nvlink2_region_prepare_vma(NVLINK2_REGION_ATSD, vma);
	ret = remap_pfn_range(vma, vma->vm_start, PHYS_PFN(hpa), len,
			      vma->vm_page_prot);
	trace_vfio_pci_npu2_mmap(dev->pdev, hpa, vma->vm_start, len, ret);
	return ret;
}

static void nvlink2_atsd_release(struct vfio_pci_core_device *core,
				 struct vfio_pci_region *region)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);

	if (dev->atsd)
		iounmap(dev->atsd);
	dev->atsd = NULL;
}

static int nvlink2_atsd_add_capability(struct vfio_pci_core_device *core,
				       struct vfio_pci_region *region,
				       struct vfio_info_cap *caps)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	const struct nvlink2_cap_values values = {
		.tgt = dev->topo.bridge.tgt,
		.link_speed = dev->topo.bridge.link_speed,
	};

	return nvlink2_region_add_caps(NVLINK2_REGION_ATSD, &values, caps);
}

static const struct vfio_pci_regops nvlink2_atsd_regops = {
	.rw = nvlink2_atsd_rw,
	.mmap = nvlink2_atsd_mmap,
	.release = nvlink2_atsd_release,
	.add_capability = nvlink2_atsd_add_capability,
};

/*
 * How much of a link's registers is offered. A guest's driver takes any register
 * of any link for an invalidation of any of its GPUs' translations, so it must not
 * see one that its partition is not bound to.
 */
static u64 nvlink2_atsd_offer(struct nvlink2_device *dev)
{
	struct nvlink2_topology *topo = &dev->topo;

	if (!topo->bridge.atsd_size || topo->bridge.is_first ||
	    !nvlink2_platform_first_link_only())
		return topo->bridge.atsd_size;
	if (!topo->atsd_warned)
		pci_info(dev->pdev, "not the first link of its GPU, whose ATSD registers alone a VM is bound to: this one has no ATSD\n");
	topo->atsd_warned = true;
	return 0;
}

/**
 * nvlink2_atsd_register() - add the ATSD region to a bridge being opened
 * @dev: the bridge; its topology has been read
 *
 * A link without registers, or with registers that the platform does not bind to
 * VMs, gets a region of size 0: its capabilities still matter to user space.
 *
 * Context: process context, between vfio_pci_core_enable() and
 * vfio_pci_core_finish_enable(). vfio-pci releases the region.
 * Return: 0 or -ENOMEM.
 */
int nvlink2_atsd_register(struct nvlink2_device *dev)
{
	int err;

	dev->atsd_size = nvlink2_atsd_offer(dev);
	if (dev->atsd_size) {
		dev->atsd = ioremap(dev->topo.bridge.atsd_hpa, dev->atsd_size);
		if (!dev->atsd)
			return -ENOMEM;
	}

	err = nvlink2_region_register(dev, NVLINK2_REGION_ATSD, dev->atsd_size,
				      &nvlink2_atsd_regops);
	if (err && dev->atsd) {
		iounmap(dev->atsd);
		dev->atsd = NULL;
	}
	return err;
}
