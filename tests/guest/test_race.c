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
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "fault.h"
#include "nvtest.h"
#include "race.h"

/*
 * Of a run that is one of many; `nvtest --times N` does N times as much. Two
 * processors find a broken driver within 61 rounds (docs/lab.md). With one, a
 * round takes a twentieth of the time and meets less.
 */
#define ROUNDS		2000
#define ROUNDS_OF_ONE	10000
#define REAL_RESETS	100
#define PHASE_NS	40000		/* of a round: at most */

static unsigned int nr_rounds(void)
{
	return (sysconf(_SC_NPROCESSORS_ONLN) > 1 ? ROUNDS : ROUNDS_OF_ONE) * times;
}

static unsigned int nr_resets(void)
{
	return REAL_RESETS * times;
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
	snprintf(prepare, sizeof(prepare), "prepare %s", race_gpu);
	snprintf(done, sizeof(done), "done %s", race_gpu);
}

static bool call(const char *text)
{
	return write(hooks, text, strlen(text)) == (ssize_t)strlen(text);
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

static const char *round_of_hooks(unsigned int round)
{
	if (!change_filling(round))
		return "what a fault brings could not be changed";
	race_become(MOVING);
	if (!call(prepare))
		return "prepare failed";
	race_become(BLOCKED);
	phase();
	race_become(MOVING);
	if (!call(done))
		return "done failed";
	race_become(OPEN);
	phase();
	race_round_is_over();
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
	for (i = 0; !error && i < nr_rounds() && !race_complained(); i++)
		error = round_of_hooks(i);
	if (sched_setscheduler(0, SCHED_OTHER, &usual))
		return "no usual priority";
	return error;
}

static void hooks_against_all_D7(void)
{
	race_set_up(0);
	open_hooks();
	race_run(many_rounds);
	note("%llu rounds", (unsigned long long)race->progress);
	race_check_workers(nr_rounds() / 50, nr_rounds() / 50);
}

/* While real resets begin and end, the GPU is held blocked now and then. */
static void *hold_now_and_then(void *unused)
{
	while (!race_stopped()) {
		if (!call(prepare))
			return "prepare failed";
		race_become(BLOCKED);
		usleep(150000);
		race_become(MOVING);
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
	while (ioctl(race_fd, VFIO_DEVICE_RESET)) {
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

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", race_gpu);
	sysfs_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (sysfs_fd < 0)
		return "no reset in sysfs";
	if (pthread_create(&holder, NULL, hold_now_and_then, NULL))
		return "no thread for the holder";
	for (i = 0; !error && i < nr_resets() && !race_complained(); i++) {
		if (!reset_once(i % 2, sysfs_fd))
			error = i % 2 ? "the reset in sysfs failed" :
					"VFIO_DEVICE_RESET failed";
		usleep(20000);
		race_round_is_over();
	}
	race_stop();
	pthread_join(holder, &result);
	close(sysfs_fd);
	return error ? error : result;
}

static void real_resets_against_all_D7(void)
{
	uint64_t value;

	race_set_up(2000000);
	race_become(MOVING);
	open_hooks();
	race_run(real_resets);
	note("%u resets", nr_resets());
	/* A busy host gives each of them little time during a reset. */
	race_check_workers(nr_resets() / 5, nr_resets() / 5);
	CHECK(load_word(race_ram, &value));
}

const struct test race_tests[] = {
	TEST(race, hooks_against_all_D7),
	TEST(race, real_resets_against_all_D7),
	{ NULL, NULL }
};
