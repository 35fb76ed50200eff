// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets and PCI errors: what was mapped of GPU RAM is gone when one begins,
 * nothing gets in until it is over, and nobody else's RAM is concerned.
 */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "two_gpus.h"

/* A reset takes longer than an access does that nobody holds up. */
#define SHORTEST_US	5000

static bool faulted(const char *trace, const char *bdf, uint64_t hpa)
{
	char want[128];

	snprintf(want, sizeof(want), "mmap_fault: %s: %llx", bdf,
		 (unsigned long long)hpa);
	return strstr(trace, want);
}

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

/* Touches all along, as a program would that knows nothing of the reset. */
static struct {
	pthread_t thread, rw_thread;
	volatile bool runs;
	uint64_t offset;
	unsigned int served, refused, rw_served, rw_refused, others_refused;
	uint64_t longest_us, rw_longest_us;
	int rw_errno;
} toucher;

static uint64_t us_since(uint64_t start)
{
	struct timespec t;

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000 - start;
}

static void note_longest(uint64_t *longest, uint64_t start)
{
	uint64_t took = us_since(start);

	if (took > *longest)
		*longest = took;
}

static void *touch_all_along(void *unused)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t value, start;

	while (toucher.runs) {
		start = us_since(0);
		if (load_word(word(ram, DURING), &value))
			toucher.served++;
		else
			toucher.refused++;
		note_longest(&toucher.longest_us, start);
		nanosleep(&pause, NULL);
	}
	return unused;
}

static void *read_all_along(void *unused)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t value, start;

	while (toucher.runs) {
		start = us_since(0);
		if (pread(fd, &value, 8, toucher.offset) == 8) {
			toucher.rw_served++;
		} else {
			toucher.rw_refused++;
			toucher.rw_errno = errno;
		}
		note_longest(&toucher.rw_longest_us, start);
		if (!load_word(other_ram, &value))
			toucher.others_refused++;
		nanosleep(&pause, NULL);
	}
	return unused;
}

static void toucher_stop(void)
{
	if (!toucher.runs)
		return;
	usleep(10000);
	toucher.runs = false;
	pthread_join(toucher.thread, NULL);
	pthread_join(toucher.rw_thread, NULL);
}

static void toucher_start(void)
{
	memset(&toucher, 0, sizeof(toucher));
	toucher.offset = region_offset(fd);
	toucher.runs = true;
	CHECK(!pthread_create(&toucher.thread, NULL, touch_all_along, NULL));
	CHECK(!pthread_create(&toucher.rw_thread, NULL, read_all_along, NULL));
	finally(toucher_stop);
	usleep(10000);
}

/* A second process with a mapping of its own; touches it on request. */
static struct {
	pid_t pid;
	int to, from;
} child;

static void child_run(int in, int out)
{
	volatile uint64_t *own = map_region(fd, 0, GPU_SIZE);
	uint64_t value;
	char c;

	while (read(in, &c, 1) == 1) {
		CHECK(load_word(word(own, CHILDS), &value));
		CHECK_EQ(value, 0xc41d);
		CHECK_EQ(write(out, &c, 1), 1);
	}
	_exit(0);
}

static void child_stop(void)
{
	if (child.pid) {
		kill(child.pid, SIGKILL);
		waitpid(child.pid, NULL, 0);
	}
	child.pid = 0;
}

static void child_start(void)
{
	int to[2], from[2];

	CHECK(!pipe(to) && !pipe(from));
	child.pid = fork();
	CHECK(child.pid >= 0);
	finally(child_stop);
	if (!child.pid) {
		close(to[1]);
		close(from[0]);
		child_run(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	child.to = keep(to[1], "pipe");
	child.from = keep(from[0], "pipe");
}

static void child_touch(void)
{
	char c = 0;

	CHECK_EQ(write(child.to, &c, 1), 1);
	CHECKF(read(child.from, &c, 1) == 1, "the child is gone");
}

/* Nobody gets in meanwhile: accesses wait for the end, or are refused. */
static void check_toucher(bool waits)
{
	if (waits) {
		CHECKF(!toucher.refused && !toucher.rw_refused,
		       "%u touches and %u copies were refused", toucher.refused,
		       toucher.rw_refused);
		CHECKF(toucher.longest_us >= SHORTEST_US &&
		       toucher.rw_longest_us >= SHORTEST_US,
		       "the longest touch took %llu us, the longest read %llu",
		       (unsigned long long)toucher.longest_us,
		       (unsigned long long)toucher.rw_longest_us);
	} else {
		CHECKF(toucher.refused, "no touch was refused meanwhile");
		CHECKF(toucher.rw_refused, "no read was refused meanwhile");
		CHECK_EQ(toucher.rw_errno, EIO);
	}
}

/* All that has to hold for any kind of reset; @waits: or of an error's recovery. */
static void check_closed(void (*reset)(void), bool waits)
{
	char *trace;

	two_gpus();
	put(word(ram, MINE), 0x31);
	put(word(ram, CHILDS), 0xc41d);
	put(word(other_ram, MINE), 0x32);
	child_start();
	child_touch();
	trace_start();
	CHECK_EQ(get(word(ram, MINE)), 0x31);
	child_touch();
	trace = trace_stop();
	CHECKF(!strstr(trace, "mmap_fault"), "a page that was in faulted");

	toucher_start();
	reset();
	toucher_stop();
	CHECKF(toucher.served && toucher.rw_served,
	       "%u touches, %u reads were served", toucher.served,
	       toucher.rw_served);
	check_toucher(waits);
	CHECK_EQ(toucher.others_refused, 0);

	trace_start();
	CHECK_EQ(get(word(ram, MINE)), 0x31);
	CHECK_EQ(get(word(other_ram, MINE)), 0x32);
	child_touch();
	trace = trace_stop();
	CHECKF(faulted(trace, gpu, GPU_BASE + MINE * BLOCK),
	       "the mapping survived:\n%s", trace);
	CHECKF(faulted(trace, gpu, GPU_BASE + CHILDS * BLOCK),
	       "the second process's mapping survived:\n%s", trace);
	CHECKF(!strstr(trace, other), "the other GPU's mapping went:\n%s",
	       trace);
	CHECK_EQ(phys_read(GPU_BASE + MINE * BLOCK), 0x31);
	put(word(ram, MINE), 0x33);
	CHECK_EQ(phys_read(GPU_BASE + MINE * BLOCK), 0x33);
}

static void check_reset(void (*reset)(void))
{
	check_closed(reset, true);
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

const struct test reset_tests[] = {
	TEST(reset, device_reset_D7),
	TEST(reset, hot_reset_D7),
	TEST(reset, hot_reset_of_a_bridge_D7),
	TEST(reset, sysfs_reset_D7),
	TEST(reset, hooks_D7),
	TEST(reset, error_recovery_D7),
	TEST(reset, atsd_mapping_stays),
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
