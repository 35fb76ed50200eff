// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of resets and of everything else that blocks GPU RAM begin with
 * and ask for.
 */

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "nvtest.h"
#include "two_gpus.h"

#define PATIENCE_SECONDS	20

const char *gpu, *bridge, *other;	/* functions */
int fd, other_fd;
volatile uint64_t *ram, *other_ram;
size_t page;

static void waiters_join(void);

/* Two GPUs in two slots, both open and mapped. */
void two_gpus(void)
{
	/* Before the hooks, so that it is after them at the end. */
	finally(waiters_join);
	machine_need(2, 4);
	sim_load("gpu=%s,%s bridge=%s@0,%s@0,%s@0,%s@1 base=%#llx,%#llx size=%#llx,%#llx",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[0].bdf[2], slots[0].bdf[3], slots[1].bdf[1],
		 GPU_BASE, GPU_BASE + GPU_SIZE, GPU_SIZE, GPU_SIZE);
	gpu = slots[0].bdf[0];
	bridge = slots[0].bdf[1];
	other = slots[1].bdf[0];
	page = page_size();
	fd = device_open(gpu);
	other_fd = device_open(other);
	ram = map_region(fd, 0, GPU_SIZE);
	other_ram = map_region(other_fd, 0, GPU_SIZE);
}

volatile uint64_t *word(volatile uint64_t *at, unsigned int nr)
{
	return at + nr * BLOCK / 8;
}

/* A word that must be there. */
uint64_t get(volatile uint64_t *at)
{
	uint64_t value;

	CHECKF(load_word(at, &value), "a touch got SIGBUS");
	return value;
}

void put(volatile uint64_t *at, uint64_t value)
{
	get(at);
	*at = value;
}

/* Nobody gets at the GPU's RAM, in whatever way, and is refused at once. */
void check_refused(int gpu_fd, volatile uint64_t *at)
{
	uint64_t value;

	CHECK(!load_word(word(at, MINE), &value));
	CHECK_ERR(region_read(gpu_fd, &value, 8, 0), EIO);
	value = 0xbad;
	CHECK_ERR(region_write(gpu_fd, &value, 8, 0), EIO);
}

/* Accesses that wait, each in a thread of its own. */
static struct waiter {
	pthread_t thread;
	volatile uint64_t *at;		/* a touch; NULL: a copy */
	int fd;
	bool out;
	uint64_t pos;
	volatile bool ended, served;
} waiters[24];
static unsigned int nr_waiters;

static void *wait_for_access(void *arg)
{
	struct waiter *w = arg;
	uint64_t value = 0;

	if (w->at)
		w->served = load_word(w->at, &value);
	else if (w->out)
		w->served = pwrite(w->fd, &value, 8, w->pos) == 8;
	else
		w->served = pread(w->fd, &value, 8, w->pos) == 8;
	w->ended = true;
	return NULL;
}

static bool joined(struct waiter *w)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += PATIENCE_SECONDS;
	return !pthread_timedjoin_np(w->thread, NULL, &limit);
}

/* Whatever a test that failed has blocked is open by now, or will never be. */
static void waiters_join(void)
{
	while (nr_waiters)
		joined(&waiters[--nr_waiters]);
}

static void start_waiter(struct waiter w)
{
	CHECK(nr_waiters < ARRAY_LEN(waiters));
	waiters[nr_waiters] = w;
	CHECK(!pthread_create(&waiters[nr_waiters].thread, NULL, wait_for_access,
			      &waiters[nr_waiters]));
	nr_waiters++;
}

/* Who would get at the GPU's RAM, in whatever way, waits; check_open() looks at the end. */
void check_waits(int gpu_fd, volatile uint64_t *at)
{
	uint64_t pos = region_offset(gpu_fd);
	unsigned int i;

	start_waiter((struct waiter) { .at = word(at, MINE) });
	start_waiter((struct waiter) { .fd = gpu_fd, .pos = pos });
	start_waiter((struct waiter) { .fd = gpu_fd, .pos = pos + 8, .out = true });
	usleep(20000);
	for (i = 0; i < nr_waiters; i++)
		CHECKF(!waiters[i].ended, "access %u did not wait, and was %s", i,
		       waiters[i].served ? "served" : "refused");
}

static void check_waiters_are_served(void)
{
	unsigned int i;

	for (i = 0; i < nr_waiters; i++) {
		CHECKF(joined(&waiters[i]), "access %u still waits", i);
		CHECKF(waiters[i].served, "access %u was refused after its wait", i);
	}
	nr_waiters = 0;
}

/* It is open, also for those that have waited. */
void check_open(int gpu_fd, volatile uint64_t *at)
{
	uint64_t value;

	check_waiters_are_served();
	CHECK(load_word(word(at, MINE), &value));
	CHECK_EQ(region_write(gpu_fd, &value, 8, 0), 8);
	CHECK_EQ(region_read(gpu_fd, &value, 8, 0), 8);
}
