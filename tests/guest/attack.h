/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The attack: processes that own the descriptors of one GPU and its bridges do
 * with them what they like; nothing outside of the GPU's window and the
 * registers of its bridges may change, be read or break.
 *
 *	attack.c	rounds: set up, start and kill processes, look after them
 *	attack_check.c	what must not have changed
 *	attack_worker.c	one process: random numbers, its trail, faults
 *	attack_pick.c	where, and how much
 *	attack_fd.c	what it does with descriptors: open, pass on, ask, reset
 *	attack_rw.c	read and write
 *	attack_mem.c	what it does with addresses
 *	attack_dma.c	what it does with the container
 *	attack_fork.c	children, and other programs
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdatomic.h>

#include "nvtest.h"

/*
 * Physical memory: the window under attack lies between a zone that belongs to
 * nobody and the window of another GPU, the register sets of its three bridges
 * between one that belongs to nobody and those of other links.
 */
#define WINDOW		0x1000000ULL
#define OWN_BASE	0x88000000ULL
#define OWN_ATSD	0xc0010000ULL
#define OWN_ATSD_LEN	(3 * ATSD_SIZE)
#define NR_ROLES	4			/* a GPU and three bridges */

#define PROCESSES	4
#define THREADS		2			/* of each process */
#define SLOTS		(PROCESSES * THREADS)
#define TRAIL		48
#define MAX_FDS		6
#define MAX_RECENT	8
#define ARENA		(4 * WINDOW)
#define SCRATCH		0x400000UL
#define GUARD		(2 * WINDOW)	/* no buffer is longer */

/* How an operation ended. */
enum result { DONE, REFUSED, ABSENT, NR_RESULTS };

struct attacker;

/**
 * struct op - something an attacker does
 * @name: for people
 * @run: does it
 * @weight: how often, relative to the others
 * @need: how often it has to succeed in a minute, so that the attack is one
 */
struct op {
	const char *name;
	enum result (*run)(struct attacker *me);
	unsigned int weight;
	unsigned int need;
};

extern const struct op attack_ops[];
extern const unsigned int nr_attack_ops;
#define MAX_OPS		48

/* What was done, for whoever has to understand a finding. */
struct step {
	unsigned int op;
	int err;
	long long ret;
	unsigned long long arg[4];
};

struct slot_state {
	atomic_uint steps;		/* also a sign of life */
	atomic_int pid;
	struct step trail[TRAIL];
};

/* Shared by all processes. */
struct attack_state {
	atomic_int found;		/* 0, or 1 + the slot that found it */
	char finding[512];
	uint64_t atsd_size;		/* 0 in rounds without registers */
	atomic_uint count[MAX_OPS][NR_RESULTS];
	struct slot_state slot[SLOTS + 1];	/* the last one: who watches */
};
extern struct attack_state *attack_state;

enum kind { KIND_NONE, KIND_ANON, KIND_GPU, KIND_ATSD };

struct range {
	char *at;
	size_t len;
	enum kind kind;
};

/**
 * struct attacker - one thread; nothing of it is another thread's to change
 * @slot: its slot in attack_state
 * @rng: state of its random numbers
 * @is_child: forked in an operation; does not fork again
 * @child: process it forked, 0 when there is none
 * @step: what it is doing
 * @fd: its device descriptors, -1 when free; @fd_kind and @fd_off: what they
 *	are, and where their region begins
 * @arena: the addresses it maps at; @kind: what is there, by page
 * @other: the other thread's arena
 * @scratch: plain memory with nothing behind it
 * @recent: ranges it mapped, some of which may be gone
 * @dma: what it registered, and mapped for DMA, last
 */
struct attacker {
	unsigned int slot;
	uint64_t rng;
	bool is_child;
	pid_t child;
	struct step *step;
	int fd[MAX_FDS];
	enum kind fd_kind[MAX_FDS];
	uint64_t fd_off[MAX_FDS];
	char *arena, *other, *scratch;
	uint8_t *kind;
	struct range recent[MAX_RECENT];
	struct range dma;
	uint64_t iova;
};

/* attack.c: what the processes are born with */
extern int attack_group, attack_container, attack_socket[2];

/* attack_worker.c */
uint64_t attack_random(uint64_t *rng);
uint64_t pick(struct attacker *me, uint64_t below);
bool one_in(struct attacker *me, unsigned int n);
void finding(unsigned int slot, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
enum result ended(struct attacker *me, long long ret);
bool guarded_touch(volatile void *at, unsigned int width, bool store,
		   uint64_t *value);
void worker_main(unsigned int process, uint64_t seed)
	__attribute__((noreturn));
void worker_child(struct attacker *me) __attribute__((noreturn));

/* attack_check.c */
#define CHECKS		8	/* things that are compared, on every kernel */
bool is_foreign(uint64_t value);
void check_prepare(void);
void check_inherited(unsigned int slot);
void check_round(void);
unsigned int check_count(void);

/* attack_fd.c */
enum result op_open(struct attacker *me);
enum result op_close(struct attacker *me);
enum result op_dup(struct attacker *me);
enum result op_send(struct attacker *me);
enum result op_receive(struct attacker *me);
enum result op_steal(struct attacker *me);
enum result op_region_info(struct attacker *me);
enum result op_device_info(struct attacker *me);
enum result op_hot_reset_info(struct attacker *me);
enum result op_reset(struct attacker *me);
enum result op_ioctl(struct attacker *me);
int any_fd(struct attacker *me);
uint64_t fd_size(struct attacker *me, int i);

/* attack_rw.c */
enum result op_pread(struct attacker *me);
enum result op_pwrite(struct attacker *me);
enum result op_preadv(struct attacker *me);

/* attack_dma.c */
enum result op_register(struct attacker *me);
enum result op_unregister(struct attacker *me);
enum result op_dma_map(struct attacker *me);
enum result op_dma_unmap(struct attacker *me);

/* attack_pick.c */
uint64_t pick_pos(struct attacker *me, uint64_t size);
size_t pick_len(struct attacker *me, uint64_t size, uint64_t pos);
struct range *any_recent(struct attacker *me);
enum kind kind_at(struct attacker *me, const char *at);
void *pick_address(struct attacker *me);
char *pick_buffer(struct attacker *me, size_t *len);

/* attack_mem.c */
enum result op_mmap(struct attacker *me);
enum result op_mmap_hostile(struct attacker *me);
enum result op_mmap_bar(struct attacker *me);
enum result op_mmap_anon(struct attacker *me);
enum result op_munmap(struct attacker *me);
enum result op_mremap_shrink(struct attacker *me);
enum result op_mremap_hostile(struct attacker *me);
enum result op_mprotect(struct attacker *me);
enum result op_madvise(struct attacker *me);
enum result op_mlock(struct attacker *me);
enum result op_msync(struct attacker *me);
enum result op_load(struct attacker *me);
enum result op_store(struct attacker *me);
enum result op_pipe(struct attacker *me);
enum result op_process_vm(struct attacker *me);
enum result op_proc_mem(struct attacker *me);

/* attack_fork.c */
enum result op_fork(struct attacker *me);
enum result op_exec(struct attacker *me);

/* attack.c */
bool attack_arguments(int argc, char **argv);
void attack(void);

#endif /* ATTACK_H */
