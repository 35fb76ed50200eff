/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.c: what is measured, and how.
 *
 * The machine's clock counts instructions (-icount shift=0): one nanosecond each,
 * 512 ticks of the timebase a microsecond. So figures repeat, whatever else the
 * host does. They are instructions, and no time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB		(1ULL << 20)
#define BENCH_WINDOW	(1024 * MIB)
#define BENCH_COPIED	(64 * MIB)

/* How much is touched, and how often; a short run looks for regressions only. */
struct bench_plan {
	bool full;
	size_t len;
	unsigned int repeats;
};

extern struct bench_plan plan;
/* Descriptors: the GPU; a BAR behind stock vfio-pci; the module's two. */
extern int bench_gpu, bench_bar, bench_page, bench_populate;
extern uint64_t bench_bar_offset;

uint64_t bench_now(void);
uint64_t bench_ran(void);
void bench_result(uint64_t instructions, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void bench_gpu_open(uint64_t size);
void bench_gpu_close(void);

void bench_touch(void);
void bench_copy(void);
void bench_calls(void);

#endif /* BENCH_H */
