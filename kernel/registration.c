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
 *
 * A process can leave thousands of registrations. They are kept for each window
 * apart, so that nobody who opens, maps or unmaps another GPU's RAM looks at
 * them, and opening the same GPU ends at the first one that is still there. The
 * kernel searches a list of the address space for each; that is done under a lock
 * of the address space. How many an address space can have is bounded.
 *
 * Lock order: nvlink2_space.lock, nvlink2_left_lock.
 */

#include <linux/hashtable.h>
#include <linux/kmemleak.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/mmu_context.h>

#include "compat.h"
#include "nvlink2.h"
#include "range.h"

/* Of an address space, mapped or left: about as many as it may have mappings. */
#define NVLINK2_MAX_REGISTRATIONS	65536

/**
 * struct nvlink2_window - the RAM of a GPU
 * @hpa: host physical address
 * @size: its size in bytes
 * @users: the GPU while it is open, and registrations
 * @node: on the list of all windows
 * @left: registrations whose mappings have gone before them; newest first, where
 *	  the kernel's search finds them soonest. Of two at the same place the newer
 *	  one also has to be given back before lost references of the older one are
 *	  sought
 */
struct nvlink2_window {
	phys_addr_t hpa;
	u64 size;
	unsigned int users;
	struct list_head node;
	struct list_head left;
};

/**
 * struct nvlink2_space - an address space with registrations
 * @mm: the address space, as one reference on the struct only
 * @users: registrations, and openers that look at one
 * @node: in the table of all
 * @lock: of its registrations that are left
 */
struct nvlink2_space {
	struct mm_struct *mm;
	unsigned int users;
	struct hlist_node node;
	struct mutex lock;	/* registrations that are left */
};

/**
 * struct nvlink2_registration - a range of GPU RAM in an address space
 * @window: the window that it is a part of
 * @space: the address space
 * @mem: the kernel's record of it
 * @ua: user address of the range
 * @len: its length in bytes
 * @hpa: its host physical address
 * @put: @mem was given back; it may be gone, and is not used any more
 * @node: on the window's list, when the mapping has gone before it
 */
struct nvlink2_registration {
	struct nvlink2_window *window;
	struct nvlink2_space *space;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long ua;
	unsigned long len;
	phys_addr_t hpa;
	bool put;
	struct list_head node;
};

/* Of windows, spaces, their users and the windows' lists. No search under it. */
static DEFINE_MUTEX(nvlink2_left_lock);
static LIST_HEAD(nvlink2_windows);
static DEFINE_HASHTABLE(nvlink2_spaces, 8);

static struct nvlink2_window *nvlink2_window_find(phys_addr_t hpa, u64 size)
{
	struct nvlink2_window *window;

	list_for_each_entry(window, &nvlink2_windows, node)
		if (window->hpa == hpa && window->size == size)
			return window;
	return NULL;
}

/**
 * nvlink2_window_get() - the window of a GPU that is being opened
 * @hpa: its host physical address
 * @size: its size in bytes
 *
 * Context: process context.
 * Return: the window, to be put by nvlink2_window_put(), or NULL when there is
 * no memory.
 */
struct nvlink2_window *nvlink2_window_get(phys_addr_t hpa, u64 size)
{
	struct nvlink2_window *window, *new;

	new = NVLINK2_KZALLOC_OBJ(*new, GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	new->hpa = hpa;
	new->size = size;
	INIT_LIST_HEAD(&new->left);

	mutex_lock(&nvlink2_left_lock);
	window = nvlink2_window_find(hpa, size);
	if (!window) {
		list_add(&new->node, &nvlink2_windows);
		swap(window, new);
	}
	window->users++;
	mutex_unlock(&nvlink2_left_lock);
	kfree(new);
	return window;
}

/**
 * nvlink2_window_put() - the GPU is closed
 * @window: from nvlink2_window_get()
 *
 * Context: process context.
 */
void nvlink2_window_put(struct nvlink2_window *window)
{
	mutex_lock(&nvlink2_left_lock);
	if (--window->users)
		window = NULL;
	else
		list_del(&window->node);
	mutex_unlock(&nvlink2_left_lock);
	kfree(window);
}

/* One more user of the space that is there; NULL when none is. */
static struct nvlink2_space *nvlink2_space_find(struct mm_struct *mm)
{
	struct nvlink2_space *space;

