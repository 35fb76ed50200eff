// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that has to hold while GPU RAM is closed, for whatever reason: a thread that
 * touches it, one that reads it and a second process wait or are refused, and find
 * no mapping of before.
 */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nvtest.h"
#include "two_gpus.h"

/* A reset takes longer than an access does that nobody holds up. */
#define SHORTEST_US	5000

bool faulted(const char *trace, const char *bdf, uint64_t hpa)
{
	char want[128];

	snprintf(want, sizeof(want), "mmap_fault: %s: %llx", bdf,
		 (unsigned long long)hpa);
	return strstr(trace, want);
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
void check_closed(void (*reset)(void), bool waits)
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

void check_reset(void (*reset)(void))
{
	check_closed(reset, true);
}
