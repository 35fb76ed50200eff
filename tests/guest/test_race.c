// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that fault, copy and map while another resets (D7). What is watched:
 * no load that begins after a reset has begun succeeds before it ends, nothing
 * stands still, and nothing is passed by not having raced.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

/* A small window: each round unmaps all of it, and all of it is to be touched. */
#define RACE_SIZE	0x200000ULL
#define TOUCHERS	2
#define ROUNDS		10000
#define REAL_RESETS	40
#define STUCK_SECONDS	60

/*
 * Shared with the second process. @epoch is odd while GPU RAM is out of bounds
 * for certain: from after reset_prepare has returned to before reset_done.
 */
static struct shared {
	unsigned long epoch;
	unsigned long rounds, loads, buses, copies, refused, maps, remote;
	unsigned long leaks;
	bool stop;
} *race;

static int device;
static __thread sigjmp_buf *escape;

static unsigned long get(unsigned long *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void count(unsigned long *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST);
}

static bool stopped(void)
{
	return __atomic_load_n(&race->stop, __ATOMIC_SEQ_CST);
}

static void on_bus(int sig)
{
	if (escape)
		siglongjmp(*escape, sig);
	_exit(3);
}

/* One load; false when it got SIGBUS. */
static bool load(volatile uint8_t *at)
{
	sigjmp_buf here;
	bool ok = false;

	escape = &here;
	if (!sigsetjmp(here, 1)) {
		(void)*at;
		ok = true;
	}
	escape = NULL;
	return ok;
}

static bool alone(void)
{
	static long processors;

	if (!processors)
		processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors == 1;
}

/* One processor has to be given away; with two the others run anyway. */
static void let_others_run(void)
{
	if (alone())
		sched_yield();
}

/*
 * With two, one is for the resetting thread: waiting for its turn among all the
 * others would cost a round tens of milliseconds.
 */
static void go_first(bool first)
{
	struct sched_param priority = { .sched_priority = first ? 1 : 0 };

	if (!alone())
		CHECK(!pthread_setschedparam(pthread_self(),
					     first ? SCHED_FIFO : SCHED_OTHER,
					     &priority));
}

/*
 * A page that is touched once stays in until the next reset, so that each round
 * has faults on pages all over the window.
 */
static void touch_all_over(volatile uint8_t *ram, unsigned long *loads)
{
	size_t page = page_size(), pages = RACE_SIZE / page;
	unsigned int seed = (uintptr_t)&seed;
	unsigned long before;
	bool ok;

	while (!stopped()) {
		before = get(&race->epoch);
		ok = load(ram + rand_r(&seed) % pages * page);
		if (!ok) {
			count(&race->buses);
			/* One signal a reset is enough, and they are slow. */
			while (get(&race->epoch) == before && !stopped())
				let_others_run();
			continue;
		}
		count(loads);
		/* Began and ended inside one reset, and got through. */
		if (before & 1 && get(&race->epoch) == before)
			count(&race->leaks);
		if (!(rand_r(&seed) % 8))
			let_others_run();
	}
}

static void *toucher(void *ram)
{
	touch_all_over(ram, &race->loads);
	return NULL;
}

static void *copier(void *unused)
{
	static char buf[8192 + 128];
	uint64_t offset = region_offset(device);
	unsigned long before;
	ssize_t len;

	while (!stopped()) {
		before = get(&race->epoch);
		len = pread(device, buf, sizeof(buf), offset + 12345);
		if (len > 0 && before & 1 && get(&race->epoch) == before)
			count(&race->leaks);
		count(len == (ssize_t)sizeof(buf) ? &race->copies :
						    &race->refused);
		let_others_run();
	}
	return unused;
}

static void *mapper(void *unused)
{
	uint64_t offset = region_offset(device);
	size_t len = 4 * page_size();
	volatile uint8_t *at;

	while (!stopped()) {
		at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, device,
			  offset + len);
		if (at == MAP_FAILED)
			break;
		load(at);
		munmap((void *)at, len / 2);
		munmap((void *)(at + len / 2), len / 2);
		count(&race->maps);
		let_others_run();
	}
	return unused;
}

