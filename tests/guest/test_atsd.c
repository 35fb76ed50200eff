// SPDX-License-Identifier: GPL-2.0-only
/* The ATSD region of a bridge, through mmap and through read and write. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "nvtest.h"

static int bridge_open(unsigned int nr)
{
	sim_load_default(NULL);
	return device_open(slots[0].bdf[1 + nr]);
}

static void mmap_is_read_back_through_pread(void)
{
	uint64_t value = 0, word = 0x0102030405060708;
	volatile uint64_t *atsd;
	int fd = bridge_open(0);

	atsd = map_region(fd, 0, ATSD_SIZE);
	atsd[1] = word;
	CHECK_EQ(region_read(fd, &value, 8, 8), 8);
	CHECK_EQ(value, word);
}

static void pwrite_is_seen_through_mmap(void)
{
	uint64_t word = 0x8070605040302010;
	volatile uint64_t *atsd;
	int fd = bridge_open(0);

	atsd = map_region(fd, 0, ATSD_SIZE);
	atsd[0x100 / 8] = 0;
	CHECK_EQ(region_write(fd, &word, 8, 0x100), 8);
	CHECK_EQ(atsd[0x100 / 8], word);
}

/* Each link has the register set of its own index. */
static void each_link_has_its_own_registers(void)
{
	volatile uint64_t *atsd;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		int fd = bridge_open(i);
		uint64_t hpa = ATSD_BASE + i * ATSD_SIZE;

		phys_write(hpa, 0);
		phys_write(hpa + ATSD_SIZE - 8, 0x70 + i);
		atsd = map_region(fd, 0, ATSD_SIZE);
		atsd[0] = 0x60 + i;
		CHECK_EQ(phys_read(hpa), 0x60 + i);
		CHECK_EQ(atsd[ATSD_SIZE / 8 - 1], 0x70 + i);
	}
}

static void offset_mapping_is_that_part(void)
{
	size_t page = page_size();
	volatile uint64_t *atsd;
	int fd = bridge_open(0);

	/* With 64K pages the region is a single page. */
	if (page == ATSD_SIZE) {
		CHECK_ERR((long)try_map(fd, page, page, PROT_READ, MAP_SHARED),
			  EINVAL);
		return;
	}
	phys_write(ATSD_BASE + 3 * page + 16, 0x33);
	atsd = map_region(fd, 3 * page, page);
	CHECK_EQ(atsd[2], 0x33);
}

static void mmap_stays_in_the_region(void)
{
	int rw = PROT_READ | PROT_WRITE;
	int fd = bridge_open(0);

	CHECK_ERR((long)try_map(fd, 0, 2 * ATSD_SIZE, rw, MAP_SHARED), EINVAL);
	CHECK_ERR((long)try_map(fd, ATSD_SIZE, ATSD_SIZE, rw, MAP_SHARED),
		  EINVAL);
	CHECK_ERR((long)try_map(fd, 1ULL << 39, ATSD_SIZE, rw, MAP_SHARED),
		  EINVAL);
	CHECK_ERR((long)try_map(fd, 0, ATSD_SIZE, rw, MAP_PRIVATE), EINVAL);
}

static void every_aligned_width_works(void)
{
	static const uint64_t pattern = 0xf1e2d3c4b5a69788;
	uint64_t value;
	size_t width;
	int fd = bridge_open(0);

	for (width = 1; width <= 8; width *= 2) {
		phys_write(ATSD_BASE + 0x40, 0);
		CHECK_EQ(region_write(fd, &pattern, width, 0x40), width);
		value = 0;
		CHECK_EQ(region_read(fd, &value, width, 0x40), width);
		CHECK(!memcmp(&value, &pattern, width));
		/* Only that many bytes were written. */
		value = phys_read(ATSD_BASE + 0x40);
		CHECK(!memcmp(&value, &pattern, width));
		CHECK_EQ(width == 8 ? 0 : value >> (8 * width), 0);
	}
}