	hash_for_each_possible(nvlink2_spaces, space, node, (unsigned long)mm) {
		if (space->mm != mm)
			continue;
		if (space->users >= NVLINK2_MAX_REGISTRATIONS)
			return ERR_PTR(-ENOSPC);
		space->users++;
		return space;
	}
	return NULL;
}

static struct nvlink2_space *nvlink2_space_get(struct mm_struct *mm)
{
	struct nvlink2_space *space, *new;

	mutex_lock(&nvlink2_left_lock);
	space = nvlink2_space_find(mm);
	mutex_unlock(&nvlink2_left_lock);
	if (space)
		return space;

	new = NVLINK2_KZALLOC_OBJ(*new, GFP_KERNEL_ACCOUNT);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->mm = mm;
	new->users = 1;
	mutex_init(&new->lock);

	mutex_lock(&nvlink2_left_lock);
	space = nvlink2_space_find(mm);
	if (!space) {
		mmgrab(mm);
		hash_add(nvlink2_spaces, &new->node, (unsigned long)mm);
		swap(space, new);
	}
	mutex_unlock(&nvlink2_left_lock);
	kfree(new);
	return space;
}

static void nvlink2_space_put(struct nvlink2_space *space)
{
	mutex_lock(&nvlink2_left_lock);
	if (--space->users)
		space = NULL;
	else
		hash_del(&space->node);
	mutex_unlock(&nvlink2_left_lock);
	if (!space)
		return;
	mmdrop(space->mm);
	kfree(space);
}

/**
 * nvlink2_registration_make() - let the IOMMU code know a mapping of GPU RAM
 * @window: the window that it is a part of
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
 * part of the range is registered already, -ENOSPC when the address space has
 * too many, mapped and left, -ENOMEM.
 */
struct nvlink2_registration *
nvlink2_registration_make(struct nvlink2_window *window, struct mm_struct *mm,
			  unsigned long ua, unsigned long len, phys_addr_t hpa)
{
	struct nvlink2_registration *reg;
	int err;

	reg = NVLINK2_KZALLOC_OBJ(*reg, GFP_KERNEL_ACCOUNT);
	if (!reg)
		return ERR_PTR(-ENOMEM);
	reg->space = nvlink2_space_get(mm);
	if (IS_ERR(reg->space)) {
		err = PTR_ERR(reg->space);
		goto free;
	}
	err = mm_iommu_newdev(mm, ua, len >> PAGE_SHIFT, hpa, &reg->mem);
	if (err)
		goto put;

	reg->ua = ua;
	reg->len = len;
	reg->hpa = hpa;
	reg->window = window;
	mutex_lock(&nvlink2_left_lock);
	window->users++;
	mutex_unlock(&nvlink2_left_lock);
	return reg;

put:
	nvlink2_space_put(reg->space);
free:
	kfree(reg);
	return ERR_PTR(err);
}

static void nvlink2_registration_free(struct nvlink2_registration *reg)
{
	nvlink2_window_put(reg->window);
	nvlink2_space_put(reg->space);
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
	mem = mm_iommu_lookup(reg->space->mm, reg->ua, reg->len);
	stays = mem && !mm_iommu_ua_to_hpa(mem, reg->ua, PAGE_SHIFT, &hpa) &&
		hpa == reg->hpa;
	rcu_read_unlock();
	return stays;
}

/* Gives the registration back; not possible while it is translated. */
static bool nvlink2_registration_put(struct nvlink2_registration *reg)
{
	if (!reg->put && !mm_iommu_put(reg->space->mm, reg->mem))
		reg->put = true;
	return reg->put;
}

/*
 * Has the process ended, and every container that held on to its address space?
 * Then nobody can translate it any more, and nobody holds its registrations; no
 * mapping of ours does either, as each of them holds the address space.
 */
static bool nvlink2_space_is_over(const struct nvlink2_space *space)
{
	/* The one reference that is left is ours. */
	return !atomic_read(&space->mm->mm_users) &&
	       atomic_read(&space->mm->mm_count) == 1;
}

/*
 * A container that unregisters a range while translations point into it loses
 * its reference on the record, in all kernels so far. What was lost is put here
 * for it, or the GPU would never be opened again.
 */
static void nvlink2_registration_reclaim(struct nvlink2_registration *reg)
{
	struct mm_struct *mm = reg->space->mm;
	struct mm_iommu_table_group_mem_t *mem;

	mem = mm_iommu_get(mm, reg->ua, reg->len >> PAGE_SHIFT);
	if (!mem)
		return;
	while (!mm_iommu_put(mm, mem) && nvlink2_registration_stays(reg))
		;
}

/* Gives the registration back, if that is possible; true when it is gone. */
static bool nvlink2_registration_gone(struct nvlink2_registration *reg)
{
	if (!nvlink2_registration_put(reg))
		return false;
	if (!nvlink2_registration_stays(reg))
		return true;
	if (!nvlink2_space_is_over(reg->space))
		return false;
	nvlink2_registration_reclaim(reg);
	return !nvlink2_registration_stays(reg);
}

/**
 * nvlink2_registration_drop() - the mapping is gone
 * @reg: its registration, which the caller must not use any more
 *
 * Context: process context, mmap_lock may be held; the GPU is still open.
 */
void nvlink2_registration_drop(struct nvlink2_registration *reg)
{
	struct nvlink2_space *space = reg->space;
	bool gone;

	mutex_lock(&space->lock);
	gone = nvlink2_registration_gone(reg);
	if (!gone) {
		mutex_lock(&nvlink2_left_lock);
		list_add(&reg->node, &reg->window->left);
		mutex_unlock(&nvlink2_left_lock);
	}
	mutex_unlock(&space->lock);
	if (gone)
		nvlink2_registration_free(reg);
	/* One munmap() can end many mappings. */
	cond_resched();
}

/* The newest that is left of a range of physical memory; NULL when none is. */
static struct nvlink2_registration *nvlink2_left_first(phys_addr_t hpa, u64 size)
{
	struct nvlink2_window *window;