/* No round for a minute is a deadlock, which would otherwise only be silence. */
static void *watchdog(void *unused)
{
	unsigned long last = ~0UL;
	int idle = 0;

	while (!stopped() && idle < STUCK_SECONDS) {
		idle = get(&race->rounds) == last ? idle + 1 : 0;
		last = get(&race->rounds);
		sleep(1);
	}
	if (idle >= STUCK_SECONDS) {
		note("no round for %d s after %lu", STUCK_SECONDS, last);
		_exit(1);
	}
	return unused;
}

static void begin_race(void)
{
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(race != MAP_FAILED);
	machine_need(1, 2);
	sim_load("gpu=%s bridge=%s@0 base=%#llx size=%#llx", slots[0].bdf[0],
		 slots[0].bdf[1], GPU_BASE, RACE_SIZE);
	device = device_open(slots[0].bdf[0]);
}

static pid_t second_process(void)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	touch_all_over(map_region(device, 0, RACE_SIZE), &race->remote);
	_exit(0);
}

/* Runs @reset in this thread while all others do their worst. */
static void run_race(void (*reset)(void))
{
	struct sigaction act = { .sa_handler = on_bus }, bus, segv;
	pthread_t threads[TOUCHERS + 3];
	volatile void *ram;
	unsigned int i;
	pid_t child;
	int status;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	child = second_process();
	ram = map_region(device, 0, RACE_SIZE);
	for (i = 0; i < TOUCHERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, toucher, (void *)ram));
	CHECK(!pthread_create(&threads[i++], NULL, copier, NULL));
	CHECK(!pthread_create(&threads[i++], NULL, mapper, NULL));
	CHECK(!pthread_create(&threads[i], NULL, watchdog, NULL));

	go_first(true);
	reset();
	go_first(false);

	__atomic_store_n(&race->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	note("%lu rounds: %lu loads, %lu in the other process, %lu SIGBUS, %lu copies, %lu refused, %lu mappings",
	     race->rounds, race->loads, race->remote, race->buses, race->copies,
	     race->refused, race->maps);
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the other process ended with status %#x", status);
	CHECK_EQ(race->leaks, 0);
}

static void end_race(unsigned long rounds)
{
	volatile uint64_t *ram;

	CHECK_EQ(race->rounds, rounds);
	/* Afterwards it is a GPU like any other. */
	ram = map_region(device, 0, RACE_SIZE);
	ram[5] = 0xabcd;
	CHECK_EQ(phys_read(GPU_BASE + 40), 0xabcd);
	munmap(race, sizeof(*race));
}

static void prepare_and_done(void)
{
	const char *gpu = slots[0].bdf[0];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		sim_hook("prepare", gpu);
		count(&race->epoch);
		let_others_run();
		count(&race->epoch);
		sim_hook("done", gpu);
		let_others_run();
		count(&race->rounds);
	}
}

static void race_with_hooks(void)
{
	begin_race();
	run_race(prepare_and_done);
	CHECK(race->loads > ROUNDS);
	CHECK(race->remote > ROUNDS / 10);
	CHECK(race->buses > ROUNDS / 10);
	CHECK(race->copies > ROUNDS / 100);
	CHECK(race->refused > ROUNDS / 100);
	CHECK(race->maps > ROUNDS / 100);
	end_race(ROUNDS);
}

static void reset_for_real(void)
{
	char path[128];
	unsigned int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset",
		 slots[0].bdf[0]);
	for (i = 0; i < REAL_RESETS; i++) {
		if (i % 2)
			write_text(path, "1");
		else
			CHECK(!ioctl(device, VFIO_DEVICE_RESET));
		count(&race->rounds);
		count(&race->epoch);
		count(&race->epoch);
		/* A while in which all is well. */
		usleep(2000);
	}
}

static void race_with_resets(void)
{
	begin_race();
	run_race(reset_for_real);
	CHECK(race->loads > REAL_RESETS);
	CHECK(race->remote > REAL_RESETS);
	CHECK(race->buses > REAL_RESETS);
	CHECK(race->maps > 0);
	end_race(REAL_RESETS);
}

const struct test race_tests[] = {
	{ "race_ten_thousand_resets_D7", race_with_hooks },
	{ "race_real_resets_D7", race_with_resets },
	{ NULL, NULL }
};
