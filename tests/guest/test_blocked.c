// SPDX-License-Identifier: GPL-2.0-only
/*
 * What keeps everybody away from GPU RAM, and what ends it: resets and PCI errors
 * one inside the other, opens meanwhile, a GPU that sleeps.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "two_gpus.h"

static void resets_nest_D7(void)
{
	two_gpus();
	put(word(ram, MINE), 0x41);
	hook("prepare", gpu);
	check_waits(fd, ram);
	hook("prepare", gpu);
	check_waits(fd, ram);
	hook("done", gpu);
	check_waits(fd, ram);
	hook("done", gpu);
	check_open(fd, ram);
	CHECK_EQ(get(word(ram, MINE)), 0x41);
}

/* Several functions may report the same error; it is over once. */
static void errors_do_not_nest(void)
{
	two_gpus();
	hook("detected", gpu);
	hook("detected", gpu);
	hook("nonfatal", gpu);
	check_refused(fd, ram);
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
	check_refused(fd, ram);
	hook("prepare", gpu);
	hook("done", gpu);
	check_refused(fd, ram);
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
	check_waits(fd, ram);
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
	check_refused(fd, ram);
	reopen();
	check_open(fd, ram);
}

/* One that goes on: an open does not cut it short. */
static void open_does_not_end_a_recovery(void)
{
	two_gpus();
	hook("detected", gpu);
	reopen();
	check_refused(fd, ram);
	hook("resume", gpu);
	check_open(fd, ram);
}

static void open_does_not_end_a_reset(void)
{
	two_gpus();
	hook("prepare", gpu);
	reopen();
	check_waits(fd, ram);
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
	check_waits(fd, late);
	unmap((void *)ram, GPU_SIZE);
	check_waits(fd, late);
	hook("done", gpu);
	check_open(fd, late);
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
	check_refused(fd, ram);
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

/* Offset in the file of the register that has the power state. */
static uint64_t power_register(void)
{
	uint64_t config = config_offset();
	uint8_t at = 0x34, id = 0;

	CHECK_EQ(pread(fd, &at, 1, config + at), 1);
	while (at && pread(fd, &id, 1, config + at) == 1 && id != 1)
		CHECK_EQ(pread(fd, &at, 1, config + at + 1), 1);
	CHECKF(at, "the function has no power management");
	return config + at + 4;
}

static void set_power_state(unsigned int state)
{
	uint64_t at = power_register();
	uint16_t ctrl;

	CHECK_EQ(pread(fd, &ctrl, 2, at), 2);
	ctrl = (ctrl & ~3) | state;
	CHECK_EQ(pwrite(fd, &ctrl, 2, at), 2);
}

/* The write takes the page away; the state it set is what keeps it away. */
static void d3_blocks(void)
{
	two_gpus();
	put(word(ram, MINE), 0x72);
	hook("sleep", gpu);
	set_power_state(3);
	check_refused(fd, ram);
	set_power_state(0);
	CHECK_EQ(get(word(ram, MINE)), 0x72);
	check_open(fd, ram);

	hook("sleep", gpu);
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
	check_open(fd, ram);
}

static void accesses_wait_for_a_reset_N5(void)
{
	two_gpus();
	hook("prepare", gpu);
	check_waits(fd, ram);
	hook("done", gpu);
	check_open(fd, ram);
}

/* A question, and one that has no answer, put nothing to sleep. */
static void question_leaves_gpu_ram_N5(void)
{
	uint32_t entry = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	char *trace;

	two_gpus();
	put(word(ram, MINE), 0x73);
	trace_start();
	CHECK(!feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | entry));
	CHECK_ERR(feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | entry),
		  EINVAL);
	CHECK_ERR(feature(VFIO_DEVICE_FEATURE_GET | entry), EINVAL);
	CHECK_EQ(get(word(ram, MINE)), 0x73);
	trace = trace_stop();
	CHECKF(!strstr(trace, "mmap_fault"), "a page went:\n%s", trace);
}

static struct {
	pthread_t thread;
	volatile bool stop;
	unsigned int served, refused;
} all_along;

