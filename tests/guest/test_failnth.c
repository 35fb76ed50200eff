// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations and user copies fail, one after the other: the first of a call,
 * then the second, until the call ends without having met the failure. Each
 * time it fails with an errno and leaves nothing, or does without. Needs the
 * debug kernel (fault injection); kmemleak looks for what was lost.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "failnth.h"
#include "nvtest.h"

#define FAULTS	"/sys/kernel/debug/"
#define MOST	600	/* failures of one call; far more than any has */

static int fail_nth = -1;

static const char *gpu, *bridge;
static int group, gpu_fd, bridge_fd;

void set_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	/* Writing the number copies it, and that may be what fails. */
	if (pwrite(fail_nth, text, len, 0) != len)
		CHECK_EQ(pwrite(fail_nth, text, len, 0), len);
}

/* 0: the failure was met. Asking copies as well, and may be what meets it. */
unsigned int get_nth(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		return 1;
	return strtoul(text, NULL, 10);
}

/* All allocations count, also those that may wait; none is in the log. */
void faults_on(void)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy",
	};
	char path[128];
	size_t i;

	CHECKF(!access(FAULTS "failslab", F_OK),
	       "this kernel injects no faults; run it in 6.12-debug");
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(path, sizeof(path), FAULTS "%s/verbose", kinds[i]);
		write_text(path, "0");
		snprintf(path, sizeof(path), FAULTS "%s/ignore-gfp-wait",
			 kinds[i]);
		if (!access(path, F_OK))
			write_text(path, "N");
	}
	fail_nth = keep(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC),
			"/proc/thread-self/fail-nth");
}

static bool may_fail_with(const struct call *call, int err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(call->errors) && call->errors[i]; i++)
		if (call->errors[i] == err)
			return true;
	return false;
}

struct met {
	unsigned int failures, errors;
};

static struct met exhaust_kinds(const struct call *call, const char *kinds)
{
	struct met met = { 0 };
	unsigned int nth;

	for (nth = 1; nth < MOST; nth++) {
		bool failed;
		int err;

		set_nth(nth);
		err = call->run();
		failed = !get_nth();
		set_nth(0);
		if (!failed) {
			CHECKF(!err, "failed without a failure: %s",
			       strerror(err));
			break;
		}
		CHECKF(!err || may_fail_with(call, err),
		       "failure %u ended in %s", nth, strerror(err));
		met.errors += !!err;
	}
	CHECK(nth < MOST);
	met.failures = nth - 1;
	note("%u failures of %s, %u of them errors", met.failures, kinds,
	     met.errors);
	/* And once more, undisturbed. */
	CHECK_EQ(call->run(), 0);
	return met;
}

/*
 * Runs a call until it meets no failure any more; how many it met. First without
 * those of whole pages: the slabs take them now and then, which shifts the count
 * by one, and then a place is passed over.
 */
static unsigned int exhaust_once(const struct call *call)
{
	struct met objects, all;

	write_text(FAULTS "fail_page_alloc/min-order", "31");
	objects = exhaust_kinds(call, "objects and copies");
	write_text(FAULTS "fail_page_alloc/min-order", "0");
	all = exhaust_kinds(call, "objects, copies and pages");
	CHECKF(objects.errors || all.errors || !call->errors[0],
	       "no failure was an error");
	return objects.failures > all.failures ? objects.failures : all.failures;
}

/* Slabs are filled otherwise each time: a repetition meets other places. */
unsigned int exhaust(const struct call *call)
{
	unsigned int i, least = MOST, met;

	for (i = 0; i < times; i++) {
		met = exhaust_once(call);
		least = met < least ? met : least;
	}
	return least;
}

static int finish(int fd)
{
	int err = fd < 0 ? errno : 0;

	if (fd >= 0) {
		set_nth(0);
		close(fd);
	}
	return err;
}

/* Closing must not lose the place in the count that get_nth() asks for. */
static int open_one(const char *bdf)
{
	unsigned int left;
	int err, fd;

	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	left = get_nth();
	err = finish(fd);
	set_nth(left);
	return err;
}

static int open_gpu(void)
{
	return open_one(gpu);
}

static int open_bridge(void)
{
	return open_one(bridge);
}

static void prepare(void)
{
	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	bridge = slots[0].bdf[1];
	group = device_group(gpu);
	faults_on();
}

static void prepare_open(void)
{
	prepare();
	gpu_fd = device_open(gpu);
	bridge_fd = device_open(bridge);
}

static void opening(void)
{
	static const struct call calls[] = {
		{ open_gpu, { ENOMEM, EFAULT } },
		{ open_bridge, { ENOMEM, EFAULT } },
	};

	prepare();
	CHECK(exhaust(&calls[0]) > 10);
	CHECK(exhaust(&calls[1]) > 10);
}

static void as_many_unbound_as_bound(void)
{
	unsigned int binds = 0, unbinds = 0;
	char *at;

	for (at = read_text(PARTITIONS); *at; at = strchr(at, '\n') + 1) {
		binds += !strncmp(at, "bind ", 5);
		unbinds += !strncmp(at, "unbind ", 7);
	}
	CHECK(binds > 0);
	CHECK_EQ(binds, unbinds);
}

