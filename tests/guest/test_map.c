// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a mapping of GPU RAM and of its registration: split, moved,
 * inherited, shared, refused, raced for.
 */

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

#define RACES	2000

static int gpu_open(void)
{
	sim_load_default(NULL);
	return device_open(slots[0].bdf[0]);
}

static int map_error(int fd, void *at, uint64_t pos, size_t len)
{
	void *got = mmap(at, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			 region_offset(fd) + pos);

	if (got == MAP_FAILED)
		return errno;
	CHECK(got == at);
	return 0;
}

static bool can_register(int container, void *at, size_t len)
{
	if (memory_try_register(container, at, len))
		return false;
	memory_unregister(container, at, len);
	return true;
}

/*
 * Is nothing registered there? Plain memory in the same place can be then, and
 * only then, because two registrations never overlap. In two parts: who asks for
 * the very range of a registration gets that one, whatever memory is there now.
 */
static bool is_free(void *at, size_t len)
{
	int container = device_container(slots[0].bdf[0]);
	size_t page = page_size();
	bool free;

	CHECK(len > page);
	CHECK(mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0) == at);
	free = can_register(container, at, page) &&
	       can_register(container, (char *)at + page, len - page);
	CHECK(!munmap(at, len));
	return free;
}

static void any_number_of_times_D11(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	unsigned int i;
	int fd = gpu_open();

	for (i = 0; i < 1000; i++) {
		uint64_t pos = i % 64 * page;

		ram = map_region(fd, pos, (1 + i % 5) * page);
		ram[0] = i;
		CHECK_EQ(phys_read(GPU_BASE + pos), i);
		unmap((void *)ram, (1 + i % 5) * page);
	}
}

/* Each part is still right memory; the registration goes with the last one. */
static void split_in_three(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	char *at;
	unsigned int i;
	int fd = gpu_open();

	device_container(slots[0].bdf[0]);
	ram = map_region(fd, 0, 9 * page);
	at = (char *)ram;
	for (i = 0; i < 9; i++)
		ram[i * page / 8] = 0x900 + i;
	CHECK(!munmap(at + 3 * page, 3 * page));
	CHECK(!is_free(at + 3 * page, 3 * page));
	for (i = 0; i < 9; i++) {
		if (i / 3 == 1)
			CHECK(touch_faults(ram + i * page / 8));
		else
			CHECK_EQ(ram[i * page / 8], 0x900 + i);
	}
	CHECK(!munmap(at, 3 * page));
	CHECK(!is_free(at, 3 * page));
	CHECK_EQ(ram[8 * page / 8], 0x908);
	unmap(at, 9 * page);
	CHECK(is_free(at, 9 * page));
}

/* Permissions split it too, and merge it again. */
static void mprotect_splits(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	int fd = gpu_open();

	device_container(slots[0].bdf[0]);
	ram = map_region(fd, 0, 6 * page);
	ram[2 * page / 8] = 0x62;
	CHECK(!mprotect((char *)ram + 2 * page, 2 * page, PROT_NONE));
	CHECK(touch_faults(ram + 2 * page / 8));
	CHECK_EQ(ram[0], ram[0]);
	CHECK(!mprotect((char *)ram + 2 * page, 2 * page, PROT_READ));
	CHECK_EQ(ram[2 * page / 8], 0x62);
	CHECK(!mprotect((char *)ram, 6 * page, PROT_READ | PROT_WRITE));
	ram[2 * page / 8] = 0x63;
	unmap((void *)ram, 6 * page);
	CHECK(is_free((void *)ram, 6 * page));
}

