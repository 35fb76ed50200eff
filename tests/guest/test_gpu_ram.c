// SPDX-License-Identifier: GPL-2.0-only
/* GPU RAM through mmap: the right memory, the whole window, and no more. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

static int gpu_open(void)
{
	sim_load_default(NULL);
	return device_open(slots[0].bdf[0]);
}

static void mmap_is_read_back_through_pread(void)
{
	uint64_t value = 0, word = 0x1122334455667788;
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = map_region(fd, 0, GPU_SIZE);
	ram[0x12340 / 8] = word;
	CHECK_EQ(region_read(fd, &value, 8, 0x12340), 8);
	CHECK_EQ(value, word);
}

static void pwrite_is_seen_through_mmap(void)
{
	uint64_t word = 0x8877665544332211;
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = map_region(fd, 0, GPU_SIZE);
	ram[0x54320 / 8] = 0;
	CHECK_EQ(region_write(fd, &word, 8, 0x54320), 8);
	CHECK_EQ(ram[0x54320 / 8], word);
}

static void mmap_is_the_physical_memory(void)
{
	volatile uint64_t *ram;
	uint64_t last = GPU_SIZE - 8;
	int fd = gpu_open();

	ram = map_region(fd, 0, GPU_SIZE);
	ram[0] = 0xa1;
	ram[0x30008 / 8] = 0xa2;
	ram[last / 8] = 0xa3;
	CHECK_EQ(phys_read(GPU_BASE), 0xa1);
	CHECK_EQ(phys_read(GPU_BASE + 0x30008), 0xa2);
	CHECK_EQ(phys_read(GPU_BASE + last), 0xa3);

	phys_write(GPU_BASE, 0xb1);
	phys_write(GPU_BASE + 0x30008, 0xb2);
	phys_write(GPU_BASE + last, 0xb3);
	CHECK_EQ(ram[0], 0xb1);
	CHECK_EQ(ram[0x30008 / 8], 0xb2);
	CHECK_EQ(ram[last / 8], 0xb3);
}

/* A mapping that starts inside the window has that part of it. */
static void offset_mapping_is_that_part(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	int fd = gpu_open();

	phys_write(GPU_BASE + 5 * page, 0xc5);
	phys_write(GPU_BASE + 6 * page + 8, 0xc6);
	ram = map_region(fd, 5 * page, 2 * page);
	CHECK_EQ(ram[0], 0xc5);
	CHECK_EQ(ram[page / 8 + 1], 0xc6);
}

/* The same memory in a second process that maps it itself. */
static void second_process_shares_it(void)
{
	volatile uint64_t *ram;
	int status, fd = gpu_open();
	pid_t child;

	ram = map_region(fd, 0, GPU_SIZE);
	ram[0x200 / 8] = 0xd1;
	ram[0x208 / 8] = 0;
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		volatile uint64_t *own;

		/* VM_DONTCOPY: the parent's mapping is not the child's. */
		CHECK(touch_faults(ram));
		own = map_region(fd, 0, GPU_SIZE);
		CHECK_EQ(own[0x200 / 8], 0xd1);
		own[0x208 / 8] = 0xd2;
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the child ended with status %#x", status);
	CHECK_EQ(ram[0x208 / 8], 0xd2);
}

static void mmap_stays_in_the_window_D2(void)
{
	size_t page = page_size();
	int fd = gpu_open();
	int rw = PROT_READ | PROT_WRITE;

	CHECK_ERR((long)try_map(fd, 0, GPU_SIZE + page, rw, MAP_SHARED),
		  EINVAL);
	CHECK_ERR((long)try_map(fd, page, GPU_SIZE, rw, MAP_SHARED), EINVAL);
	CHECK_ERR((long)try_map(fd, GPU_SIZE, page, rw, MAP_SHARED), EINVAL);
	CHECK_ERR((long)try_map(fd, GPU_SIZE - page, 2 * page, rw, MAP_SHARED),
		  EINVAL);
	CHECK_ERR((long)try_map(fd, (1ULL << 40) - page, page, rw, MAP_SHARED),
		  EINVAL);
	/* The last page is inside. */
	map_region(fd, GPU_SIZE - page, page);
}

