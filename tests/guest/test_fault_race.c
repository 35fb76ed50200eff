// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads in one block: one may be offered a leaf for it and the other, by
 * the time it comes, entries of pages, as transparent huge pages are switched on
 * and off meanwhile.
 *
 * Where there is one processor, a thread is taken out of a fault and the other put
 * in by their priorities, which a third one changes after a random time.
 */

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"
#include "nvtest.h"

#define ROUNDS		1500
#define BLOCKS		8
/* Of what both threads take for a block, in which a switch comes. */
#define PHASE_NS	12000
#define SWITCHES	4
#define STUCK_SECONDS	60

enum { LOW = 1, HIGH, SWITCHER };

static struct {
	struct view v;
	sem_t go[2], done;
	volatile bool stop;
} shared;

static bool priority(pthread_t thread, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return !pthread_setschedparam(thread, SCHED_FIFO, &param);
}

/* The one from the front, with stores; the other from behind, with loads. */
static void touch_block(bool front)
{
	size_t page = page_size(), nr = shared.v.len / page, i;

	for (i = 0; i < nr; i++) {
		if (front)
			*view_word(&shared.v, i * page + 8) = i;
		else
			(void)*view_word(&shared.v, (nr - 1 - i) * page);
	}
}

static void *touch_rounds(void *front)
{
	for (;;) {
		while (sem_wait(&shared.go[(size_t)front]))
			;
		if (shared.stop)
			return NULL;
		touch_block(front);
		sem_post(&shared.done);
	}
}

static void random_pause(void)
{
	struct timespec pause = { .tv_nsec = random() % PHASE_NS };

	nanosleep(&pause, NULL);
}

static const char *one_round(pthread_t *threads)
{
	unsigned int i, first = random() % 2;
	struct timespec limit;

	prctl(PR_SET_THP_DISABLE, random() % 2, 0, 0, 0);
	for (i = 0; i < 2; i++)
		sem_post(&shared.go[i]);
	for (i = 0; i < SWITCHES; i++, first = !first) {
		if (!priority(threads[first], HIGH) ||
		    !priority(threads[!first], LOW))
			return "no real-time priority";
		random_pause();
		prctl(PR_SET_THP_DISABLE, i % 2, 0, 0, 0);
	}
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += STUCK_SECONDS;
	for (i = 0; i < 2; i++)
		if (sem_timedwait(&shared.done, &limit))
			return "a thread is stuck";
	return NULL;
}

static const char *rounds(pthread_t *threads)
{
	const char *error = NULL;
	unsigned int i;

	for (i = 1; !error && i <= ROUNDS; i++) {
		/* In its place, so that nothing is there yet. */
		if (munmap(shared.v.at, shared.v.len) ||
		    map_region_at(shared.v.fd, shared.v.at,
				  i % BLOCKS * BLOCK, BLOCK) != shared.v.at)
			return "mmap failed";
		shared.v.pos = i % BLOCKS * BLOCK;
		error = one_round(threads);
		if (!error && *view_word(&shared.v, BLOCK - page_size()) !=
		    (*view_word(&shared.v, 0) + BLOCK - page_size()))
			error = "a page is in the wrong place";
	}
	return error;
}

static void two_threads_in_one_block(void)
{
	pthread_t threads[2], self = pthread_self();
	struct sched_param usual = { 0 };
	const char *error;
	size_t front;

	sim_load_default(NULL);
	stamp(GPU_BASE, GPU_SIZE);
	shared.v = view(device_open(slots[0].bdf[0]), 0, BLOCK, 0);
	shared.stop = false;
	CHECK(!sem_init(&shared.go[0], 0, 0) && !sem_init(&shared.go[1], 0, 0) &&
	      !sem_init(&shared.done, 0, 0));
	thp(true);
	for (front = 0; front < 2; front++)
		CHECK(!pthread_create(&threads[front], NULL, touch_rounds,
				      (void *)front));
	error = priority(self, SWITCHER) ? rounds(threads) :
					   "no real-time priority";
	pthread_setschedparam(self, SCHED_OTHER, &usual);
	shared.stop = true;
	for (front = 0; front < 2; front++) {
		sem_post(&shared.go[front]);
		pthread_join(threads[front], NULL);
	}
	CHECKF(!error, "%s", error);
	thp(true);
}

const struct test fault_race_tests[] = {
	TEST(fault, two_threads_in_one_block),
	{ NULL, NULL }
};
