// SPDX-License-Identifier: GPL-2.0-only
/* The attack: one process of two threads, and what each of them leaves behind. */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "attack.h"

const struct op attack_ops[] = {
	{ "open", op_open, 30, 100 },
	{ "close", op_close, 20, 60 },
	{ "dup", op_dup, 10, 30 },
	{ "send fd", op_send, 10, 30 },
	{ "receive fd", op_receive, 10, 30 },
	{ "steal fd", op_steal, 10, 10 },
	{ "mmap", op_mmap, 100, 250 },
	{ "mmap, hostile", op_mmap_hostile, 60, 0 },
	{ "mmap BAR 0", op_mmap_bar, 10, 30 },
	{ "mmap plain memory", op_mmap_anon, 20, 80 },
	{ "munmap", op_munmap, 40, 200 },
	{ "mremap, smaller", op_mremap_shrink, 20, 15 },
	{ "mremap, hostile", op_mremap_hostile, 40, 0 },
	{ "mprotect", op_mprotect, 30, 80 },
	{ "madvise", op_madvise, 40, 30 },
	{ "mlock", op_mlock, 20, 40 },
	{ "msync", op_msync, 10, 20 },
	{ "load", op_load, 300, 600 },
	{ "store", op_store, 300, 400 },
	{ "pipe", op_pipe, 30, 30 },
	{ "process_vm", op_process_vm, 20, 10 },
	{ "/proc/self/mem", op_proc_mem, 20, 30 },
	{ "pread", op_pread, 100, 100 },
	{ "pwrite", op_pwrite, 100, 80 },
	{ "preadv", op_preadv, 30, 20 },
	{ "region info", op_region_info, 40, 40 },
	{ "device info", op_device_info, 10, 30 },
	{ "hot reset info", op_hot_reset_info, 10, 20 },
	{ "reset", op_reset, 1, 2 },
	{ "other ioctl", op_ioctl, 10, 0 },
	{ "register memory", op_register, 40, 6 },
	{ "unregister memory", op_unregister, 20, 2 },
	{ "map for DMA", op_dma_map, 40, 2 },
	{ "unmap for DMA", op_dma_unmap, 20, 4 },
	{ "fork", op_fork, 6, 15 },
	{ "exec", op_exec, 1, 5 },
};
const unsigned int nr_attack_ops = ARRAY_LEN(attack_ops);

static __thread sigjmp_buf fault;
static __thread volatile sig_atomic_t fault_expected;
static __thread struct attacker *this;

