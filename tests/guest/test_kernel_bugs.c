// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of the kernel itself that GPU RAM brings to light: each test passes on
 * a kernel with kernel/patches, and stops one without. Its name has the patch in it.
 */

#include <sys/mman.h>
#include <unistd.h>

#include "nvtest.h"

#define IOVA	0x800000ULL
/* More than lockdep keeps track of at a time (MAX_LOCK_DEPTH). */
#define TIMES	64

/* 0001: mm_iommu_is_devmem() leaves an RCU section open at each of these. */
static void rcu_section_is_left(void)
{
	size_t len = 2 * 65536;
	int container, fd;
	unsigned int i;
	void *ram;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, 0, len);
	memory_register(container, ram, len);
	for (i = 0; i < TIMES; i++) {
		dma_map(container, IOVA, ram, len);
		dma_unmap(container, IOVA, len);
	}
	/* Sleeping is what a task in such a section cannot do. */
	usleep(1000);
	memory_unregister(container, ram, len);
}

/*
 * 0002: registered from an address that is aligned to a small page only, large
 * pages would lie askew in GPU RAM; pnv_tce_xchg() has a BUG_ON() for that.
 */
static void page_size_heeds_the_address(void)
{
	size_t page = page_size();
	uint64_t window;
	int container, fd;
	char *ram;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	container = device_container(slots[0].bdf[0]);
	window = dma_window(container, LARGE);
	write_text(STRICT_ALIGN, "0");
	ram = place(2 * LARGE, LARGE, LARGE - page);
	CHECK(map_region_at(fd, ram, 0, 2 * LARGE) == ram);
	memory_register(container, ram, 2 * LARGE);
	CHECK_EQ(dma_try_map(container, window, ram + page, LARGE), EINVAL);
	/* What small pages can do goes on. */
	dma_map(container, IOVA, ram + page, LARGE);
	dma_unmap(container, IOVA, LARGE);
	memory_unregister(container, ram, 2 * LARGE);
	CHECK(!munmap(ram, 2 * LARGE));
}

const struct test kernel_bug_tests[] = {
	TEST(kernel_0001, rcu_section_is_left),
	TEST(kernel_0002, page_size_heeds_the_address),
	{ NULL, NULL }
};
