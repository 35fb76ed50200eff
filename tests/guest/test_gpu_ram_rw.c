// SPDX-License-Identifier: GPL-2.0-only
/* GPU RAM through read and write on the device's file descriptor. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "nvtest.h"

#define BIG	(5 << 20)	/* crosses several of the driver's 2 MiB pieces */

static int gpu_open(void)
{
	sim_load_default(NULL);
	return device_open(slots[0].bdf[0]);
}

/* Nothing at @at, readable memory before it. */
static char *memory_with_an_end(size_t len)
{
	size_t page = page_size();
	char *at = mmap(NULL, len + page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	CHECK(!munmap(at + len, page));
	return at + len;
}

static void unaligned_lengths_and_places(void)
{
	static const size_t lens[] = { 1, 2, 3, 7, 8, 9, 100, 4095, 65537 };
	static const uint64_t places[] = { 0, 1, 4093, 65531, 0x1fffff };
	static unsigned char out[65537], in[65537];
	size_t i, k, b;
	int fd = gpu_open();

	for (i = 0; i < ARRAY_LEN(lens); i++) {
		for (k = 0; k < ARRAY_LEN(places); k++) {
			for (b = 0; b < lens[i]; b++)
				out[b] = (b * 7 + i + k) ^ 0x5a;
			memset(in, 0, sizeof(in));
			CHECK_EQ(region_write(fd, out, lens[i], places[k]),
				 lens[i]);
			CHECK_EQ(region_read(fd, in, lens[i], places[k]),
				 lens[i]);
			CHECKF(!memcmp(in, out, lens[i]),
			       "%zu bytes at %#llx came back different",
			       lens[i], (unsigned long long)places[k]);
		}
	}
}

static void write_is_at_the_physical_address(void)
{
	uint64_t word = 0x0123456789abcdef;
	int fd = gpu_open();

	phys_write(GPU_BASE + 0x10ff8, 0);
	phys_write(GPU_BASE + 0x11008, 0);
	CHECK_EQ(region_write(fd, &word, 8, 0x11000), 8);
	CHECK_EQ(phys_read(GPU_BASE + 0x11000), word);
	CHECK_EQ(phys_read(GPU_BASE + 0x10ff8), 0);
	CHECK_EQ(phys_read(GPU_BASE + 0x11008), 0);
}

static void large_copies_are_whole(void)
{
	uint64_t *out, *in;
	uint64_t start = 0x1ff008;	/* just before a piece's end */
	size_t i;
	int fd = gpu_open();

	/* Untouched memory: every page is faulted in on the way. */
	out = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	in = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(out != MAP_FAILED && in != MAP_FAILED);
	for (i = 0; i < BIG / 8; i++)
		out[i] = i * 0x9e3779b97f4a7c15;
	CHECK_EQ(region_write(fd, out, BIG, start), BIG);
	CHECK_EQ(region_read(fd, in, BIG, start), BIG);
	for (i = 0; i < BIG / 8; i++)
		CHECKF(in[i] == out[i], "word %zu came back different", i);
	munmap(out, BIG);
	munmap(in, BIG);
}

static void end_of_the_window(void)
{
	char buf[256];
	int fd = gpu_open();

	CHECK_EQ(region_read(fd, buf, 100, GPU_SIZE - 8), 8);
	CHECK_EQ(region_write(fd, buf, 100, GPU_SIZE - 4), 4);
	CHECK_ERR(region_read(fd, buf, 8, GPU_SIZE), EINVAL);
	CHECK_ERR(region_write(fd, buf, 8, GPU_SIZE), EINVAL);
	CHECK_ERR(region_read(fd, buf, 8, GPU_SIZE + 65536), EINVAL);
	CHECK_ERR(region_read(fd, buf, 8, (1ULL << 40) - 8), EINVAL);
	CHECK_EQ(region_read(fd, buf, 0, 0), 0);
}

/* A vector is one read after the other, each where the last one ended. */
static void position_moves_by_what_was_copied(void)
{
	uint64_t first = 0, second = 0;
	struct iovec parts[] = {
		{ &first, sizeof(first) }, { &second, sizeof(second) },
	};
	int fd = gpu_open();

	phys_write(GPU_BASE + 0x1000, 0x1001);
	phys_write(GPU_BASE + 0x1008, 0x1002);
	CHECK_EQ(preadv(fd, parts, 2, region_offset(fd) + 0x1000), 16);
	CHECK_EQ(first, 0x1001);
	CHECK_EQ(second, 0x1002);
}

static void unreadable_buffer_is_efault(void)
{
	int fd = gpu_open();

	phys_write(GPU_BASE + 0x2000, 0x1234);
	CHECK_ERR(region_write(fd, (void *)8, 8, 0x2000), EFAULT);
	CHECK_EQ(phys_read(GPU_BASE + 0x2000), 0x1234);
	CHECK_ERR(region_read(fd, (void *)8, 8, 0x2000), EFAULT);
}

/*
 * A source that ends half-way: what was not copied is not written. The driver
 * of 2018 filled the rest with zeroes.
 */
static void write_from_half_a_buffer_N1(void)
{
	uint64_t i;
	char *end = memory_with_an_end(page_size());
	int fd = gpu_open();

	memset(end - 64, 0x77, 64);
	for (i = 0; i < 32; i++)
		phys_write(GPU_BASE + 0x3000 + 8 * i, 0xfeed0000 + i);
	CHECK_EQ(region_write(fd, end - 64, 256, 0x3000), 64);
	for (i = 0; i < 8; i++)
		CHECK_EQ(phys_read(GPU_BASE + 0x3000 + 8 * i),
			 0x7777777777777777);
	for (; i < 32; i++)
		CHECK_EQ(phys_read(GPU_BASE + 0x3000 + 8 * i), 0xfeed0000 + i);
}

static void read_into_half_a_buffer(void)
{
	char *end = memory_with_an_end(page_size());
	int fd = gpu_open();

	memset(end - 64, 0, 64);
	phys_write(GPU_BASE + 0x4038, 0x4242424242424242);
	CHECK_EQ(region_read(fd, end - 64, 256, 0x4000), 64);
	CHECK_EQ(end[-1], 0x42);
}

/* The buffer may be GPU RAM itself: no lock may be held over the copy. */
static void buffer_in_gpu_ram(void)
{
	uint64_t *ram;
	int fd = gpu_open();

	ram = map_region(fd, 0, GPU_SIZE);
	phys_write(GPU_BASE + 0x100000, 0x600d);
	CHECK_EQ(region_read(fd, ram + 0x200000 / 8, 4096, 0x100000), 4096);
	CHECK_EQ(phys_read(GPU_BASE + 0x200000), 0x600d);
	phys_write(GPU_BASE + 0x300000, 0x600e);
	CHECK_EQ(region_write(fd, ram + 0x300000 / 8, 4096, 0x400000), 4096);
	CHECK_EQ(phys_read(GPU_BASE + 0x400000), 0x600e);
}

const struct test gpu_ram_rw_tests[] = {
	TEST(rw, unaligned_lengths_and_places),
	TEST(rw, write_is_at_the_physical_address),
	TEST(rw, large_copies_are_whole),
	TEST(rw, end_of_the_window),
	TEST(rw, position_moves_by_what_was_copied),
	TEST(rw, unreadable_buffer_is_efault),
	TEST(rw, write_from_half_a_buffer_N1),
	TEST(rw, read_into_half_a_buffer),
	TEST(rw, buffer_in_gpu_ram),
	{ NULL, NULL }
};
