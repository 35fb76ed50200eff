// SPDX-License-Identifier: GPL-2.0-only
/* What a container translates for DMA, and addresses to map it from. */

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include "nvtest.h"

/*
 * What QEMU does before it maps memory for DMA. Of GPU RAM the kernel would try
 * to pin pages that do not exist, had the driver not registered it. 0 or errno.
 */
int memory_try_register(int container, void *at, size_t len)
{
	struct vfio_iommu_spapr_register_memory reg = {
		.argsz = sizeof(reg), .vaddr = (uintptr_t)at, .size = len,
	};

	return ioctl(container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &reg) ?
	       errno : 0;
}

void memory_register(int container, void *at, size_t len)
{
	int err = memory_try_register(container, at, len);

	CHECKF(!err, "registering %zu bytes: %s", len, strerror(err));
}

void memory_unregister(int container, void *at, size_t len)
{
	struct vfio_iommu_spapr_register_memory reg = {
		.argsz = sizeof(reg), .vaddr = (uintptr_t)at, .size = len,
	};

	CHECKF(!ioctl(container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, &reg),
	       "unregistering: %s", strerror(errno));
}

/* 0 or errno. */
int dma_try_map(int container, uint64_t iova, void *at, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .vaddr = (uintptr_t)at, .iova = iova,
		.size = len,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? errno : 0;
}

void dma_map(int container, uint64_t iova, void *at, size_t len)
{
	int err = dma_try_map(container, iova, at, len);

	CHECKF(!err, "VFIO_IOMMU_MAP_DMA at %#llx: %s",
	       (unsigned long long)iova, strerror(err));
}

void dma_unmap(int container, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap map = {
		.argsz = sizeof(map), .iova = iova, .size = len,
	};

	CHECKF(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &map),
	       "VFIO_IOMMU_UNMAP_DMA at %#llx: %s", (unsigned long long)iova,
	       strerror(errno));
}

/* A second window of I/O addresses, of 1 GiB; where it starts. */
uint64_t dma_window(int container, uint64_t page)
{
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info) };
	struct vfio_iommu_spapr_tce_create window = {
		.argsz = sizeof(window), .page_shift = __builtin_ctzll(page),
		.window_size = 1ULL << 30, .levels = 1,
	};

	CHECK(!ioctl(container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info));
	CHECKF(info.ddw.pgsizes & page, "no pages of %#llx, only %#llx",
	       (unsigned long long)page,
	       (unsigned long long)info.ddw.pgsizes);
	CHECKF(!ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window),
	       "VFIO_IOMMU_SPAPR_TCE_CREATE: %s", strerror(errno));
	return window.start_addr;
}

/* Address space of which a part starts at a multiple of @align, plus @skew. */
void *place(size_t len, size_t align, size_t skew)
{
	uintptr_t at = (uintptr_t)mmap(NULL, len + 2 * align, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK((void *)at != MAP_FAILED);
	return (void *)(((at + align - 1) & ~(align - 1)) + skew);
}

void *map_region_at(int fd, void *at, uint64_t pos, size_t len)
{
	return mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    region_offset(fd) + pos);
}
