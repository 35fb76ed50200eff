// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations of GPU RAM with the kernel's IOMMU bookkeeping (arch/powerpc/mm/
 * book3s64/iommu_api.c), which lets a container translate it for DMA, and the
 * quarantine of those that cannot be taken back.
 *
 * User space can register a range once more, or have translations point into
 * it. Then giving our part back does not end the registration, and its owner
 * could have the RAM reached by DMA behind the back of the next one. So the
 * window is remembered until the registration is gone, also when the driver is
 * unbound from the GPU meanwhile, which management tools do between two owners.
 */

#include <linux/kmemleak.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/mmu_context.h>

#include "compat.h"
#include "nvlink2.h"
#include "range.h"

/**
 * struct nvlink2_registration - a range of GPU RAM in an address space
 * @mm: the address space, as a reference on the struct only
 * @mem: the kernel's record of it
 * @ua: user address of the range
 * @len: its length in bytes
 * @hpa: its host physical address
 * @put: @mem was given back; it may be gone, and is not used any more
 * @node: on the quarantine's list, when the mapping has gone before it
 */
struct nvlink2_registration {
	struct mm_struct *mm;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long ua;
	unsigned long len;
	phys_addr_t hpa;
	bool put;
	struct list_head node;
};

static DEFINE_MUTEX(nvlink2_quarantine_lock);	/* of the list */
static LIST_HEAD(nvlink2_quarantine);

/**
 * nvlink2_registration_make() - let the IOMMU code know a mapping of GPU RAM
 * @mm: address space of the mapping
 * @ua: its user address
 * @len: its length in bytes, a multiple of the page size
 * @hpa: host physical address of its first byte
 *
 * Exactly the range that is mapped: QEMU registers the same one for DMA, and
 * gets it only when address and length are equal.
 *
 * Context: process context, mmap_lock of @mm held.
 * Return: the registration; an ERR_PTR with nothing left behind: -EINVAL when a
 * part of the range is registered already, -ENOMEM.
 */
struct nvlink2_registration *
nvlink2_registration_make(struct mm_struct *mm, unsigned long ua,
			  unsigned long len, phys_addr_t hpa)
{
	struct nvlink2_registration *reg;
	int err;

	reg = NVLINK2_KZALLOC_OBJ(*reg, GFP_KERNEL_ACCOUNT);
	if (!reg)
		return ERR_PTR(-ENOMEM);

	err = mm_iommu_newdev(mm, ua, len >> PAGE_SHIFT, hpa, &reg->mem);
	if (err) {
		kfree(reg);
		return ERR_PTR(err);
	}
	mmgrab(mm);
	reg->mm = mm;
	reg->ua = ua;
	reg->len = len;
	reg->hpa = hpa;
	return reg;
}

static void nvlink2_registration_free(struct nvlink2_registration *reg)
{
	mmdrop(reg->mm);
	kfree(reg);
}

/*
 * Does the address space still have our part of GPU RAM registered? The records
 * cannot show it: once ours was given back its memory may be used for another one,
 * which is of no concern to us. The physical address can. Only a mapping of GPU
 * RAM can be registered with it, and a lookup finds nothing freed inside RCU.
 */
static bool nvlink2_registration_stays(struct nvlink2_registration *reg)
{
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long hpa;
	bool stays;

	rcu_read_lock();
	mem = mm_iommu_lookup(reg->mm, reg->ua, reg->len);
	stays = mem && !mm_iommu_ua_to_hpa(mem, reg->ua, PAGE_SHIFT, &hpa) &&
		hpa == reg->hpa;
	rcu_read_unlock();
	return stays;
}

/*
 * Has the process ended, and every container that held on to its address space?
 * Then nobody can translate it any more, and nobody holds its registrations; no
 * mapping of ours does either, as each of them holds the address space.
 */