	lockdep_assert_held(&nvlink2_left_lock);
	list_for_each_entry(window, &nvlink2_windows, node)
		if (!list_empty(&window->left) &&
		    nvlink2_range_meet(window->hpa, window->size, hpa, size))
			return list_first_entry(&window->left,
						struct nvlink2_registration,
						node);
	return NULL;
}

/* The same, with its address space locked and one more user of that. */
static struct nvlink2_registration *nvlink2_left_lock_first(phys_addr_t hpa,
							    u64 size)
{
	struct nvlink2_registration *reg;
	struct nvlink2_space *space;
	bool same;

	for (;;) {
		mutex_lock(&nvlink2_left_lock);
		reg = nvlink2_left_first(hpa, size);
		space = reg ? reg->space : NULL;
		if (space)
			space->users++;
		mutex_unlock(&nvlink2_left_lock);
		if (!reg)
			return NULL;

		mutex_lock(&space->lock);
		mutex_lock(&nvlink2_left_lock);
		same = nvlink2_left_first(hpa, size) == reg &&
		       reg->space == space;
		mutex_unlock(&nvlink2_left_lock);
		if (same)
			return reg;
		mutex_unlock(&space->lock);
		nvlink2_space_put(space);
	}
}

static void nvlink2_left_forget(struct nvlink2_registration *reg)
{
	mutex_lock(&nvlink2_left_lock);
	list_del(&reg->node);
	mutex_unlock(&nvlink2_left_lock);
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
	struct nvlink2_registration *reg;
	struct nvlink2_space *space;
	bool gone = true;

	while (gone) {
		reg = nvlink2_left_lock_first(hpa, size);
		if (!reg)
			return false;
		space = reg->space;
		gone = nvlink2_registration_gone(reg);
		if (gone)
			nvlink2_left_forget(reg);
		mutex_unlock(&space->lock);
		if (gone)
			nvlink2_registration_free(reg);
		nvlink2_space_put(space);
		cond_resched();
	}
	return true;
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
	struct nvlink2_registration *reg;
	bool warned = false;

	while ((reg = nvlink2_left_lock_first(0, U64_MAX))) {
		struct nvlink2_space *space = reg->space;
		bool gone = nvlink2_registration_gone(reg);

		if (!gone && !reg->put) {
			mmgrab(space->mm);
			kmemleak_not_leak(space->mm);
		}
		nvlink2_left_forget(reg);
		mutex_unlock(&space->lock);
		nvlink2_registration_free(reg);
		nvlink2_space_put(space);
		if (!gone && !warned)
			pr_warn("nvlink2-vfio-pci: unloaded while GPU RAM is still registered for DMA; it will be forgotten\n");
		warned |= !gone;
		cond_resched();
	}
}
