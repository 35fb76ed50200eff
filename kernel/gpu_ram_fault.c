// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on GPU RAM: what goes into the page tables, and how.
 *
 * One fault fills the block of 2 MiB around the address that was touched, as far
 * as it belongs to the mapping: 16 GiB of GPU RAM take 8 192 faults, and not
 * millions. Never more than that block. The processor may prefetch through every
 * page that is present, and touching GPU RAM whose link is not trained, or that
 * is no memory at all (only the GPU's own driver knows how much of a window is),
 * can take the host down. Who touches a page vouches for what lies around it;
 * nobody vouches for the rest of the window.
 *
 * Entries are born dirty where the mapping is writable. The processor does not
 * set the changed bit of a radix tree by itself (POWER9 User's Manual,
 * 4.10.13.1): a store through a clean entry is one more fault for each page.
 *
 * With the radix MMU the entries of a block lie in one page of them, which is
 * written under one lock; or, where the kernel knows leaves of that size for
 * device memory and one fits, the block is one entry. It is never both: a leaf
 * goes where there is nothing, and entries of pages where there is no leaf. Which
 * of them a fault brings changes at run time, by fault_around and because the
 * kernel does not always ask for a leaf (PR_SET_THP_DISABLE, MADV_NOHUGEPAGE,
 * transparent_hugepage/enabled). So who brings pages where a leaf would fit has
 * the gate for itself; two who bring a leaf bring the same one. Blocks that a leaf
 * does not fit have none: when a mapping is split the kernel takes the leaf out.
 *
 * An entry of the hash MMU may be an empty one and not be zero (H_PTE_NONE_MASK),
 * and is worth telling the hash table of; there the kernel inserts page by page.
 */

#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "device.h"
#include "gpu_ram.h"
#include "range.h"
#include "region.h"
#include "trace.h"

#define NVLINK2_BLOCK_PAGES	(NVLINK2_BLOCK >> PAGE_SHIFT)

enum nvlink2_fault_around {
	NVLINK2_AROUND_PAGE,
	NVLINK2_AROUND_BLOCK,
};

static const char * const nvlink2_around_names[] = {
	[NVLINK2_AROUND_PAGE] = "page",
	[NVLINK2_AROUND_BLOCK] = "block",
};

static int fault_around = NVLINK2_AROUND_BLOCK;

static int nvlink2_around_set(const char *text, const struct kernel_param *kp)
{
	int value = sysfs_match_string(nvlink2_around_names, text);

	if (value < 0)
		return value;
	WRITE_ONCE(fault_around, value);
	return 0;
}

static int nvlink2_around_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%s\n",
			  nvlink2_around_names[READ_ONCE(fault_around)]);
}

static const struct kernel_param_ops nvlink2_around_ops = {
	.set = nvlink2_around_set,
	.get = nvlink2_around_get,
};

module_param_cb(fault_around, &nvlink2_around_ops, NULL, 0644);
MODULE_PARM_DESC(fault_around, "what one touch of GPU RAM makes present: page, or block, the 2 MiB around it (default block)");

/**
 * nvlink2_fills_block() - may a touch make the whole block around it present?
 *
 * Context: any. The answer may change at any time (parameter fault_around).
 * Return: true for the block, false for the page.
 */
bool nvlink2_fills_block(void)
{
	return READ_ONCE(fault_around) == NVLINK2_AROUND_BLOCK;
}

/**
 * struct nvlink2_fill - what one fault puts into the page tables
 * @addr: first user address
 * @pages: how many pages from there on
 * @pfn: page frame of the first
 * @prot: of every entry
 */
struct nvlink2_fill {
	unsigned long addr;
	unsigned long pages;
	unsigned long pfn;
	pgprot_t prot;
};

static pgprot_t nvlink2_prot(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_WRITE))
		return vma->vm_page_prot;
	return __pgprot(pgprot_val(vma->vm_page_prot) | _PAGE_DIRTY |
			_PAGE_SOFT_DIRTY);
}

/* All of it lies in one block, so below one entry of the level above. */
static struct nvlink2_fill nvlink2_fill_of(const struct vm_fault *vmf,
					   const struct nvlink2_device *dev,
					   u64 pos)
{
	struct nvlink2_span span = {
		.start = vmf->address,
		.len = PAGE_SIZE,
	};

	if (nvlink2_fills_block())
		span = nvlink2_fault_span(vmf->address, vmf->vma->vm_start,
					  vmf->vma->vm_end, pos,
					  dev->topo.gpu.size);

	return (struct nvlink2_fill) {
		.addr = span.start,
		.pages = span.len >> PAGE_SHIFT,
		.pfn = PHYS_PFN(dev->topo.gpu.hpa + pos -
				(vmf->address - span.start)),
		.prot = nvlink2_prot(vmf->vma),
	};
}