static void other_accesses_are_einval_D17(void)
{
	static const struct {
		size_t len;
		uint64_t pos;
	} bad[] = {
		{ 3, 0 }, { 5, 0 }, { 6, 0 }, { 7, 0 }, { 9, 0 }, { 16, 0 },
		{ 2, 1 }, { 4, 2 }, { 8, 4 }, { 8, 1 }, { 65536, 0 },
		{ 8, ATSD_SIZE }, { 1, ATSD_SIZE }, { 8, (1ULL << 40) - 8 },
	};
	static char buf[65536];
	size_t i;
	int fd = bridge_open(0);

	phys_write(ATSD_BASE, 0x5a5a);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_ERR(region_read(fd, buf, bad[i].len, bad[i].pos),
			  EINVAL);
		CHECK_ERR(region_write(fd, buf, bad[i].len, bad[i].pos),
			  EINVAL);
	}
	CHECK_EQ(phys_read(ATSD_BASE), 0x5a5a);
	/* The last register is inside. */
	CHECK_EQ(region_read(fd, buf, 8, ATSD_SIZE - 8), 8);
}

static void faulting_write_leaves_the_register_N1(void)
{
	int fd = bridge_open(0);

	phys_write(ATSD_BASE + 8, 0x1357);
	CHECK_ERR(region_write(fd, (void *)8, 8, 8), EFAULT);
	CHECK_EQ(phys_read(ATSD_BASE + 8), 0x1357);
	CHECK_ERR(region_read(fd, (void *)8, 8, 8), EFAULT);
}

/*
 * A link without registers: nothing to map, read or write. The driver of 2018
 * mapped physical page 0.
 */
static void empty_region_cannot_be_touched_D1(void)
{
	uint64_t value = 0;
	int fd;

	sim_load_default("atsd_count=0");
	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_size(fd), 0);
	CHECK_ERR((long)try_map(fd, 0, page_size(), PROT_READ, MAP_SHARED),
		  EINVAL);
	CHECK_ERR(region_read(fd, &value, 8, 0), EINVAL);
	CHECK_ERR(region_write(fd, &value, 8, 0), EINVAL);
}

/* A link that has to share warns, once for each device. */
static void sharing_is_reported_once_D25(void)
{
	unsigned int lines, matches, i;

	driver_unload();
	sim_load_default("atsd_count=1");
	log_mark();
	for (i = 0; i < 3; i++)
		device_close(device_open(slots[0].bdf[2]));
	lines = log_count("shares the first", slots[0].bdf[2],
			  "ibm,mmio-atsd", &matches);
	CHECK_EQ(lines, 1);
	CHECK_EQ(matches, 1);
	device_close(device_open(slots[0].bdf[3]));
	CHECK_EQ(log_count("shares the first", slots[0].bdf[3], "link 2",
			   &matches), 1);
	/* The first link has its own. */
	device_close(device_open(slots[0].bdf[1]));
	CHECK_EQ(log_count("shares the first", "", "", &matches), 0);
}

/*
 * Where the platform binds the registers of a GPU's first link alone: those of
 * the others would invalidate nothing, so a VM does not get them.
 */
static void only_first_link_is_offered_N19(void)
{
	unsigned int matches, i;
	uint64_t value = 0;
	int fd;

	driver_unload();
	sim_load_default("first_link_only=1");
	log_mark();
	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_size(fd), ATSD_SIZE);
	CHECK_EQ(region_read(fd, &value, 8, 8), 8);
	for (i = 2; i <= 3; i++) {
		device_close(device_open(slots[0].bdf[i]));
		fd = device_open(slots[0].bdf[i]);
		CHECK_EQ(region_size(fd), 0);
		CHECK_ERR((long)try_map(fd, 0, page_size(), PROT_READ,
					MAP_SHARED), EINVAL);
		CHECK_ERR(region_read(fd, &value, 8, 0), EINVAL);
		CHECK_ERR(region_write(fd, &value, 8, 0), EINVAL);
		CHECK_EQ(log_count("not the first link", slots[0].bdf[i],
				   "no ATSD", &matches), 1);
		CHECK_EQ(matches, 1);
	}
}

const struct test atsd_tests[] = {
	TEST(atsd, mmap_is_read_back_through_pread),
	TEST(atsd, pwrite_is_seen_through_mmap),
	TEST(atsd, each_link_has_its_own_registers),
	TEST(atsd, offset_mapping_is_that_part),
	TEST(atsd, mmap_stays_in_the_region),
	TEST(atsd, every_aligned_width_works),
	TEST(atsd, other_accesses_are_einval_D17),
	TEST(atsd, faulting_write_leaves_the_register_N1),
	TEST(atsd, empty_region_cannot_be_touched_D1),
	TEST(atsd, sharing_is_reported_once_D25),
	{ NULL, NULL }
};

/* Where the simulator is the platform, and not the kernel. */
const struct test atsd_platform_tests[] = {
	TEST(atsd, only_first_link_is_offered_N19),
	{ NULL, NULL }
};
