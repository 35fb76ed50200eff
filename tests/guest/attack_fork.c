// SPDX-License-Identifier: GPL-2.0-only
/* The attack: children, and other programs. */

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"

/* A child has nothing of its parent's mappings of the device. */
static void __attribute__((noreturn)) be_child(struct attacker *me)
{
	unsigned int i;
	uint64_t value;

	for (i = 0; i < 8; i++) {
		char *at = pick_address(me);
		enum kind kind = kind_at(me, at);

		if ((kind == KIND_GPU || kind == KIND_ATSD) &&
		    guarded_touch(at, 8, false, &value))
			finding(me->slot, "a child can read what its parent mapped, at %p",
				at);
	}
	worker_child(me);
}

enum result op_fork(struct attacker *me)
{
	uint64_t seed = attack_random(&me->rng);
	bool hurry = one_in(me, 4);

	if (me->is_child)
		return REFUSED;
	if (me->child > 0)
		waitpid(me->child, NULL, 0);
	/* Not fork(): its locks need futexes when the other thread forks too. */
	me->child = _Fork();
	if (!me->child) {
		me->rng = seed;
		be_child(me);
	}
	if (me->child > 0 && hurry)
		kill(me->child, SIGKILL);
	return ended(me, me->child);
}

/* A program that ends at once: the mappings go, some descriptors stay. */
enum result op_exec(struct attacker *me)
{
	static char *const argv[] = { "nvtest", "--list", "topology", NULL };
	static char *const env[] = { NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	unsigned int i;

	if (null < 0)
		return REFUSED;
	/* Nothing that succeeds comes back to be counted. */
	for (i = 0; attack_ops[i].run != op_exec; i++)
		;
	atomic_fetch_add(&attack_state->count[i][DONE], 1);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execve("/proc/self/exe", argv, env);
	return ended(me, -1);
}
