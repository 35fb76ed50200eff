/* SPDX-License-Identifier: GPL-2.0-only */
/* two_gpus.c: two GPUs in two slots, both open and mapped, and who gets at their RAM. */
#ifndef TWO_GPUS_H
#define TWO_GPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which block of the window is whose: a touch makes all of one present. */
enum { MINE, CHILDS, DURING };

extern const char *gpu, *bridge, *other;	/* functions */
extern int fd, other_fd;
extern volatile uint64_t *ram, *other_ram;
extern size_t page;

void two_gpus(void);
volatile uint64_t *word(volatile uint64_t *at, unsigned int nr);
uint64_t get(volatile uint64_t *at);
void put(volatile uint64_t *at, uint64_t value);
void check_refused(int gpu_fd, volatile uint64_t *at);
void check_waits(int gpu_fd, volatile uint64_t *at);
void check_open(int gpu_fd, volatile uint64_t *at);

/* reset_check.c */
bool faulted(const char *trace, const char *bdf, uint64_t hpa);
void check_closed(void (*reset)(void), bool waits);
void check_reset(void (*reset)(void));

#endif /* TWO_GPUS_H */