/* splitmix64 */
uint64_t attack_random(uint64_t *rng)
{
	uint64_t z = (*rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t pick(struct attacker *me, uint64_t below)
{
	return attack_random(&me->rng) % below;
}

bool one_in(struct attacker *me, unsigned int n)
{
	return !pick(me, n);
}

/* The first finding is reported; it ends the process. */
void finding(unsigned int slot, const char *fmt, ...)
{
	int none = 0;
	va_list ap;

	if (atomic_compare_exchange_strong(&attack_state->found, &none, -1)) {
		va_start(ap, fmt);
		vsnprintf(attack_state->finding, sizeof(attack_state->finding),
			  fmt, ap);
		va_end(ap);
		atomic_store(&attack_state->found, slot + 1);
	}
	if (slot < SLOTS)
		_exit(1);
}

/* Ends an operation by what its system call returned. */
enum result ended(struct attacker *me, long long ret)
{
	me->step->ret = ret;
	me->step->err = ret < 0 ? errno : 0;
	if (ret >= 0)
		return DONE;
	return errno == ENOSYS || errno == EAFNOSUPPORT ? ABSENT : REFUSED;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!fault_expected)
		finding(this ? this->slot : 0,
			"signal %d in an attacker's own code, address %p", sig,
			info->si_addr);
	siglongjmp(fault, 1);
}

/* One access; false when it faults. */
bool guarded_touch(volatile void *at, unsigned int width, bool store,
		   uint64_t *value)
{
	volatile bool ok = false;

	if (sigsetjmp(fault, 0))
		goto out;
	fault_expected = 1;
	switch (width) {
	case 1:
		if (store)
			*(volatile uint8_t *)at = *value;
		else
			*value = *(volatile uint8_t *)at;
		break;
	case 4:
		if (store)
			*(volatile uint32_t *)at = *value;
		else
			*value = *(volatile uint32_t *)at;
		break;
	default:
		if (store)
			*(volatile uint64_t *)at = *value;
		else
			*value = *(volatile uint64_t *)at;
		break;
	}
	ok = true;
out:
	fault_expected = 0;
	return ok;
}

static void handle_faults(void)
{
	struct sigaction act = {
		.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static unsigned int total_weight(void)
{
	unsigned int i, sum = 0;

	for (i = 0; i < nr_attack_ops; i++)
		sum += attack_ops[i].weight;
	return sum;
}

static void do_one(struct attacker *me)
{
	struct slot_state *state = &attack_state->slot[me->slot];
	unsigned int i, nr, at = pick(me, total_weight());
	enum result result;

	for (i = 0; at >= attack_ops[i].weight; i++)
		at -= attack_ops[i].weight;

	nr = atomic_fetch_add(&state->steps, 1);
	me->step = &state->trail[nr % TRAIL];
	memset(me->step, 0, sizeof(*me->step));
	me->step->op = i;
	me->step->err = -1;	/* under way */
	result = attack_ops[i].run(me);
	if (me->step->err < 0)
		me->step->err = 0;
	atomic_fetch_add(&attack_state->count[i][result], 1);
}

static void *work(void *arg)
{
	struct attacker *me = arg;
	/* The first process usually outlives the round: see attack_dma.c. */
	unsigned int steps = 200 + pick(me, me->slot < THREADS ? 1U << 20 : 4000);

	this = me;
	while (steps--)
		do_one(me);
	/* Either thread ends the process, in the midst of what the other does. */
	_exit(0);
}

/* A child of an operation goes on for a while with what it has inherited. */
void worker_child(struct attacker *me)
{
	unsigned int steps = pick(me, 40);

	me->is_child = true;
	me->child = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (steps--)
		do_one(me);
	if (one_in(me, 3))
		op_exec(me);
	if (one_in(me, 2))
		kill(getpid(), SIGKILL);
	_exit(0);
}

static bool is_guarded(const char *at)
{
	uint64_t value = 0;

	return !guarded_touch((void *)at, 1, false, &value);
}

/*
 * Addresses, and behind them a guard: a length that is too long ends there, not
 * in whatever this process has mapped next to them.
 */
static void *reserve(size_t len, int prot)
{
	char *at;

	len = (len + page_size() - 1) & ~(page_size() - 1);
	at = mmap(NULL, len + GUARD, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED || mprotect(at, len, prot))
		_exit(3);
	if (!is_guarded(at + len) || !is_guarded(at + len + GUARD - 1))
		finding(0, "no guard behind an attacker's addresses");
	return at;
}

static void attacker_init(struct attacker *me, unsigned int slot, uint64_t seed)
{
	unsigned int i;

	memset(me, 0, sizeof(*me));
	me->slot = slot;
	me->rng = seed;
	for (i = 0; i < MAX_FDS; i++)
		me->fd[i] = -1;
	me->arena = reserve(ARENA, PROT_NONE);
	me->kind = reserve(ARENA / 4096, PROT_READ | PROT_WRITE);
	me->scratch = reserve(SCRATCH, PROT_READ | PROT_WRITE);
}

void worker_main(unsigned int process, uint64_t seed)
{
	static struct attacker thread[THREADS];
	unsigned int i;
	pthread_t id;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	handle_faults();
	check_inherited(process * THREADS);
	for (i = 0; i < THREADS; i++) {
		attacker_init(&thread[i], process * THREADS + i,
			      attack_random(&seed));
		atomic_store(&attack_state->slot[thread[i].slot].pid, getpid());
	}
	for (i = 0; i < THREADS; i++)
		thread[i].other = thread[(i + 1) % THREADS].arena;
	for (i = 1; i < THREADS; i++)
		if (pthread_create(&id, NULL, work, &thread[i]))
			finding(thread[i].slot, "no thread: %s",
				strerror(errno));
	work(&thread[0]);
	_exit(0);
}
