// SPDX-License-Identifier: GPL-2.0-only
/*
 * What keeps everybody away from GPU RAM, and what ends it: resets and PCI errors
 * one inside the other, opens meanwhile, a GPU that sleeps.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "two_gpus.h"

static void resets_nest_D7(void)
{
	two_gpus();
	put(word(ram, MINE), 0x41);
	hook("prepare", gpu);
	check_blocked(fd, ram);
	hook("prepare", gpu);
	check_blocked(fd, ram);
	hook("done", gpu);
	check_blocked(fd, ram);
	hook("done", gpu);
	CHECK_EQ(get(word(ram, MINE)), 0x41);
	check_open(fd, ram);
}

/* Several functions may report the same error; it is over once. */
static void errors_do_not_nest(void)
{
	two_gpus();
	hook("detected", gpu);
	hook("detected", gpu);
	hook("nonfatal", gpu);
	check_blocked(fd, ram);
	hook("resume", gpu);
	check_open(fd, ram);
}

/* The end of a reset is not the end of the recovery it is a part of. */
static void reset_inside_a_recovery(void)
{
	two_gpus();
	check_open(fd, ram);
	hook("detected", gpu);
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
	check_blocked(fd, ram);
	hook("prepare", gpu);
	hook("done", gpu);
	check_blocked(fd, ram);
	hook("resume", gpu);
	check_open(fd, ram);
}

/* Nor is the end of a recovery the end of a reset. */
static void recovery_inside_a_reset(void)
{
	two_gpus();
	hook("prepare", gpu);
	hook("detected", gpu);
	hook("resume", gpu);
	check_blocked(fd, ram);
	hook("done", gpu);
	check_open(fd, ram);
}

static void reopen(void)
{
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
}

/* A recovery that was given up: opening the function resets it. */
static void open_ends_an_error_without_recovery(void)
{
	two_gpus();
	hook("nonfatal", gpu);
	check_blocked(fd, ram);
	reopen();
	check_open(fd, ram);
}

/* One that goes on: an open does not cut it short. */
static void open_does_not_end_a_recovery(void)
{
	two_gpus();
	hook("detected", gpu);
	reopen();
	check_blocked(fd, ram);
	hook("resume", gpu);
	check_open(fd, ram);
}

static void open_does_not_end_a_reset(void)
{
	two_gpus();
	hook("prepare", gpu);
	reopen();
	check_blocked(fd, ram);
	hook("done", gpu);
	check_open(fd, ram);
}

static void mapping_made_meanwhile(void)
{
	volatile uint64_t *late;

	two_gpus();
	put(word(ram, MINE), 0x51);
	hook("prepare", gpu);
	late = map_region(fd, 0, GPU_SIZE);
	check_blocked(fd, late);
	unmap((void *)ram, GPU_SIZE);
	check_blocked(fd, late);
	hook("done", gpu);
	CHECK_EQ(get(word(late, MINE)), 0x51);
}

static int feature(uint32_t flags)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg), .flags = flags,
	};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &arg);
}

/* A GPU that sleeps is not to be touched either, as its BARs are not. */
static void low_power_blocks(void)
{
	uint32_t set = VFIO_DEVICE_FEATURE_SET;

	two_gpus();
	put(word(ram, MINE), 0x71);
	CHECKF(!feature(set | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY),
	       "entering low power: %s", strerror(errno));
	check_blocked(fd, ram);
	get(other_ram);
	CHECKF(!feature(set | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT),
	       "leaving low power: %s", strerror(errno));
	CHECK_EQ(get(word(ram, MINE)), 0x71);
	check_open(fd, ram);
}

static uint64_t config_offset(void)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	CHECK(!ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	return info.offset;
}

static void set_power_state(unsigned int state)
{
	uint64_t config = config_offset();
	uint8_t at = 0x34, id = 0;
	uint16_t ctrl;

	CHECK_EQ(pread(fd, &at, 1, config + at), 1);
	while (at && pread(fd, &id, 1, config + at) == 1 && id != 1)
		CHECK_EQ(pread(fd, &at, 1, config + at + 1), 1);
	CHECKF(at, "the function has no power management");
	CHECK_EQ(pread(fd, &ctrl, 2, config + at + 4), 2);
	ctrl = (ctrl & ~3) | state;
	CHECK_EQ(pwrite(fd, &ctrl, 2, config + at + 4), 2);
}

/* The write takes the page away; the state it set is what keeps it away. */
static void d3_blocks(void)
{
	two_gpus();
	put(word(ram, MINE), 0x72);
	hook("sleep", gpu);
	set_power_state(3);
	check_blocked(fd, ram);
	set_power_state(0);
	CHECK_EQ(get(word(ram, MINE)), 0x72);
	check_open(fd, ram);

	hook("sleep", gpu);
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
	check_open(fd, ram);
}

static void hooks_refuse_nonsense(void)
{
	static const char path[] = "/sys/kernel/debug/nvlink2-sim/hooks";
	static const char *const bad[] = {
		"prepare", "prepare ", "prepare 0000:00:00.0", "begin %s",
		" %s", "prepare  %s", "prepare %s x", "prepare %s\n\n",
		"prepare %s                      ",
	};
	char text[128];
	unsigned int i;
	int out;

	two_gpus();
	out = keep(open(path, O_WRONLY | O_CLOEXEC), path);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), bad[i], gpu);
		CHECK_ERR(write(out, text, strlen(text)), EINVAL);
	}
	check_open(fd, ram);
}

const struct test blocked_tests[] = {
	TEST(reset, resets_nest_D7),
	TEST(reset, errors_do_not_nest),
	TEST(reset, reset_inside_a_recovery),
	TEST(reset, recovery_inside_a_reset),
	TEST(reset, open_ends_an_error_without_recovery),
	TEST(reset, open_does_not_end_a_recovery),
	TEST(reset, open_does_not_end_a_reset),
	TEST(reset, mapping_made_meanwhile),
	TEST(reset, low_power_blocks),
	TEST(reset, d3_blocks),
	TEST(reset, hooks_refuse_nonsense),
	{ NULL, NULL }
};
