// SPDX-License-Identifier: GPL-2.0-only
/* Every topology the simulator offers: 1 to 6 GPUs with 1 to 3 bridges each. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nvtest.h"
#include "vfio_nvlink2_decode.h"

#define WINDOW	0x4000000ULL
#define SETS	8		/* ATSD register sets of one NPU */

static void load(unsigned int gpus, unsigned int links)
{
	char gpu[128] = "", bridge[512] = "", *g = gpu, *b = bridge;
	unsigned int i, k;

	machine_need(gpus, 1 + links);
	for (i = 0; i < gpus; i++) {
		g += sprintf(g, "%s%s", i ? "," : "", slots[i].bdf[0]);
		for (k = 0; k < links; k++)
			b += sprintf(b, "%s%s@%u", i || k ? "," : "",
				     slots[i].bdf[1 + k], i);
	}
	sim_load("gpu=%s bridge=%s base=%#llx size=%#llx atsd_base=%#llx", gpu,
		 bridge, GPU_BASE, WINDOW, ATSD_BASE);
}

static struct vfio_nvlink2_region decode(int fd)
{
	struct vfio_nvlink2_region region;
	uint8_t buf[128];

	CHECK_EQ(device_num_regions(fd), REGION + 1);
	CHECK_EQ(region_info(fd, REGION, sizeof(buf), buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_nvlink2_decode(buf, sizeof(buf), &region),
		 VFIO_NVLINK2_OK);
	return region;
}

/* Each device by its numbers, and by the memory it really reaches. */
static void topology(unsigned int gpus, unsigned int links)
{
	struct vfio_nvlink2_region region;
	unsigned int i, k;
	uint64_t word;
	int fd;

	load(gpus, links);
	for (i = 0; i < gpus; i++) {
		uint64_t base = GPU_BASE + i * WINDOW;

		fd = device_open(slots[i].bdf[0]);
		region = decode(fd);
		CHECK_EQ(region.kind, VFIO_NVLINK2_KIND_GPU_RAM);
		CHECK_EQ(region.size, WINDOW);
		CHECK_EQ(region.tgt, base);	/* no bit above 43 is set */
		word = 0x6000 + 16 * i;
		CHECK_EQ(region_write(fd, &word, 8, WINDOW - 8), 8);
		CHECK_EQ(phys_read(base + WINDOW - 8), word);

		for (k = 0; k < links; k++) {
			uint64_t hpa = ATSD_BASE + (i * SETS + k) * ATSD_SIZE;

			fd = device_open(slots[i].bdf[1 + k]);
			region = decode(fd);
			CHECK_EQ(region.kind, VFIO_NVLINK2_KIND_ATSD);
			CHECK_EQ(region.size, ATSD_SIZE);
			CHECK_EQ(region.tgt, base);
			CHECK_EQ(region.link_speed, 8);
			word = 0x7000 + 16 * i + k;
			CHECK_EQ(region_write(fd, &word, 8, 0), 8);
			CHECK_EQ(phys_read(hpa), word);
		}
	}
	/* A function that was left out is a plain device. */
	if (links < 3) {
		fd = device_open(slots[0].bdf[1 + links]);
		CHECK_EQ(device_num_regions(fd), REGION);
	}
}

#define SHAPE(gpus, links)						\
	static void topology_##gpus##x##links(void)			\
	{								\
		topology(gpus, links);					\
	}
SHAPE(1, 1) SHAPE(1, 2) SHAPE(1, 3)
SHAPE(2, 1) SHAPE(2, 2) SHAPE(2, 3)
SHAPE(3, 1) SHAPE(3, 2) SHAPE(3, 3)
SHAPE(4, 1) SHAPE(4, 2) SHAPE(4, 3)
SHAPE(5, 1) SHAPE(5, 2) SHAPE(5, 3)
SHAPE(6, 1) SHAPE(6, 2) SHAPE(6, 3)

#define ENTRY(gpus, links)						\
	{ "topology_" #gpus "_gpus_with_" #links "_bridges",		\
	  topology_##gpus##x##links },
const struct test topology_tests[] = {
	ENTRY(1, 1) ENTRY(1, 2) ENTRY(1, 3)
	ENTRY(2, 1) ENTRY(2, 2) ENTRY(2, 3)
	ENTRY(3, 1) ENTRY(3, 2) ENTRY(3, 3)
	ENTRY(4, 1) ENTRY(4, 2) ENTRY(4, 3)
	ENTRY(5, 1) ENTRY(5, 2) ENTRY(5, 3)
	ENTRY(6, 1) ENTRY(6, 2) ENTRY(6, 3)
	{ NULL, NULL }
};
