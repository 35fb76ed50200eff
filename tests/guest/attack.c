// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attack: rounds of a few seconds. Each round has a new container; its
 * processes are started again when they end and killed at random moments, then
 * all are killed, and what must not have changed is compared.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

#define ROUND_MS	5000
#define TICK_MS		20
/* Of real time, on a machine whose processors others may need more than it. */
#define SILENCE_MS	120000
/*
 * Where others need the processors it lasts longer, up to so many times what was asked
 * for. The lab's limit, which leaves out the time the emulator waits, comes before that
 * when something hangs.
 */
#define PATIENCE	32
/* Every so many rounds the bridges have no ATSD registers. */
#define BARE_ROUND	3

struct attack_state *attack_state;
int attack_group, attack_container, attack_socket[2] = { -1, -1 };

static unsigned int seconds = 60, rounds, started, killed;
static uint64_t first_seed;
static pid_t process[PROCESSES];
static struct {
	unsigned int steps;
	uint64_t since;
} life[SLOTS];
static int log_fd = -1;

bool attack_arguments(int argc, char **argv)
{
	char *end;

	if (argc > 2)
		return false;
	if (argc > 0) {
		seconds = strtoul(argv[0], &end, 10);
		if (*end || !seconds || seconds > 1000000)
			return false;
	}
	if (argc > 1) {
		first_seed = strtoull(argv[1], &end, 0);
		if (*end || end == argv[1])
			return false;
	}
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void show_trail(unsigned int slot, unsigned int last)
{
	const struct slot_state *state = &attack_state->slot[slot];
	unsigned int nr = atomic_load(&state->steps), i;

	for (i = nr > last ? nr - last : 0; i != nr; i++) {
		const struct step *step = &state->trail[i % TRAIL];

		note("%u %5u %s(%#llx, %#llx, %#llx, %#llx) = %lld%s%s", slot,
		     i, attack_ops[step->op].name, step->arg[0], step->arg[1],
		     step->arg[2], step->arg[3], step->ret,
		     step->err ? " " : "",
		     step->err < 0 ? "(under way)" :
		     step->err ? strerror(step->err) : "");
	}
}

/* Everybody's last steps, and all of those of whoever found something. */
static void show_trails(int guilty)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		show_trail(i, (int)i == guilty ? TRAIL : 6);
}

static void start_process(unsigned int nr, uint64_t *rng)
{
	uint64_t now = now_ms(), seed = attack_random(rng);
	unsigned int i;
	pid_t pid;

	for (i = nr * THREADS; i < (nr + 1) * THREADS; i++) {
		life[i].steps = atomic_load(&attack_state->slot[i].steps);
		life[i].since = now;
	}
	pid = fork();
	CHECKF(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		worker_main(nr, seed);
	process[nr] = pid;
	started++;
}

static void reap(uint64_t *rng, bool again)
{
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < PROCESSES && process[i] != pid; i++)
			;
		if (i == PROCESSES)
			continue;
		process[i] = 0;
		CHECKF(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL,
		       "process %u ended by signal %d", i, WTERMSIG(status));
		CHECKF(!WIFEXITED(status) || WEXITSTATUS(status) != 3,
		       "process %u had no memory", i);
		if (again)
			start_process(i, rng);
	}
}

static void look_for_life(void)
{
	uint64_t now = now_ms();
	unsigned int i, steps;

	for (i = 0; i < SLOTS; i++) {
		steps = atomic_load(&attack_state->slot[i].steps);
		if (steps != life[i].steps)
			life[i].since = now;
		life[i].steps = steps;
		CHECKF(now - life[i].since < SILENCE_MS,
		       "slot %u has done nothing for %d s", i,
		       SILENCE_MS / 1000);
	}
}

/* A splat, while it is still known what was done before. */
static void look_at_log(void)
{
	static const char *const signs[] = {
		"BUG", "WARNING: ", "Oops", "Call Trace:", "KASAN", "refcount_t:"
	};
	char line[4096];
	ssize_t len;
	size_t i;

	while ((len = read(log_fd, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if (strstr(line, "nvlab"))
			continue;
		for (i = 0; i < ARRAY_LEN(signs); i++)
			CHECKF(!strstr(line, signs[i]),
			       "the kernel has a warning: %s", line);
	}
}

static void look_at_findings(void)
{
	int found = atomic_load(&attack_state->found);

	CHECKF(found <= 0, "%s", attack_state->finding);
}

static void wait_for_all(void)
{
	uint64_t since = now_ms();
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		CHECKF(now_ms() - since < SILENCE_MS,
		       "a process does not end %d s after SIGKILL",
		       SILENCE_MS / 1000);
		if (!pid)
			usleep(1000);
	}
	CHECK(errno == ECHILD);
}

/* Kills all, those that became ours when their parent ended included. */
static void end_processes(void)
{
	unsigned int i;

	for (i = 0; i < PROCESSES; i++)
		if (process[i] > 0)
			kill(process[i], SIGKILL);
	wait_for_all();
	memset(process, 0, sizeof(process));
}

/* What the owner is entitled to still works. */
static void device_is_sane(uint64_t value)
{
	int gpu = device_open(slots[0].bdf[0]);
	volatile uint64_t *ram = map_region(gpu, 0, WINDOW);
	size_t last = WINDOW - 8;
	uint64_t got = 0;

	ram[0] = value;
	ram[last / 8] = ~value;
	CHECK_EQ(phys_read(OWN_BASE), value);
	CHECK_EQ(phys_read(OWN_BASE + last), ~value);
	CHECK_EQ(region_read(gpu, &got, 8, last), 8);
	CHECK_EQ(got, ~value);
	CHECK_EQ(region_write(gpu, &got, 8, 8), 8);
	CHECK_EQ(ram[1], ~value);
	CHECK_EQ(region_size(device_open(slots[0].bdf[1])),
		 attack_state->atsd_size);
}

static void round_setup(void)
{
	bool bare = rounds % BARE_ROUND == BARE_ROUND - 1;

	attack_state->atsd_size = bare ? 0 : ATSD_SIZE;
	sim_load("gpu=%s,%s bridge=%s@0,%s@0,%s@0,%s@1,%s@1,%s@1 base=%#llx,%#llx size=%#llx atsd_base=%#llx atsd_count=%u",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[0].bdf[2], slots[0].bdf[3], slots[1].bdf[1],
		 slots[1].bdf[2], slots[1].bdf[3], OWN_BASE, OWN_BASE + WINDOW,
		 WINDOW, OWN_ATSD, bare ? 0 : 8);
	attack_group = device_group(slots[0].bdf[0]);
	attack_container = device_container(slots[0].bdf[0]);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, attack_socket)) {
		CHECKF(errno == EAFNOSUPPORT || errno == ENOSYS,
		       "socketpair: %s", strerror(errno));
		attack_socket[0] = attack_socket[1] = -1;
		return;
	}
	keep(attack_socket[0], "socket");
	keep(attack_socket[1], "socket");
}