static bool nvlink2_mm_is_left(struct mm_struct *mm)
{
	struct nvlink2_registration *reg;
	int ours = 0;

	lockdep_assert_held(&nvlink2_quarantine_lock);
	if (atomic_read(&mm->mm_users))
		return false;
	list_for_each_entry(reg, &nvlink2_quarantine, node) {
		if (reg->mm != mm)
			continue;
		/* One after the other can be of the same place. */
		if (!reg->put)
			return false;
		ours++;
	}
	return atomic_read(&mm->mm_count) == ours;
}

/*
 * A container that unregisters a range while translations point into it loses
 * its reference on the record, in all kernels so far. What was lost is put here
 * for it, or the GPU would never be opened again.
 */
static void nvlink2_registration_reclaim(struct nvlink2_registration *reg)
{
	struct mm_iommu_table_group_mem_t *mem;

	mem = mm_iommu_get(reg->mm, reg->ua, reg->len >> PAGE_SHIFT);
	if (!mem)
		return;
	while (!mm_iommu_put(reg->mm, mem) && nvlink2_registration_stays(reg))
		;
}

/* Gives the registration back; not possible while it is translated. */
static bool nvlink2_registration_put(struct nvlink2_registration *reg)
{
	if (!reg->put && !mm_iommu_put(reg->mm, reg->mem))
		reg->put = true;
	return reg->put;
}

/* Gives the registration back, if that is possible; true when it is gone. */
static bool nvlink2_registration_gone(struct nvlink2_registration *reg)
{
	if (!nvlink2_registration_put(reg))
		return false;
	if (nvlink2_registration_stays(reg) && nvlink2_mm_is_left(reg->mm))
		nvlink2_registration_reclaim(reg);
	return !nvlink2_registration_stays(reg);
}

/**
 * nvlink2_registration_drop() - the mapping is gone
 * @reg: its registration, which the caller must not use any more
 *
 * Context: process context, mmap_lock may be held.
 */
void nvlink2_registration_drop(struct nvlink2_registration *reg)
{
	mutex_lock(&nvlink2_quarantine_lock);
	if (nvlink2_registration_gone(reg))
		nvlink2_registration_free(reg);
	else
		list_add_tail(&reg->node, &nvlink2_quarantine);
	mutex_unlock(&nvlink2_quarantine_lock);
}

/**
 * nvlink2_quarantined() - is a part of a window still registered for DMA?
 * @hpa: host physical address of the window
 * @size: its size in bytes
 *
 * Forgets what has gone meanwhile.
 *
 * Context: process context.
 * Return: true while it is.
 */
bool nvlink2_quarantined(phys_addr_t hpa, u64 size)
{
	struct nvlink2_registration *reg, *next;
	bool found = false;

	mutex_lock(&nvlink2_quarantine_lock);
	/* All of them first: what was lost is sought when none of ours is left. */
	list_for_each_entry(reg, &nvlink2_quarantine, node)
		nvlink2_registration_put(reg);
	list_for_each_entry_safe(reg, next, &nvlink2_quarantine, node) {
		if (nvlink2_registration_gone(reg)) {
			list_del(&reg->node);
			nvlink2_registration_free(reg);
		} else if (nvlink2_range_meet(reg->hpa, reg->len, hpa, size)) {
			found = true;
		}
	}
	mutex_unlock(&nvlink2_quarantine_lock);
	return found;
}

/**
 * nvlink2_quarantine_exit() - the module goes
 *
 * What could not be given back stays registered; its address space is then kept
 * for good, which costs memory but frees nothing under a user.
 *
 * Context: process context, module exit; no device is left.
 */
void nvlink2_quarantine_exit(void)
{
	struct nvlink2_registration *reg, *next;

	if (!nvlink2_quarantined(0, U64_MAX))
		return;

	pr_warn("nvlink2-vfio-pci: unloaded while GPU RAM is still registered for DMA; it will be forgotten\n");
	list_for_each_entry_safe(reg, next, &nvlink2_quarantine, node) {
		list_del(&reg->node);
		if (reg->put) {
			nvlink2_registration_free(reg);
			continue;
		}
		kmemleak_not_leak(reg->mm);
		kfree(reg);
	}
}