static void open_for_a_vm_D10(void)
{
	static const struct call calls[] = {
		{ open_gpu, { ENOMEM, EFAULT } },
		{ open_bridge, { ENOMEM, EFAULT } },
	};

	prepare();
	vm_with(gpu);
	write_text(PARTITIONS, "\n");
	CHECK(exhaust(&calls[0]) > 10);
	as_many_unbound_as_bound();
	CHECK(exhaust(&calls[1]) > 10);
	as_many_unbound_as_bound();
}

/* The failure is in the close_D10, which must be whole: the GPU opens again. */
static int close_and_reopen(void)
{
	unsigned int left = get_nth();
	int fd;

	set_nth(0);
	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, gpu);
	CHECKF(fd >= 0, "opening %s: %s", gpu, strerror(errno));
	set_nth(left);
	close(fd);
	left = get_nth();
	set_nth(0);
	as_many_unbound_as_bound();
	write_text(PARTITIONS, "\n");
	set_nth(left);
	return 0;
}

static void close_D10(void)
{
	static const struct call call = { close_and_reopen, { 0 } };

	prepare();
	vm_with(gpu);
	write_text(PARTITIONS, "\n");
	CHECK(exhaust(&call) >= 1);
}

static int ask_region(int fd)
{
	char buf[4096];
	struct vfio_region_info *info = (void *)buf;

	memset(buf, 0, sizeof(*info));
	info->argsz = sizeof(buf);
	info->index = REGION;
	return ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info) ? errno : 0;
}

static int ask_gpu(void)
{
	return ask_region(gpu_fd);
}

static int ask_bridge(void)
{
	return ask_region(bridge_fd);
}

static void asking_for_regions(void)
{
	static const struct call calls[] = {
		{ ask_gpu, { ENOMEM, EFAULT } },
		{ ask_bridge, { ENOMEM, EFAULT } },
	};

	prepare_open();
	CHECK(exhaust(&calls[0]) >= 3);
	CHECK(exhaust(&calls[1]) >= 4);
}

static uint64_t gpu_offset, bridge_offset;

static int map_one(int fd, uint64_t offset, size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			offset);
	unsigned int left = get_nth();
	int err = at == MAP_FAILED ? errno : 0;

	set_nth(0);
	if (!err)
		CHECK(!munmap(at, len));
	set_nth(left);
	return err;
}

static int map_gpu(void)
{
	return map_one(gpu_fd, gpu_offset, GPU_SIZE);
}

static int map_bridge(void)
{
	return map_one(bridge_fd, bridge_offset, ATSD_SIZE);
}

static void mmap_D12(void)
{
	static const struct call calls[] = {
		{ map_gpu, { ENOMEM } },
		{ map_bridge, { ENOMEM } },
	};

	prepare_open();
	gpu_offset = region_offset(gpu_fd);
	bridge_offset = region_offset(bridge_fd);
	CHECK(exhaust(&calls[0]) >= 3);
	CHECK(exhaust(&calls[1]) >= 1);
}

static char *buffer;

static int checked(ssize_t len, size_t want)
{
	if (len < 0)
		return errno;
	return len == (ssize_t)want ? 0 : EIO;
}

static int read_ram(void)
{
	return checked(pread(gpu_fd, buffer, 8192, gpu_offset), 8192);
}

static int write_ram(void)
{
	return checked(pwrite(gpu_fd, buffer, 8192, gpu_offset), 8192);
}

static int read_register(void)
{
	return checked(pread(bridge_fd, buffer, 8, bridge_offset), 8);
}

static int write_register(void)
{
	return checked(pwrite(bridge_fd, buffer, 8, bridge_offset), 8);
}

/* A copy may also end short, which checked() calls EIO. */
static void read_and_write(void)
{
	static const struct call calls[] = {
		{ read_ram, { ENOMEM, EFAULT, EIO } },
		{ write_ram, { ENOMEM, EFAULT, EIO } },
		{ read_register, { EFAULT } },
		{ write_register, { EFAULT } },
	};
	size_t i;

	prepare_open();
	gpu_offset = region_offset(gpu_fd);
	bridge_offset = region_offset(bridge_fd);
	buffer = aligned_alloc(65536, 65536);
	CHECK(buffer);
	memset(buffer, 1, 65536);
	for (i = 0; i < ARRAY_LEN(calls); i++)
		CHECK(exhaust(&calls[i]) >= 1);
	free(buffer);
}

/* A page that cannot be put in is tried again until it can. */
static int touch(void)
{
	volatile char *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
				 MAP_SHARED, gpu_fd, gpu_offset);
	unsigned int left;

	if (at == MAP_FAILED)
		return errno;
	*at = 1;
	left = get_nth();
	set_nth(0);
	CHECK(!munmap((void *)at, 65536));
	set_nth(left);
	return 0;
}

static void touching(void)
{
	static const struct call call = { touch, { ENOMEM } };

	prepare_open();
	gpu_offset = region_offset(gpu_fd);
	CHECK(exhaust(&call) >= 4);
}

const struct test failnth_tests[] = {
	TEST(failnth, opening),
	TEST(failnth, open_for_a_vm_D10),
	TEST(failnth, close_D10),
	TEST(failnth, asking_for_regions),
	TEST(failnth, mmap_D12),
	TEST(failnth, touching),
	TEST(failnth, read_and_write),
	{ NULL, NULL }
};