static void one_round(uint64_t *rng, uint64_t end)
{
	unsigned int i;

	round_setup();
	for (i = 0; i < PROCESSES; i++)
		start_process(i, rng);
	while (now_ms() < end) {
		usleep(TICK_MS * 1000);
		look_at_findings();
		look_at_log();
		look_for_life();
		reap(rng, true);
		if (attack_random(rng) % 16 == 0) {
			i = attack_random(rng) % PROCESSES;
			if (!i && attack_random(rng) % 8)
				continue;
			if (process[i] > 0 && !kill(process[i], SIGKILL))
				killed++;
		}
	}
	end_processes();
	look_at_findings();
	devices_close();
	check_round();
	device_is_sane(attack_random(rng));
	devices_close();
	look_at_log();
}

/* How often an operation has to succeed: an attack that did nothing has shown nothing. */
static unsigned int needed(unsigned int op)
{
	return attack_ops[op].need * seconds / 60;
}

/* What a kernel cannot do is not asked for. */
static bool too_few(unsigned int op)
{
	unsigned int n[NR_RESULTS], k;

	for (k = 0; k < NR_RESULTS; k++)
		n[k] = atomic_load(&attack_state->count[op][k]);
	if (n[ABSENT] && !n[DONE])
		return false;
	return n[DONE] < needed(op) || n[DONE] + n[REFUSED] < seconds / 12;
}

static bool enough_done(void)
{
	unsigned int i;

	for (i = 0; i < nr_attack_ops; i++)
		if (too_few(i))
			return false;
	return true;
}

static void judge_counts(void)
{
	unsigned int i, k, all = 0, bad = 0;

	for (i = 0; i < nr_attack_ops; i++) {
		unsigned int n[NR_RESULTS];

		for (k = 0; k < NR_RESULTS; k++)
			n[k] = atomic_load(&attack_state->count[i][k]);
		all += n[DONE] + n[REFUSED];
		note("%-20s %8u done %8u refused%s", attack_ops[i].name,
		     n[DONE], n[REFUSED], n[ABSENT] ? "  absent" : "");
		if (too_few(i)) {
			note("%s: too few, %u have to succeed",
			     attack_ops[i].name, needed(i));
			bad++;
		}
	}
	CHECKF(!bad, "%u operations were done too rarely", bad);
	CHECK_EQ(check_count(), (rounds + 1) * CHECKS);
	note("attack: %u operations, %u processes, %u of them killed, %u rounds, %u comparisons",
	     all, started, killed, rounds, check_count());
}

static void attack_rounds(void)
{
	uint64_t rng = first_seed, start = now_ms(), end, limit;

	end = start + seconds * 1000ULL;
	limit = start + PATIENCE * seconds * 1000ULL;
	for (;;) {
		uint64_t now = now_ms(), till = now + ROUND_MS;

		if (now >= end && !enough_done()) {
			note("attack: the machine is slow, going on after round %u",
			     rounds);
			end = now + ROUND_MS;
		}
		if (now >= end || now >= limit)
			break;
		one_round(&rng, till < end ? till : end);
		rounds++;
	}
}

/* Says what was done when it ends by a failed CHECK(), and leaves nobody. */
static void last_words(void)
{
	unsigned int i;
	bool mine = attack_state && getpid() == atomic_load(
			&attack_state->slot[SLOTS].pid);

	if (!mine || !started)
		return;
	for (i = 0; i < PROCESSES; i++)
		if (process[i] > 0)
			kill(process[i], SIGKILL);
	show_trails(atomic_load(&attack_state->found) - 1);
	note("attack: seed %#llx, round %u", (unsigned long long)first_seed,
	     rounds);
}

void attack(void)
{
	machine_need(2, 4);
	if (!first_seed)
		first_seed = now_ms() * 0x9e3779b97f4a7c15ULL ^ getpid();
	note("attack: seed %#llx, %u s", (unsigned long long)first_seed,
	     seconds);
	attack_state = mmap(NULL, sizeof(*attack_state), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(attack_state != MAP_FAILED);
	atomic_store(&attack_state->slot[SLOTS].pid, getpid());
	CHECK(nr_attack_ops <= MAX_OPS);
	CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECKF(log_fd >= 0, "/dev/kmsg: %s", strerror(errno));
	lseek(log_fd, 0, SEEK_END);
	atexit(last_words);
	driver_load();
	check_prepare();
	attack_rounds();
	judge_counts();
	driver_unload();
	started = 0;
	note("attack: nothing found");
}
