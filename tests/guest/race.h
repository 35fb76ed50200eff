/* SPDX-License-Identifier: GPL-2.0-only */
/* race.c: what reaches GPU RAM from all sides while a test resets the GPU. */
#ifndef RACE_H
#define RACE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * What is known about the GPU. An access must not begin and end while it is BLOCKED.
 */
enum { OPEN, MOVING, BLOCKED };

enum { TOUCHER, TOUCHER2, COPIER, MAPPER, OTHER_PROCESS, NR_WORKERS };
struct worker {
	void (*access)(struct worker *w);
	uint64_t seed, served;
	/* Of them, with the GPU open all the time; and while it became something else. */
	uint64_t known_served, met;
	char error[128];
};

/* Seen by the second process as well. */
struct race {
	uint64_t state;			/* count << 2 | OPEN, MOVING or BLOCKED */
	uint64_t progress;		/* rounds */
	bool stop;
	struct timespec pause;		/* after each access; 0: only yield */
	struct worker workers[NR_WORKERS];
};

extern struct race *race;
extern const char *race_gpu;
extern int race_fd;
extern volatile uint64_t *race_ram;

void race_set_up(long pause_ns);
void race_become(unsigned int what);
void race_run(const char *(*rounds)(void));
void race_stop(void);
bool race_stopped(void);
void race_round_is_over(void);
bool race_complained(void);
void race_check_workers(uint64_t least_served, uint64_t least_met);

#endif /* RACE_H */
