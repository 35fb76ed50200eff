// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way a function is reset: no page of GPU RAM is left, none comes in
 * meanwhile, and afterwards all is as before (D7). What stands between the two
 * halves of a reset is reached through the simulator's hooks.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

#define PAGES	4

static const char *gpu;

static int gpu_open(void)
{
	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	return device_open(gpu);
}

/* Faults in a few pages; each holds its own number. */
static volatile uint64_t *mapped(int fd)
{
	volatile uint64_t *ram = map_region(fd, 0, GPU_SIZE);
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		ram[i * page_size() / 8] = 0x5000 + i;
	return ram;
}

static bool page_is_in(volatile uint64_t *ram)
{
	const char *trace;

	trace_start();
	(void)ram[0];
	trace = trace_stop();
	return !strstr(trace, "mmap_fault");
}

/* Nothing was in, everything comes back, and it is the same memory. */
static void expect_zapped(volatile uint64_t *ram)
{
	unsigned int i;

	CHECKF(!page_is_in(ram), "a page was left by the reset");
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(ram[i * page_size() / 8], 0x5000 + i);
	CHECK(page_is_in(ram));
}

static void expect_blocked(int fd, volatile uint64_t *ram)
{
	uint64_t word = 1;

	CHECKF(touch_faults(ram), "a page came in meanwhile");
	CHECK_ERR(region_read(fd, &word, 8, 0), EIO);
	CHECK_ERR(region_write(fd, &word, 8, 0), EIO);
}

static void ioctl_reset(void)
{
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = mapped(fd);
	CHECK(page_is_in(ram));
	CHECKF(!ioctl(fd, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET: %s",
	       strerror(errno));
	expect_zapped(ram);
}

static void sysfs_reset(void)
{
	volatile uint64_t *ram;
	char path[128];
	int fd = gpu_open();

	ram = mapped(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", gpu);
	write_text(path, "1");
	expect_zapped(ram);
}

/* The bus is reset, with all functions of the slot. */
static void hot_reset(void)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t group;
	} reset = { .head = { .argsz = sizeof(reset), .count = 1 } };
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = mapped(fd);
	reset.group = device_group(gpu);
	CHECKF(!ioctl(fd, VFIO_DEVICE_PCI_HOT_RESET, &reset),
	       "VFIO_DEVICE_PCI_HOT_RESET: %s", strerror(errno));
	expect_zapped(ram);
}

static void between_prepare_and_done(void)
{
	volatile uint64_t *ram, *late;
	int fd = gpu_open();

	ram = mapped(fd);
	sim_hook("prepare", gpu);
	expect_blocked(fd, ram);
	/* Mapping inserts nothing, and so may be done. */
	late = map_region(fd, 0, GPU_SIZE);
	CHECK(touch_faults(late));
	sim_hook("done", gpu);
	CHECK_EQ(late[0], 0x5000);
	expect_zapped(ram);
}

static void resets_nest(void)
{
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = mapped(fd);
	sim_hook("prepare", gpu);
	sim_hook("prepare", gpu);
	sim_hook("done", gpu);
	expect_blocked(fd, ram);
	sim_hook("done", gpu);
	expect_zapped(ram);
}

static void between_error_and_resume(void)
{
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = mapped(fd);
	sim_hook("detected", gpu);
	expect_blocked(fd, ram);
	/* Recovery resets on its way, which does not end it. */
	sim_hook("prepare", gpu);
	sim_hook("done", gpu);
	expect_blocked(fd, ram);
	sim_hook("detected", gpu);
	sim_hook("resume", gpu);
	expect_zapped(ram);
}

/* A recovery that failed ends with the next open. */
static void error_without_resume(void)
{
	volatile uint64_t *ram;
	int fd = gpu_open();

	ram = mapped(fd);
	sim_hook("detected", gpu);
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK_EQ(ram[0], 0x5000);
}

/* A second process with its own mapping loses its pages too. */
static void other_process_is_zapped(void)
{
	int to[2], from[2], status, fd = gpu_open();
	char byte = 0;
	pid_t child;

	CHECK(!pipe(to) && !pipe(from));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		volatile uint64_t *ram = mapped(fd);

		CHECK(write(from[1], &byte, 1) == 1);
		CHECK(read(to[0], &byte, 1) == 1);
		CHECK(touch_faults(ram));
		CHECK(write(from[1], &byte, 1) == 1);
		CHECK(read(to[0], &byte, 1) == 1);
		CHECK_EQ(ram[0], 0x5000);
		_exit(0);
	}
	CHECK(read(from[0], &byte, 1) == 1);
	sim_hook("prepare", gpu);
	CHECK(write(to[1], &byte, 1) == 1);
	CHECK(read(from[0], &byte, 1) == 1);
	sim_hook("done", gpu);
	CHECK(write(to[1], &byte, 1) == 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the child ended with status %#x", status);
	close(to[0]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
}

/* A GPU's reset is no other's business. */
static void other_gpu_is_left_alone(void)
{
	volatile uint64_t *ram, *other;
	int fd;

	machine_need(2, 2);
	sim_load("gpu=%s,%s bridge=%s@0,%s@1 base=%#llx size=%#llx",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[1].bdf[1], GPU_BASE, GPU_SIZE);
	gpu = slots[0].bdf[0];
	fd = device_open(gpu);
	ram = mapped(fd);
	other = mapped(device_open(slots[1].bdf[0]));
	sim_hook("prepare", gpu);
	CHECK(touch_faults(ram));
	CHECK(page_is_in(other));
	CHECK_EQ(other[0], 0x5000);
	sim_hook("done", gpu);
	CHECK(page_is_in(other));
}

/* Registers are no RAM: they stay mapped, and so do other bridges. */
static void registers_stay(void)
{
	volatile uint64_t *atsd;
	volatile uint64_t *ram;
	int bridge, fd = gpu_open();

	ram = mapped(fd);
	bridge = device_open(slots[0].bdf[1]);
	atsd = map_region(bridge, 0, ATSD_SIZE);
	atsd[1] = 0x77;
	sim_hook("prepare", gpu);
	CHECK_EQ(atsd[1], 0x77);
	sim_hook("done", gpu);
	sim_hook("prepare", slots[0].bdf[1]);
	CHECK_EQ(atsd[1], 0x77);
	sim_hook("done", slots[0].bdf[1]);
	expect_zapped(ram);
}

const struct test reset_tests[] = {
	{ "reset_by_ioctl_D7", ioctl_reset },
	{ "reset_by_sysfs_D7", sysfs_reset },
	{ "reset_hot_D7", hot_reset },
	{ "reset_blocks_until_done_D7", between_prepare_and_done },
	{ "reset_nests_D7", resets_nest },
	{ "reset_error_blocks_until_resume_D7", between_error_and_resume },
	{ "reset_error_without_resume", error_without_resume },
	{ "reset_reaches_other_processes_D7", other_process_is_zapped },
	{ "reset_leaves_other_gpus_alone", other_gpu_is_left_alone },
	{ "reset_leaves_registers_alone", registers_stay },
	{ NULL, NULL }
};