static void private_mmap_is_refused(void)
{
	int fd = gpu_open();

	CHECK_ERR((long)try_map(fd, 0, page_size(), PROT_READ | PROT_WRITE,
				MAP_PRIVATE), EINVAL);
}

static void mmap_works_any_number_of_times_D11(void)
{
	size_t page = page_size();
	volatile uint64_t *ram, *other;
	int i, fd = gpu_open();

	for (i = 0; i < 100; i++) {
		ram = map_region(fd, 0, 4 * page);
		other = map_region(fd, 2 * page, 4 * page);
		ram[3 * page / 8] = i + 1;
		CHECK_EQ(other[page / 8], i + 1);
		unmap((void *)ram, 4 * page);
		unmap((void *)other, 4 * page);
	}
}

/* What is left of a mapping that lost its middle is still the right memory. */
static void partial_munmap_leaves_the_rest(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = map_region(fd, 0, 8 * page);
	CHECK(!munmap((char *)ram + 2 * page, 2 * page));
	CHECK(touch_faults(ram + 2 * page / 8));
	phys_write(GPU_BASE + page, 0xe1);
	phys_write(GPU_BASE + 4 * page, 0xe4);
	CHECK_EQ(ram[page / 8], 0xe1);
	CHECK_EQ(ram[4 * page / 8], 0xe4);
	unmap((void *)ram, 8 * page);
	map_region(fd, 0, 8 * page);
}

static void mremap_to_elsewhere_is_refused(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	void *room;
	int fd = gpu_open();

	ram = map_region(fd, 0, 2 * page);
	ram[0] = 0xe7;
	room = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	CHECK(room != MAP_FAILED);
	CHECK_ERR((long)mremap((void *)ram, 2 * page, 2 * page,
			       MREMAP_MAYMOVE | MREMAP_FIXED, room), EINVAL);
	CHECK_EQ(ram[0], 0xe7);
}

static void whole_window_can_be_registered(void)
{
	int container, fd = gpu_open();
	void *ram;

	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, 0, GPU_SIZE);
	memory_register(container, ram, GPU_SIZE);
	memory_unregister(container, ram, GPU_SIZE);
	memory_register(container, ram, GPU_SIZE);
	memory_unregister(container, ram, GPU_SIZE);
}

/* After munmap the range is nobody's: plain memory there can be registered. */
static void munmap_drops_the_registration(void)
{
	int container, fd = gpu_open();
	size_t page = page_size();
	void *ram, *plain;

	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, 0, 4 * page);
	unmap(ram, 4 * page);
	plain = mmap(ram, 4 * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(plain == ram);
	memset(plain, 1, 4 * page);
	/* Not all four: that would be found, were it still there. */
	memory_register(container, plain, 3 * page);
	memory_unregister(container, plain, 3 * page);
	CHECK(!munmap(plain, 4 * page));
}

const struct test gpu_ram_tests[] = {
	TEST(gpu_ram, mmap_is_read_back_through_pread),
	TEST(gpu_ram, pwrite_is_seen_through_mmap),
	TEST(gpu_ram, mmap_is_the_physical_memory),
	TEST(gpu_ram, offset_mapping_is_that_part),
	TEST(gpu_ram, second_process_shares_it),
	TEST(gpu_ram, mmap_stays_in_the_window_D2),
	TEST(gpu_ram, private_mmap_is_refused),
	TEST(gpu_ram, mmap_works_any_number_of_times_D11),
	TEST(gpu_ram, partial_munmap_leaves_the_rest),
	TEST(gpu_ram, mremap_to_elsewhere_is_refused),
	TEST(gpu_ram, whole_window_can_be_registered),
	TEST(gpu_ram, munmap_drops_the_registration),
	{ NULL, NULL }
};