/*
 * Called with the lock of the page of entries, for the first entry of the fill;
 * the others follow it. From nothing to something needs no flush, and no ptesync
 * (radix__set_pte_at() says why). Whether an entry is empty is asked in the byte
 * order it is stored in.
 */
static int nvlink2_write_entries(pte_t *first, unsigned long addr, void *data)
{
	const struct nvlink2_fill *fill = data;
	u64 entry = pte_val(pte_mkspecial(pfn_pte(fill->pfn, fill->prot)));
	pte_t *end = first + fill->pages;
	pte_t *at;

	for (at = first; at < end; at++, entry += PAGE_SIZE)
		if (!pte_raw(READ_ONCE(*at)))
			radix__set_pte_at(NULL, addr, at, __pte(entry), 0);
	return 0;
}

/*
 * Page by page. The page that was touched has to go in; without the others the
 * next touch is one more fault.
 */
static vm_fault_t nvlink2_insert_each(struct vm_fault *vmf,
				      const struct nvlink2_fill *fill)
{
	unsigned long touched = (vmf->address - fill->addr) >> PAGE_SHIFT;
	unsigned long i;
	vm_fault_t ret;

	ret = vmf_insert_pfn_prot(vmf->vma, vmf->address, fill->pfn + touched,
				  fill->prot);
	for (i = 0; i < fill->pages && ret == VM_FAULT_NOPAGE; i++)
		if (vmf_insert_pfn_prot(vmf->vma, fill->addr + i * PAGE_SIZE,
					fill->pfn + i, fill->prot) !=
		    VM_FAULT_NOPAGE)
			break;
	return ret;
}

/* A kernel that counts what user space maps has to see each page. */
static bool nvlink2_writes_entries(void)
{
	return radix_enabled() && !IS_ENABLED(CONFIG_PAGE_TABLE_CHECK);
}

static vm_fault_t nvlink2_insert_pages(struct vm_fault *vmf, unsigned int order,
				       const struct nvlink2_device *dev, u64 pos)
{
	struct nvlink2_fill fill = nvlink2_fill_of(vmf, dev, pos);
	vm_fault_t ret;
	int err;

	if (nvlink2_writes_entries()) {
		err = apply_to_page_range(vmf->vma->vm_mm, fill.addr, PAGE_SIZE,
					  nvlink2_write_entries, &fill);
		ret = err ? vmf_error(err) : VM_FAULT_NOPAGE;
	} else {
		ret = nvlink2_insert_each(vmf, &fill);
	}

	if (ret == VM_FAULT_NOPAGE)
		trace_nvlink2_gpu_ram_fill(dev->pdev, PFN_PHYS(fill.pfn),
					   fill.addr, PFN_PHYS(fill.pages),
					   order, false);
	return ret;
}

static vm_fault_t nvlink2_insert_leaf(struct vm_fault *vmf,
				      const struct nvlink2_device *dev, u64 pos)
{
	unsigned long skip = vmf->address & (NVLINK2_BLOCK - 1);
	unsigned long pfn = PHYS_PFN(dev->topo.gpu.hpa + pos - skip);
	vm_fault_t ret;

	ret = NVLINK2_INSERT_LEAF(vmf, pfn, vmf->vma->vm_flags & VM_WRITE);
	trace_nvlink2_gpu_ram_fill(dev->pdev, PFN_PHYS(pfn),
				   vmf->address - skip, NVLINK2_BLOCK,
				   PMD_ORDER, true);
	return ret;
}

/* Would a leaf fit: the whole block, at the same place in both address spaces? */
static bool nvlink2_fits_leaf(const struct vm_fault *vmf,
			      const struct nvlink2_device *dev, u64 pos)
{
	unsigned long skip = vmf->address & (NVLINK2_BLOCK - 1);
	unsigned long block = vmf->address - skip;

	return IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && radix_enabled() &&
	       IS_ALIGNED(dev->topo.gpu.hpa + pos - skip, NVLINK2_BLOCK) &&
	       block >= vmf->vma->vm_start &&
	       vmf->vma->vm_end - block >= NVLINK2_BLOCK &&
	       nvlink2_range_ok(pos - skip, NVLINK2_BLOCK, dev->topo.gpu.size);
}

