// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and a second process that touch GPU RAM, copy it, map and unmap it, while a test resets
 * the GPU. Whatever begins when the GPU is blocked waits until it is not, and nothing gets stuck.
 */

#include "race.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

/* Of real time, on a machine whose processors others may need more than it. */
#define STUCK_SECONDS	300
#define COPY_MAX	0x8000

static const char *const names[] = {
	"toucher", "second toucher", "copier", "mapper", "second process",
};

struct race *race;
const char *race_gpu;
int race_fd;
static uint64_t offset;
volatile uint64_t *race_ram;

static uint64_t now(void)
{
	uint64_t state;

	/* What was accessed before is done, what is accessed later is not. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	state = __atomic_load_n(&race->state, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return state;
}

void race_become(unsigned int what)
{
	uint64_t count = (race->state >> 2) + 1;

	__atomic_store_n(&race->state, count << 2 | what, __ATOMIC_SEQ_CST);
}

bool race_stopped(void)
{
	return __atomic_load_n(&race->stop, __ATOMIC_SEQ_CST);
}

void race_stop(void)
{
	__atomic_store_n(&race->stop, true, __ATOMIC_SEQ_CST);
}

void race_round_is_over(void)
{
	__atomic_add_fetch(&race->progress, 1, __ATOMIC_SEQ_CST);
}

/* Has a worker seen what must not be? More rounds would not make it worse. */
bool race_complained(void)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++)
		if (race->workers[i].error[0])
			return true;
	return false;
}

static uint64_t pick(struct worker *w, uint64_t below)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->seed >> 33) % below;
}

/* The round shows how many would have sufficed to find it. */
static void fail(struct worker *w, const char *what)
{
	if (!w->error[0])
		snprintf(w->error, sizeof(w->error), "%s in round %llu (%s)",
			 what, (unsigned long long)race->progress,
			 strerror(errno));
}

/* One access ended; @before is what was known when it began. */
static void judge(struct worker *w, uint64_t before, bool served)
{
	uint64_t after = now();

	w->served += served;
	if (!served)
		fail(w, "refused");
	if (before != after)
		w->met++;
	else if ((after & 3) == BLOCKED)
		fail(w, "served while the GPU was blocked");
	else if ((after & 3) == OPEN)
		w->known_served += served;
}

static void touch(struct worker *w)
{
	size_t page = page_size();
	uint64_t value, before;
	volatile uint64_t *at;

	at = race_ram + pick(w, GPU_SIZE / page) * page / 8;
	before = now();
	judge(w, before, load_word(at, &value));
}

static void copy(struct worker *w)
{
	static char buf[COPY_MAX];
	size_t len = 1 + pick(w, COPY_MAX);
	uint64_t pos = offset + pick(w, GPU_SIZE - len);
	bool out = pick(w, 2);
	uint64_t before = now();
	ssize_t ret;

	ret = out ? pwrite(race_fd, buf, len, pos) : pread(race_fd, buf, len, pos);
	judge(w, before, ret == (ssize_t)len);
}

static void map_and_touch(struct worker *w)
{
	size_t page = page_size(), len = (1 + pick(w, 8)) * page;
	uint64_t pos = pick(w, (GPU_SIZE - len) / page) * page;
	uint64_t value, before;
	volatile uint64_t *at;

	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, race_fd,
		  offset + pos);
	if (at == MAP_FAILED) {
		fail(w, "mmap failed");
		return;
	}
	before = now();
	judge(w, before, load_word(at, &value));
	if (munmap((void *)at, len))
		fail(w, "munmap failed");
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!race_stopped()) {
		w->access(w);
		if (race->pause.tv_nsec)
			nanosleep(&race->pause, NULL);
		else
			sched_yield();
	}
	return NULL;
}

static pid_t start_other_process(struct worker *w)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	race_ram = map_region(race_fd, 0, GPU_SIZE);
	work(w);
	_exit(0);
}

/* Who is stuck can be seen in the log; nothing else is left to be done. */
static void *watch(void *unused)
{
	uint64_t last = 0, progress;
	unsigned int seconds = 0;
	int out;

	while (!race_stopped()) {
		sleep(1);
		progress = __atomic_load_n(&race->progress, __ATOMIC_SEQ_CST);
		seconds = progress == last ? seconds + 1 : 0;
		last = progress;
		if (seconds < STUCK_SECONDS)
			continue;
		note("stuck for %u s in round %llu", STUCK_SECONDS,
		     (unsigned long long)progress);
		out = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
		if (write(out, "w", 1) != 1)
			note("no list of blocked tasks");
		_exit(1);
	}
	return unused;
}

/*
 * Runs the rounds against all workers. Nothing here may leave through CHECK()
 * while they run.
 */
void race_run(const char *(*rounds)(void))
{
	pthread_t threads[NR_WORKERS], watchdog;
	unsigned int i, started = 0;
	const char *error = NULL;
	int status = 0;
	pid_t pid;

	for (i = 0; i < NR_WORKERS; i++)
		race->workers[i].seed = i + 1;
	race->workers[OTHER_PROCESS].access = touch;
	pid = start_other_process(&race->workers[OTHER_PROCESS]);
	race->workers[TOUCHER].access = touch;
	race->workers[TOUCHER2].access = touch;
	race->workers[COPIER].access = copy;
	race->workers[MAPPER].access = map_and_touch;

	if (pthread_create(&watchdog, NULL, watch, NULL))
		error = "no thread for the watchdog";
	for (i = 0; !error && i < OTHER_PROCESS; i++) {
		if (pthread_create(&threads[i], NULL, work, &race->workers[i]))
			error = "no thread for a worker";
		else
			started++;
	}
	if (!error)
		error = rounds();

	race_stop();
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_join(watchdog, NULL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECKF(!error, "%s", error);
	CHECKF(!status, "the second process ended with status %#x", status);
}

/*
 * Every worker was there often enough, some when it began or ended, and none
 * saw what must not be.
 */
void race_check_workers(uint64_t least_served, uint64_t least_met)
{
	uint64_t overlapped = 0;
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];
		note("%s: %llu served, %llu of them with the GPU open throughout, %llu met a change",
		     names[i], (unsigned long long)w->served,
		     (unsigned long long)w->known_served,
		     (unsigned long long)w->met);
		if (w->error[0])
			note("%s: %s", names[i], w->error);
		overlapped += w->met;
	}
	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];

		CHECKF(!w->error[0], "%s: %s", names[i], w->error);
	}
	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];

		CHECKF(w->served >= least_served &&
		       w->met >= least_met,
		       "the %s was there too seldom", names[i]);
	}
	CHECKF(overlapped >= least_served, "only %llu accesses met a change",
	       (unsigned long long)overlapped);
}

void race_set_up(long pause_ns)
{
	uint64_t value;

	sim_load_default(NULL);
	race_gpu = slots[0].bdf[0];
	race_fd = device_open(race_gpu);
	offset = region_offset(race_fd);
	race_ram = map_region(race_fd, 0, GPU_SIZE);
	CHECK(load_word(race_ram, &value));
	if (!race)
		race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(race != MAP_FAILED);
	memset(race, 0, sizeof(*race));
	race->pause.tv_nsec = pause_ns;
}