/* It takes the processor from the writer, in the midst of a write, where there is one. */
static void *touch_and_copy(void *pos)
{
	struct timespec pause = { .tv_nsec = 20000 };
	struct sched_param first = { .sched_priority = 1 };
	uint64_t value;

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		all_along.refused++;
	while (!all_along.stop) {
		nanosleep(&pause, NULL);
		all_along.served += load_word(word(ram, MINE), &value);
		all_along.refused += !load_word(word(ram, MINE), &value);
		all_along.refused += pread(fd, &value, 8, *(uint64_t *)pos) != 8;
	}
	return NULL;
}

/* A guest writes the register for other bits than the state, for wake-up events. */
static void same_power_state_serves_all_N5(void)
{
	uint64_t pos, at;
	uint16_t ctrl;
	int i;

	two_gpus();
	pos = region_offset(fd);
	at = power_register();
	CHECK_EQ(pread(fd, &ctrl, 2, at), 2);
	memset(&all_along, 0, sizeof(all_along));
	CHECK(!pthread_create(&all_along.thread, NULL, touch_and_copy, &pos));
	for (i = 0; i < 2000; i++) {
		CHECK_EQ(pwrite(fd, &ctrl, 2, at), 2);
		sched_yield();
	}
	all_along.stop = true;
	pthread_join(all_along.thread, NULL);
	CHECKF(all_along.served, "nothing was served");
	CHECK_EQ(all_along.refused, 0);
}

static bool ends_in_time(pid_t pid, int *status)
{
	unsigned int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	return false;
}

/*
 * What is written to the register is to come out of RAM that is closed meanwhile:
 * that is an error, and holds up nobody. So is memory that is not there.
 */
static void power_state_out_of_gpu_ram_N5(void)
{
	void *volatile nowhere = (void *)8;
	uint64_t at;
	int status;
	pid_t pid;

	two_gpus();
	at = power_register();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		ram = map_region(fd, 0, GPU_SIZE);
		_exit(pwrite(fd, (void *)word(ram, MINE), 2, at) == 2 ? 0 : errno);
	}
	CHECKF(ends_in_time(pid, &status), "a write waits for itself");
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), EFAULT);
	check_open(fd, ram);
	CHECK_ERR(pwrite(fd, nowhere, 2, at), EFAULT);
	check_open(fd, ram);
}

/* A write that ends in the register, and one that begins behind its first byte. */
static void writes_around_the_power_state_N5(void)
{
	uint64_t at;
	uint32_t before;
	uint8_t high;

	two_gpus();
	at = power_register();
	put(word(ram, MINE), 0x75);
	hook("sleep", gpu);
	CHECK_EQ(pread(fd, &before, 4, at - 2), 4);
	before |= 3 << (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 16 : 8);
	CHECK_EQ(pwrite(fd, &before, 4, at - 2), 4);
	check_refused(fd, ram);
	set_power_state(0);
	CHECK_EQ(get(word(ram, MINE)), 0x75);
	CHECK_EQ(pread(fd, &high, 1, at + 1), 1);
	trace_start();
	CHECK_EQ(pwrite(fd, &high, 1, at + 1), 1);
	CHECK_EQ(get(word(ram, MINE)), 0x75);
	CHECK(!strstr(trace_stop(), "mmap_fault"));
}

static void touch_for_ever(void)
{
	(void)*word(ram, MINE);
}

static void read_for_ever(void)
{
	uint64_t value;

	region_read(fd, &value, 8, 0);
}

/* Who waits can be killed, while it waits. */
static void waiters_can_be_killed_N5(void)
{
	static void (*const accesses[])(void) = { touch_for_ever, read_for_ever };
	unsigned int i;
	int status;
	pid_t pid;

	two_gpus();
	hook("prepare", gpu);
	for (i = 0; i < ARRAY_LEN(accesses); i++) {
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			ram = map_region(fd, 0, GPU_SIZE);
			accesses[i]();
			_exit(0);
		}
		usleep(20000);
		CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
		CHECK(!kill(pid, SIGKILL));
		CHECKF(ends_in_time(pid, &status), "access %u cannot be killed", i);
		CHECK(WIFSIGNALED(status));
	}
	hook("done", gpu);
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
	TEST(reset, accesses_wait_for_a_reset_N5),
	TEST(reset, question_leaves_gpu_ram_N5),
	TEST(reset, same_power_state_serves_all_N5),
	TEST(reset, power_state_out_of_gpu_ram_N5),
	TEST(reset, writes_around_the_power_state_N5),
	TEST(reset, waiters_can_be_killed_N5),
	TEST(reset, hooks_refuse_nonsense),
	{ NULL, NULL }
};