/*
 * A leaf, when the kernel asks for one and nothing is there. When something is,
 * another fault was faster, or the kernel wants it taken apart.
 */
static vm_fault_t nvlink2_fault_leaf(struct vm_fault *vmf,
				     struct nvlink2_device *dev, u64 pos)
{
	vm_fault_t ret = nvlink2_gate_fault(dev, vmf, false);

	if (ret)
		return ret;
	if (pmd_none(READ_ONCE(*vmf->pmd)))
		ret = nvlink2_insert_leaf(vmf, dev, pos);
	else
		ret = VM_FAULT_FALLBACK;
	nvlink2_gate_fault_end(dev, false);
	return ret;
}

/* Pages where a leaf would fit: nobody brings one meanwhile. */
static vm_fault_t nvlink2_fault_alone(struct vm_fault *vmf, unsigned int order,
				      struct nvlink2_device *dev, u64 pos)
{
	vm_fault_t ret = nvlink2_gate_fault(dev, vmf, true);

	if (ret)
		return ret;
	if (pmd_leaf(READ_ONCE(*vmf->pmd)))
		ret = order ? VM_FAULT_FALLBACK : VM_FAULT_NOPAGE;
	else
		ret = nvlink2_insert_pages(vmf, order, dev, pos);
	nvlink2_gate_fault_end(dev, true);
	return ret;
}

static vm_fault_t nvlink2_fault_pages(struct vm_fault *vmf, unsigned int order,
				      struct nvlink2_device *dev, u64 pos)
{
	vm_fault_t ret = nvlink2_gate_fault(dev, vmf, false);

	if (ret)
		return ret;
	ret = nvlink2_insert_pages(vmf, order, dev, pos);
	nvlink2_gate_fault_end(dev, false);
	return ret;
}

static vm_fault_t nvlink2_fault(struct vm_fault *vmf, unsigned int order)
{
	struct nvlink2_mapping *map = vmf->vma->vm_private_data;
	struct nvlink2_device *dev = map->dev;
	u64 pos = nvlink2_pgoff_to_pos(vmf->pgoff);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	if (nvlink2_fits_leaf(vmf, dev, pos)) {
		if (order && nvlink2_fills_block())
			ret = nvlink2_fault_leaf(vmf, dev, pos);
		else
			ret = nvlink2_fault_alone(vmf, order, dev, pos);
	} else if (nvlink2_range_ok(pos, PAGE_SIZE, dev->topo.gpu.size)) {
		ret = nvlink2_fault_pages(vmf, order, dev, pos);
	}

	/* After a wait the device may be gone. */
	if (!(ret & (VM_FAULT_FALLBACK | VM_FAULT_RETRY)))
		trace_vfio_pci_nvgpu_mmap_fault(dev->pdev,
						dev->topo.gpu.hpa + pos,
						vmf->address, ret);
	return ret;
}

/**
 * nvlink2_gpu_ram_fault() - a touch of GPU RAM where there is no entry
 * @vmf: the fault
 *
 * What huge_fault did not take: kernels and processes without transparent huge
 * pages, and what is left of a block that has entries of pages already.
 *
 * Context: mmap_lock or the vma's lock held for read; takes the gate, then locks
 * of page tables. May sleep for memory, and waits for the end of a reset.
 * Return: VM_FAULT_NOPAGE when the page is there now; VM_FAULT_RETRY after a wait
 * without the locks; VM_FAULT_SIGBUS while nobody may touch it; VM_FAULT_OOM.
 */
vm_fault_t nvlink2_gpu_ram_fault(struct vm_fault *vmf)
{
	return nvlink2_fault(vmf, 0);
}

/**
 * nvlink2_gpu_ram_huge_fault() - a touch of GPU RAM where there is no page of
 * entries either
 * @vmf: the fault
 * @order: what the kernel would like to have
 *
 * The kernel asks here first and, unlike for nvlink2_gpu_ram_fault(), without
 * taking mmap_lock. It does not look whether the block lies in the mapping, nor
 * how it is aligned. So pages go in here too, and no leaf but where one fits.
 *
 * Context: as nvlink2_gpu_ram_fault(); changes neither the vma nor its flags.
 * Return: as nvlink2_gpu_ram_fault(), and VM_FAULT_FALLBACK for any other order
 * than a block's, or where something is in the block already.
 */
vm_fault_t nvlink2_gpu_ram_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	if (order != PMD_ORDER)
		return VM_FAULT_FALLBACK;
	return nvlink2_fault(vmf, order);
}
