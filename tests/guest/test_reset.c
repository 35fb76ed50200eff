// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets and PCI errors: what was mapped of GPU RAM is gone when one begins,
 * nothing gets in until it is over, and nobody else's RAM is concerned.
 */

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "two_gpus.h"

/* The kinds of reset, as an administrator or a program begins them. */
static void reset_by_ioctl(void)
{
	CHECKF(!ioctl(fd, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET: %s",
	       strerror(errno));
}

static void reset_by_sysfs(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", gpu);
	write_text(path, "1");
}

static void hot_reset_through(int any_fd)
{
	char room[sizeof(struct vfio_pci_hot_reset_info) +
		  MAX_FUNCTIONS * sizeof(struct vfio_pci_dependent_device)];
	struct vfio_pci_hot_reset_info *info = (void *)room;
	struct {
		struct vfio_pci_hot_reset reset;
		int32_t group;
	} arg = {
		.reset = { .argsz = sizeof(arg), .count = 1 },
		.group = device_group(gpu),
	};

	memset(room, 0, sizeof(room));
	info->argsz = sizeof(room);
	CHECKF(!ioctl(any_fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info),
	       "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: %s", strerror(errno));
	CHECK_EQ(info->count, slots[0].functions);
	CHECKF(!ioctl(any_fd, VFIO_DEVICE_PCI_HOT_RESET, &arg),
	       "VFIO_DEVICE_PCI_HOT_RESET: %s", strerror(errno));
}

static void reset_by_hot_reset(void)
{
	hot_reset_through(fd);
}

/* One function's hot reset is its neighbours' too. */
static void reset_by_hot_reset_of_a_bridge(void)
{
	int bridge_fd = device_open(bridge);

	hot_reset_through(bridge_fd);
	device_close(bridge_fd);
}

static void reset_by_hooks(void)
{
	hook("prepare", gpu);
	usleep(20000);
	hook("done", gpu);
}

static void error_and_recovery(void)
{
	hook("detected", gpu);
	usleep(20000);
	hook("resume", gpu);
}

static void device_reset_D7(void)
{
	check_reset(reset_by_ioctl);
}

static void hot_reset_D7(void)
{
	check_reset(reset_by_hot_reset);
}

static void hot_reset_of_a_bridge_D7(void)
{
	check_reset(reset_by_hot_reset_of_a_bridge);
}

static void sysfs_reset_D7(void)
{
	check_reset(reset_by_sysfs);
}

static void hooks_D7(void)
{
	check_reset(reset_by_hooks);
}

static void error_recovery_D7(void)
{
	check_closed(error_and_recovery, false);
}

/*
 * Registers are the bridge's. They stay mapped through its own resets as well:
 * a guest's kernel stores to them whenever it changes a translation.
 */
static void atsd_mapping_stays(void)
{
	volatile uint64_t *atsd;
	int bridge_fd;
	uint64_t value;

	two_gpus();
	bridge_fd = device_open(bridge);
	atsd = map_region(bridge_fd, 0, ATSD_SIZE);
	atsd[1] = 0xa75d;
	hook("prepare", gpu);
	CHECK(load_word(&atsd[1], &value));
	hook("prepare", bridge);
	hook("detected", bridge);
	CHECK(load_word(&atsd[1], &value));
	hook("done", gpu);
	hook("done", bridge);
	hook("resume", bridge);
	reset_by_ioctl();
	CHECK(!ioctl(bridge_fd, VFIO_DEVICE_RESET));
	CHECK(load_word(&atsd[1], &value));
	CHECK_EQ(value, 0xa75d);
}

const struct test reset_tests[] = {
	TEST(reset, device_reset_D7),
	TEST(reset, hot_reset_D7),
	TEST(reset, hot_reset_of_a_bridge_D7),
	TEST(reset, sysfs_reset_D7),
	TEST(reset, hooks_D7),
	TEST(reset, error_recovery_D7),
	TEST(reset, atsd_mapping_stays),
	{ NULL, NULL }
};
