// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets against everything else that reaches GPU RAM: threads and a second
 * process that touch it, copy it, map and unmap it, while it is blocked and
 * unblocked as fast as it goes, and while what a fault brings changes: a leaf,
 * the pages of a block, one page. Nothing is served that began in between, and
 * nothing gets stuck.
 *
 * Where there is one processor only (-icount), threads would change where they
 * yield and nowhere else. So who resets runs at real-time priority and sleeps
 * for a random time: its timer takes the others in the midst of an access.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
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

#include "fault.h"
#include "nvtest.h"

/*
 * Of a run that is one of many; `nvtest --times N` does N times as much. Two
 * processors find a broken driver within 61 rounds (docs/lab.md). With one, a
 * round takes a twentieth of the time and meets less.
 */
#define ROUNDS		2000
#define ROUNDS_OF_ONE	10000
#define REAL_RESETS	100
/* Of real time, on a machine whose processors others may need more than it. */
#define STUCK_SECONDS	300
#define COPY_MAX	0x8000
#define PHASE_NS	40000		/* of a round: at most */

/*
 * What is known about the GPU. Not MOVING for as long as the whole of an
 * access: then the access must have ended that way.
 */
enum { OPEN, MOVING, BLOCKED };

enum { TOUCHER, TOUCHER2, COPIER, MAPPER, OTHER_PROCESS, NR_WORKERS };
static const char *const names[] = {
	"toucher", "second toucher", "copier", "mapper", "second process",
};

struct worker {
	void (*access)(struct worker *w);
	uint64_t seed, served, refused;
	/* Those of them whose outcome was known beforehand. */
	uint64_t known_served, known_refused;
	char error[128];
};

/* Seen by the second process as well. */
static struct race {
	uint64_t state;			/* count << 2 | OPEN, MOVING or BLOCKED */
	uint64_t progress;		/* rounds */
	bool stop;
	struct timespec pause;		/* after each access; 0: only yield */
	struct worker workers[NR_WORKERS];
} *race;

static const char *gpu;
static int fd;
static uint64_t offset;
static volatile uint64_t *ram;

static uint64_t now(void)
{
	uint64_t state;

	/* What was accessed before is done, what is accessed later is not. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	state = __atomic_load_n(&race->state, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return state;
}

static void become(unsigned int what)
{
	uint64_t count = (race->state >> 2) + 1;

	__atomic_store_n(&race->state, count << 2 | what, __ATOMIC_SEQ_CST);
}

static bool stopped(void)
{
	return __atomic_load_n(&race->stop, __ATOMIC_SEQ_CST);
}

static uint64_t pick(struct worker *w, uint64_t below)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->seed >> 33) % below;
}

static unsigned int nr_rounds(void)
{
	return (sysconf(_SC_NPROCESSORS_ONLN) > 1 ? ROUNDS : ROUNDS_OF_ONE) * times;
}

static unsigned int nr_resets(void)
{
	return REAL_RESETS * times;
}

/* The round tells how many would have sufficed to find it. */
static void complain(struct worker *w, const char *what)
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

	*(served ? &w->served : &w->refused) += 1;
	if (before != after)
		return;
	if ((after & 3) == BLOCKED) {
		w->known_refused += !served;
		if (served)
			complain(w, "served while the GPU was blocked");
	} else if ((after & 3) == OPEN) {
		w->known_served += served;
		if (!served)
			complain(w, "refused while the GPU was open");
	}
}

static void touch(struct worker *w)
{
	size_t page = page_size();
	uint64_t value, before;
	volatile uint64_t *at;

	at = ram + pick(w, GPU_SIZE / page) * page / 8;
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

	ret = out ? pwrite(fd, buf, len, pos) : pread(fd, buf, len, pos);
	/* A copy in two pieces may lose the second one to a reset. */
	if (ret < 0 && errno != EIO)
		complain(w, "a copy failed otherwise");
	else
		judge(w, before, ret > 0);
}

static void map_and_touch(struct worker *w)
{
	size_t page = page_size(), len = (1 + pick(w, 8)) * page;
	uint64_t pos = pick(w, (GPU_SIZE - len) / page) * page;
	uint64_t value, before;
	volatile uint64_t *at;

	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  offset + pos);
	if (at == MAP_FAILED) {
		complain(w, "mmap failed");
		return;
	}
	before = now();
	judge(w, before, load_word(at, &value));
	if (munmap((void *)at, len))
		complain(w, "munmap failed");
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!stopped()) {
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
	ram = map_region(fd, 0, GPU_SIZE);
	work(w);
	_exit(0);
}

/* Who is stuck can be seen in the log; nothing else is left to be done. */
static void *watch(void *unused)
{
	uint64_t last = 0, progress;
	unsigned int seconds = 0;
	int out;

	while (!stopped()) {
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
static void run(const char *(*rounds)(void))
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

	__atomic_store_n(&race->stop, true, __ATOMIC_SEQ_CST);
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
static void check_workers(uint64_t least_served, uint64_t least_refused)
{
	uint64_t overlapped = 0;
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];
		uint64_t known = w->known_served + w->known_refused;

		note("%s: %llu served, %llu refused, %llu of them known beforehand",
		     names[i], (unsigned long long)w->served,
		     (unsigned long long)w->refused,
		     (unsigned long long)known);
		if (w->error[0])
			note("%s: %s", names[i], w->error);
		overlapped += w->served + w->refused - known;
	}
	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];

		CHECKF(!w->error[0], "%s: %s", names[i], w->error);
	}
	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &race->workers[i];

		CHECKF(w->served >= least_served &&
		       w->known_refused >= least_refused,
		       "the %s was there too seldom", names[i]);
	}
	CHECKF(overlapped >= least_served, "only %llu accesses met a change",
	       (unsigned long long)overlapped);
}