static void mremap_shrinks_only(void)
{
	size_t page = page_size();
	volatile uint64_t *ram;
	char *room;
	int fd = gpu_open();

	ram = map_region(fd, 0, 4 * page);
	room = mmap(NULL, 8 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	CHECK(room != MAP_FAILED);
	ram[page / 8] = 0x71;
	/* Growing: VM_DONTEXPAND, in place and elsewhere. */
	CHECK_ERR((long)mremap((void *)ram, 4 * page, 5 * page, 0), EFAULT);
	CHECK_ERR((long)mremap((void *)ram, 4 * page, 5 * page, MREMAP_MAYMOVE),
		  EFAULT);
	/* Moving: the registration would stay behind. */
	CHECK_ERR((long)mremap((void *)ram, 4 * page, 4 * page,
			       MREMAP_MAYMOVE | MREMAP_FIXED, room), EINVAL);
	CHECK_ERR((long)mremap((void *)ram, 4 * page, 4 * page,
			       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
	/* Duplicating. */
	CHECK_ERR((long)mremap((void *)ram, 0, 4 * page, MREMAP_MAYMOVE),
		  EFAULT);
	CHECK_EQ(ram[page / 8], 0x71);
	CHECK(mremap((void *)ram, 4 * page, 2 * page, 0) == ram);
	CHECK_EQ(ram[page / 8], 0x71);
	CHECK(touch_faults(ram + 3 * page / 8));
	unmap((void *)ram, 4 * page);
	map_region(fd, 0, 4 * page);
}

/* A child has no mapping, and its end takes nothing from the parent. */
static void fork_gives_nothing(void)
{
	volatile uint64_t *ram;
	int status, fd = gpu_open();
	pid_t child;

	ram = map_region(fd, 0, GPU_SIZE);
	ram[3] = 0x81;
	child = fork();
	CHECK(child >= 0);
	if (!child)
		_exit(touch_faults(ram) ? 0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "the child could read the parent's mapping");
	CHECK_EQ(ram[3], 0x81);
	unmap((void *)ram, GPU_SIZE);
	map_region(fd, 0, GPU_SIZE);
}

/* exec drops the mapping with all else: the device closes. */
static void exec_drops_it(void)
{
	char *argv[] = { "/bin/nvtest", "--list", "none", NULL };
	int status, null, fd;
	pid_t child;

	sim_load_default(NULL);
	device_group(slots[0].bdf[0]);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		volatile uint64_t *ram;

		fd = device_open(slots[0].bdf[0]);
		ram = map_region(fd, 0, GPU_SIZE);
		ram[0] = 1;
		null = dup2(fd, 100);
		CHECK(null == 100);
		close(STDERR_FILENO);
		execv(argv[0], argv);
		_exit(77);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	/* 2: no such suite. The new program did run. */
	CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 2,
	       "the child ended with status %#x", status);
	fd = device_open(slots[0].bdf[0]);
	map_region(fd, 0, GPU_SIZE);
}

/* The descriptor goes to a process that is no relative, and outlives the sender. */
static void descriptor_over_a_socket(void)
{
	volatile uint64_t *ram;
	int sockets[2], fd;
	pid_t child;

	sim_load_default(NULL);
	device_group(slots[0].bdf[0]);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		fd = device_open(slots[0].bdf[0]);
		ram = map_region(fd, 0, GPU_SIZE);
		ram[0x100 / 8] = 0x91;
		send_fd(sockets[1], fd);
		_exit(0);
	}
	fd = receive_fd(sockets[0]);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	close(sockets[0]);
	close(sockets[1]);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK_EQ(ram[0x100 / 8], 0x91);
	ram[0x108 / 8] = 0x92;
	CHECK_EQ(phys_read(GPU_BASE + 0x108), 0x92);
}

/* An mmap that fails leaves nothing: not there, not in the region, not behind. */
static void failed_registration_leaves_nothing_D12(void)
{
	int container, fd = gpu_open();
	size_t page = page_size();
	volatile uint64_t *ram;
	char *plain;
	unsigned int i;

	container = device_container(slots[0].bdf[0]);
	/* Memory that is registered, unmapped, and so in the way. */
	plain = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(plain != MAP_FAILED);
	memory_register(container, plain, 4 * page);
	CHECK(!munmap(plain, 4 * page));
	for (i = 0; i < 10; i++) {
		CHECK_EQ(map_error(fd, plain, 0, 4 * page), EINVAL);
		CHECK(touch_faults(plain));
	}
	/* The region works elsewhere, and there, when the place is free again. */
	CHECK(mmap(plain, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED_NOREPLACE, -1, 0) == plain);
	ram = map_region(fd, 0, 4 * page);
	CHECK(!touch_faults(ram));
	ram[0] = 0xa1;
	unmap((void *)ram, 4 * page);
	CHECK(!munmap(plain, 4 * page));
	memory_unregister(container, plain, 4 * page);
	CHECK(is_free(plain, 4 * page));
	CHECK_EQ(map_error(fd, plain, 0, 4 * page), 0);
	CHECK_EQ(*(volatile uint64_t *)plain, 0xa1);
	CHECK(!munmap(plain, 4 * page));
	CHECK(is_free(plain, 4 * page));
	device_close(fd);
	device_open(slots[0].bdf[0]);
}

/* Both map, touch and unmap, over and over; the addresses are each its own. */
static void map_and_unmap(int fd, unsigned int who)
{
	uint64_t offset = region_offset(fd);
	size_t page = page_size();
	volatile uint64_t *ram;
	unsigned int i;

	for (i = 0; i < RACES; i++) {
		ram = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			   fd, offset + who * page);
		CHECKF(ram != MAP_FAILED, "process %u, round %u: %s", who, i,
		       strerror(errno));
		ram[0] = who << 16 | i;
		if (!(i % 16))
			sched_yield();
		CHECK_EQ(ram[0], who << 16 | i);
		CHECK(!munmap((void *)ram, 4 * page));
	}
}

static void two_processes_race_D14(void)
{
	int status, fd = gpu_open();
	pid_t child;
	void *ram;

	device_container(slots[0].bdf[0]);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		map_and_unmap(fd, 8);
		_exit(0);
	}
	map_and_unmap(fd, 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "the child ended with status %#x", status);
	ram = map_region(fd, 0, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	CHECK(is_free(ram, GPU_SIZE));
	device_close(fd);
	device_open(slots[0].bdf[0]);
}

const struct test map_tests[] = {
	TEST(map, any_number_of_times_D11),
	TEST(map, split_in_three),
	TEST(map, mprotect_splits),
	TEST(map, mremap_shrinks_only),
	TEST(map, fork_gives_nothing),
	TEST(map, exec_drops_it),
	TEST(map, descriptor_over_a_socket),
	TEST(map, failed_registration_leaves_nothing_D12),
	TEST(map, two_processes_race_D14),
	{ NULL, NULL }
};
