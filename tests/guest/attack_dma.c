// SPDX-License-Identifier: GPL-2.0-only
/* The attack: what is done with the container. */

#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "attack.h"

#define IOVA_SLOTS	64
#define IOVA_STEP	0x100000ULL

/*
 * Held by the thread of this process that makes or removes translations. The
 * kernel (6.12) has no lock there: when tce_iommu_build_v2() and
 * tce_iommu_clear() meet at an entry, or one of them the end of a registration,
 * the count of translations (mm_iommu_mapped_inc() and _dec()) is wrong for
 * good, and tce_iommu_release() and destroy_context() warn.
 */
static atomic_flag translations = ATOMIC_FLAG_INIT;

static enum result registration(struct attacker *me, unsigned int request,
				const struct range *range)
{
	struct vfio_iommu_spapr_register_memory reg = {
		.argsz = sizeof(reg), .vaddr = (uintptr_t)range->at,
		.size = range->len,
	};

	me->step->arg[0] = reg.vaddr;
	me->step->arg[1] = reg.size;
	me->step->arg[2] = range->kind;
	return ended(me, ioctl(attack_container, request, &reg));
}

/*
 * The container belongs to the address space that uses it first. That is to be
 * the first process, which lives longest, though not always.
 */
static bool container_is_not_ours(struct attacker *me)
{
	return me->slot >= THREADS && !one_in(me, 64);
}

/* The whole of a mapping, or a part, or too much. */
enum result op_register(struct attacker *me)
{
	struct range *recent = any_recent(me), range;
	enum result result;

	if (!recent || container_is_not_ours(me))
		return REFUSED;
	range = *recent;
	if (one_in(me, 4)) {
		range.at = pick_address(me);
		range.len = (1 + pick(me, 8)) * page_size();
	} else if (one_in(me, 3)) {
		range.at = me->scratch;
		range.len = (1 + pick(me, 16)) * page_size();
	}
	result = registration(me, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &range);
	if (result == DONE)
		me->dma = range;
	return result;
}

static enum result unmap_dma(struct attacker *me, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size,
	};

	me->step->arg[0] = iova;
	me->step->arg[1] = size;
	return ended(me, ioctl(attack_container, VFIO_IOMMU_UNMAP_DMA, &unmap));
}

/*
 * Only after all translations are gone: tce_iommu_unregister_pages() in the
 * kernel (6.12) holds a reference of its own while it gives the container's
 * back, so that mm_iommu_put() does not refuse; its last mm_iommu_put() does,
 * and nobody looks. The registration then outlives the container, for good, and
 * destroy_context() warns about it.
 */
enum result op_unregister(struct attacker *me)
{
	struct range *recent = any_recent(me);
	enum result result;

	if (me->dma.len && !one_in(me, 4))
		recent = &me->dma;
	if (!recent || container_is_not_ours(me) ||
	    atomic_flag_test_and_set(&translations))
		return REFUSED;
	unmap_dma(me, 0, IOVA_SLOTS * IOVA_STEP);
	result = registration(me, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, recent);
	atomic_flag_clear(&translations);
	return result;
}

/*
 * In the window there is by default, whose pages are no larger than the
 * system's. mm_iommu_do_alloc() takes the page size of a registration from its
 * length and physical address only, not from its user address (defect D3); with
 * larger pages in the table pnv_tce_xchg() then ends the host. So no window is
 * created.
 */
enum result op_dma_map(struct attacker *me)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = pick(me, IOVA_SLOTS) * IOVA_STEP,
	};
	uint64_t page = page_size(), pages = me->dma.len / page, first;
	enum result result;

	if (!me->dma.len || container_is_not_ours(me))
		return REFUSED;
	first = pick(me, pages);
	map.vaddr = (uintptr_t)me->dma.at + first * page;
	map.size = (1 + pick(me, 16)) * page;
	if (map.size > (pages - first) * page && !one_in(me, 8))
		map.size = (pages - first) * page;
	if (atomic_flag_test_and_set(&translations))
		return REFUSED;
	me->step->arg[0] = map.vaddr;
	me->step->arg[1] = map.iova;
	me->step->arg[2] = map.size;
	me->step->arg[3] = me->dma.kind;
	result = ended(me, ioctl(attack_container, VFIO_IOMMU_MAP_DMA, &map));
	atomic_flag_clear(&translations);
	if (result == DONE)
		me->iova = map.iova;
	return result;
}

enum result op_dma_unmap(struct attacker *me)
{
	size_t page = page_size(), size = (1 + pick(me, 16)) * page;
	uint64_t iova = one_in(me, 4) ? pick(me, (1ULL << 31) / page) * page :
					me->iova;
	enum result result;

	if (container_is_not_ours(me) ||
	    atomic_flag_test_and_set(&translations))
		return REFUSED;
	result = unmap_dma(me, iova, size);
	atomic_flag_clear(&translations);
	return result;
}
