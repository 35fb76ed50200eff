// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links that are opened, closed and reset: the RAM of the GPUs on their NPU is closed
 * meanwhile, and that of others is not (N3).
 */

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "two_gpus.h"

/* A change of a bridge takes links down, so RAM behind them is closed meanwhile. */
static void reset_a_bridge_by_sysfs(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bridge);
	write_text(path, "1");
}

static void reset_a_bridge_by_ioctl(void)
{
	int bridge_fd = device_open(bridge);

	CHECKF(!ioctl(bridge_fd, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET: %s",
	       strerror(errno));
	device_close(bridge_fd);
}

static void reset_a_bridge_by_hooks(void)
{
	hook("prepare", bridge);
	usleep(20000);
	hook("done", bridge);
}

static void open_and_close_a_bridge(void)
{
	device_close(device_open(bridge));
}

static void sysfs_reset_of_a_bridge_N3(void)
{
	check_reset(reset_a_bridge_by_sysfs);
}

static void device_reset_of_a_bridge_N3(void)
{
	check_reset(reset_a_bridge_by_ioctl);
}

static void hooks_of_a_bridge_N3(void)
{
	check_reset(reset_a_bridge_by_hooks);
}

static void opening_and_closing_a_bridge_N3(void)
{
	check_reset(open_and_close_a_bridge);
}

/* Of each of them alone: a mapping that one leaves, the other would hide. */
static void check_mapping_goes(const char *what, void (*change)(void))
{
	char *trace;

	put(word(ram, MINE), 0x61);
	put(word(other_ram, MINE), 0x62);
	trace_start();
	change();
	CHECK_EQ(get(word(ram, MINE)), 0x61);
	CHECK_EQ(get(word(other_ram, MINE)), 0x62);
	trace = trace_stop();
	CHECKF(faulted(trace, gpu, GPU_BASE + MINE * BLOCK),
	       "the mapping survived %s:\n%s", what, trace);
	CHECKF(!strstr(trace, other), "RAM behind another NPU went by %s:\n%s",
	       what, trace);
}

static int changing_fd;

static void open_the_bridge(void)
{
	changing_fd = device_open(bridge);
}

static void reset_the_bridge(void)
{
	CHECK(!ioctl(changing_fd, VFIO_DEVICE_RESET));
}

static void close_the_bridge(void)
{
	device_close(changing_fd);
}

static void each_change_of_a_bridge_closes_gpu_ram_N3(void)
{
	two_gpus();
	check_mapping_goes("an open", open_the_bridge);
	check_mapping_goes("a reset", reset_the_bridge);
	check_mapping_goes("a close", close_the_bridge);
}

/* Two links change at the same time, and one of them twice over. */
static void changes_of_bridges_nest_N3(void)
{
	const char *second = slots[0].bdf[2];

	two_gpus();
	hook("prepare", bridge);
	hook("prepare", second);
	hook("prepare", second);
	hook("done", second);
	check_waits(fd, ram);
	hook("done", bridge);
	check_waits(fd, ram);
	get(word(other_ram, MINE));
	hook("done", second);
	check_open(fd, ram);
}

/* A GPU that is opened while a link changes is closed as long, and no longer. */
static void gpu_opened_while_a_bridge_changes_N3(void)
{
	two_gpus();
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);
	hook("prepare", bridge);
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	check_waits(fd, ram);
	hook("done", bridge);
	check_open(fd, ram);
}

static void gpu_closed_while_a_bridge_changes_N3(void)
{
	two_gpus();
	hook("prepare", bridge);
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);
	hook("done", bridge);
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	check_open(fd, ram);
}

const struct test links_tests[] = {
	TEST(reset, sysfs_reset_of_a_bridge_N3),
	TEST(reset, device_reset_of_a_bridge_N3),
	TEST(reset, hooks_of_a_bridge_N3),
	TEST(reset, opening_and_closing_a_bridge_N3),
	TEST(reset, each_change_of_a_bridge_closes_gpu_ram_N3),
	TEST(reset, changes_of_bridges_nest_N3),
	TEST(reset, gpu_opened_while_a_bridge_changes_N3),
	TEST(reset, gpu_closed_while_a_bridge_changes_N3),
	{ NULL, NULL }
};
