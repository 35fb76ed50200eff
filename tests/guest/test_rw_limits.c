// SPDX-License-Identifier: GPL-2.0-only
/* Copies that end early: a fatal signal (D15), memory that fails (D16). */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nvtest.h"

#define FAIL_READ	"/sys/kernel/debug/nvlink2-sim/fail_read"
/* Bytes the driver takes back where the kernel's copy cannot be believed. */
#define DOUBT		128

#define HUGE_SIZE	(768ULL << 20)

static void fail_at_hpa(uint64_t hpa)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)hpa);
	write_text(FAIL_READ, text);
}

static int gpu_open(void)
{
	sim_load_default(NULL);
	return device_open(slots[0].bdf[0]);
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static int huge_open(void)
{
	machine_need(1, 2);
	sim_load("gpu=%s bridge=%s@0 base=%#llx size=%#llx", slots[0].bdf[0],
		 slots[0].bdf[1], GPU_BASE, HUGE_SIZE);
	return device_open(slots[0].bdf[0]);
}

/*
 * A child copies three quarters of a GiB, over and over into the same pages,
 * and is killed in the middle. It ends within a small part of what the copy
 * takes.
 */
static void signal_ends_a_copy_D15(void)
{
	double whole, killed;
	int fd, status, ready[2];
	pid_t child;
	char *into;

	fd = huge_open();
	/* GPU RAM itself: as large as needed, and nothing to be allocated. */
	into = map_region(fd, 0, HUGE_SIZE);

	whole = now();
	CHECK_EQ(region_read(fd, into, HUGE_SIZE, 0), HUGE_SIZE);
	whole = now() - whole;

	CHECK(!pipe(ready));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		into = map_region(fd, 0, HUGE_SIZE);
		/* Once to have all pages in: a fault would see the signal too. */
		region_read(fd, into, HUGE_SIZE, 0);
		CHECK_EQ(write(ready[1], "", 1), 1);
		for (;;)
			region_read(fd, into, HUGE_SIZE, 0);
	}
	CHECK_EQ(read(ready[0], &status, 1), 1);
	close(ready[0]);
	close(ready[1]);
	usleep(whole * 1e6 / 4);
	killed = now();
	CHECK(!kill(child, SIGKILL));
	CHECK_EQ(waitpid(child, &status, 0), child);
	killed = now() - killed;
	note("a whole copy %.0f ms, the end of a killed one %.1f ms",
	     whole * 1e3, killed * 1e3);
	CHECKF(killed < whole / 8, "a killed copy took %.3f s of %.3f s",
	       killed, whole);
}

/* While one copies, another gets its turn: the pieces are short. */
static void others_run_meanwhile_D15(void)
{
	double longest = 0, last, start;
	int fd, status;
	pid_t child;
	char *into;

	fd = huge_open();
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		into = map_region(fd, 0, HUGE_SIZE);
		start = now();
		region_read(fd, into, HUGE_SIZE, 0);
		_exit(now() - start > 0.01 ? 0 : 1);
	}
	for (start = last = now(); !waitpid(child, &status, WNOHANG);) {
		double at = now();

		longest = at - last > longest ? at - last : longest;
		last = at;
		sched_yield();
	}
	start = now() - start;
	note("the longest pause %.1f ms, in %.0f ms", longest * 1e3,
	     start * 1e3);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	CHECKF(longest < start / 8, "a pause of %.3f s in %.3f s", longest,
	       start);
}

static void failing_first_byte_is_eio_D16(void)
{
	unsigned char buf[256];
	int fd = gpu_open();

	memset(buf, 0x5a, sizeof(buf));
	fail_at_hpa(GPU_BASE + 0x5000);
	CHECK_ERR(region_read(fd, buf, sizeof(buf), 0x5000), EIO);
	CHECK_EQ(buf[0], 0x5a);
	/* What lies beside it can be read. */
	CHECK_EQ(region_read(fd, buf, sizeof(buf), 0x6000), sizeof(buf));
	CHECK_EQ(region_read(fd, buf, sizeof(buf), 0x4f00), sizeof(buf));
	fail_at_hpa(0);
	CHECK_EQ(region_read(fd, buf, sizeof(buf), 0x5000), sizeof(buf));
}

static void failing_later_byte_is_a_short_count_D16(void)
{
	static unsigned char buf[3 << 20], want[3 << 20];
	static const uint64_t bad[] = { 0x1000, 0x1fffff, 0x200000, 0x2abcde };
	ssize_t len;
	size_t i;
	int fd = gpu_open();

	for (i = 0; i < sizeof(want); i++)
		want[i] = i * 13 + (i >> 12);
	CHECK_EQ(region_write(fd, want, sizeof(want), 0), sizeof(want));
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		fail_at_hpa(GPU_BASE + bad[i]);
		memset(buf, 0, sizeof(buf));
		len = region_read(fd, buf, sizeof(buf), 0);
		CHECKF(len <= (ssize_t)bad[i] &&
		       len >= (ssize_t)bad[i] - DOUBT,
		       "%zd bytes read up to a failure at %#llx", len,
		       (unsigned long long)bad[i]);
		CHECKF(!memcmp(buf, want, len), "the %zd bytes are not right",
		       len);
		CHECK_EQ(buf[bad[i]], 0);
	}
	fail_at_hpa(0);
	CHECK_EQ(region_read(fd, buf, sizeof(buf), 0), sizeof(buf));
	CHECK(!memcmp(buf, want, sizeof(buf)));
}

const struct test rw_limits_tests[] = {
	TEST(rw, signal_ends_a_copy_D15),
	TEST(rw, others_run_meanwhile_D15),
	TEST(rw, failing_first_byte_is_eio_D16),
	TEST(rw, failing_later_byte_is_a_short_count_D16),
	{ NULL, NULL }
};