static void set_up(long pause_ns)
{
	uint64_t value;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	fd = device_open(gpu);
	offset = region_offset(fd);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK(load_word(ram, &value));
	if (!race)
		race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(race != MAP_FAILED);
	memset(race, 0, sizeof(*race));
	race->pause.tv_nsec = pause_ns;
}

static int hooks, around_fd;
static char prepare[64], done[64];

static void open_hooks(void)
{
	hooks = keep(open("/sys/kernel/debug/nvlink2-sim/hooks",
			  O_WRONLY | O_CLOEXEC), "hooks");
	/* Both are as they were when the test is over. */
	fault_around("block");
	thp(true);
	around_fd = keep(open(FAULT_AROUND, O_WRONLY | O_CLOEXEC), FAULT_AROUND);
	snprintf(prepare, sizeof(prepare), "prepare %s", gpu);
	snprintf(done, sizeof(done), "done %s", gpu);
}

static bool call(const char *text)
{
	return write(hooks, text, strlen(text)) == (ssize_t)strlen(text);
}

static void round_is_over(void)
{
	__atomic_add_fetch(&race->progress, 1, __ATOMIC_SEQ_CST);
}

static void phase(void)
{
	struct timespec pause = { .tv_nsec = random() % PHASE_NS };

	nanosleep(&pause, NULL);
}

/*
 * What the next faults bring, as seen from the kernel (it asks for a block, or
 * does not) and from us. The second process keeps what it began with.
 */
static bool change_filling(unsigned int round)
{
	const char *around = round & 2 ? "page" : "block";

	return !prctl(PR_SET_THP_DISABLE, round & 1, 0, 0, 0) &&
	       pwrite(around_fd, around, strlen(around), 0) ==
	       (ssize_t)strlen(around);
}

/* Has a worker seen what must not be? More rounds would not make it worse. */
static bool somebody_complains(void)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++)
		if (race->workers[i].error[0])
			return true;
	return false;
}

static const char *round_of_hooks(unsigned int round)
{
	if (!change_filling(round))
		return "what a fault brings could not be changed";
	become(MOVING);
	if (!call(prepare))
		return "prepare failed";
	become(BLOCKED);
	phase();
	become(MOVING);
	if (!call(done))
		return "done failed";
	become(OPEN);
	phase();
	round_is_over();
	return NULL;
}

static const char *many_rounds(void)
{
	struct sched_param first = { .sched_priority = 1 }, usual = { 0 };
	const char *error = NULL;
	unsigned int i;

	/* Workers are there already and stay as they are. */
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		return "no real-time priority";
	for (i = 0; !error && i < nr_rounds() && !somebody_complains(); i++)
		error = round_of_hooks(i);
	if (sched_setscheduler(0, SCHED_OTHER, &usual))
		return "no usual priority";
	return error;
}

static void hooks_against_all_D7(void)
{
	set_up(0);
	open_hooks();
	run(many_rounds);
	note("%llu rounds", (unsigned long long)race->progress);
	check_workers(nr_rounds() / 50, nr_rounds() / 50);
}

/* While real resets begin and end, the GPU is held blocked now and then. */
static void *hold_now_and_then(void *unused)
{
	while (!stopped()) {
		if (!call(prepare))
			return "prepare failed";
		become(BLOCKED);
		usleep(150000);
		become(MOVING);
		if (!call(done))
			return "done failed";
		usleep(150000);
	}
	return unused;
}

static bool reset_once(bool sysfs, int sysfs_fd)
{
	if (sysfs)
		return pwrite(sysfs_fd, "1", 1, 0) == 1;
	while (ioctl(fd, VFIO_DEVICE_RESET)) {
		/* Somebody else has the device's lock, which it only tries. */
		if (errno != EAGAIN)
			return false;
		usleep(1000);
	}
	return true;
}

static const char *real_resets(void)
{
	const char *error = NULL;
	pthread_t holder;
	void *result;
	char path[64];
	unsigned int i;
	int sysfs_fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", gpu);
	sysfs_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (sysfs_fd < 0)
		return "no reset in sysfs";
	if (pthread_create(&holder, NULL, hold_now_and_then, NULL))
		return "no thread for the holder";
	for (i = 0; !error && i < nr_resets() && !somebody_complains(); i++) {
		if (!reset_once(i % 2, sysfs_fd))
			error = i % 2 ? "the reset in sysfs failed" :
					"VFIO_DEVICE_RESET failed";
		usleep(20000);
		round_is_over();
	}
	__atomic_store_n(&race->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(holder, &result);
	close(sysfs_fd);
	return error ? error : result;
}

static void real_resets_against_all_D7(void)
{
	uint64_t value;

	set_up(2000000);
	become(MOVING);
	open_hooks();
	run(real_resets);
	note("%u resets", nr_resets());
	/* A busy host gives each of them little time during a reset. */
	check_workers(nr_resets() / 5, nr_resets() / 2);
	CHECK(load_word(ram, &value));
}

const struct test race_tests[] = {
	TEST(race, hooks_against_all_D7),
	TEST(race, real_resets_against_all_D7),
	{ NULL, NULL }
};
