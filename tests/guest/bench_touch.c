// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first touch of memory: each kind of it, in each pattern, by a load or by a
 * store; then the same touches once more, which is what they take anyway; then
 * the end of the mapping.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "fault.h"
#include "nvtest.h"

/*
 * How often as much is measured that is one call or one fault: the kernel's other
 * work, such as a list of free pages that runs empty, is larger than that, and meets
 * two of three.
 */
#define SMALL_REPEATS	5

enum pattern { SEQUENTIAL, RANDOM, SPARSE, NR_PATTERNS };
static const char *const pattern_names[] = { "sequential", "random", "sparse" };

struct kind {
	const char *name;
	int *fd;		/* NULL: anonymous memory */
	uint64_t (*offset)(void);
	const char *around;	/* of our driver */
	int advice;		/* of anonymous memory */
};

static uint64_t ours_offset(void)
{
	return region_offset(bench_gpu);
}

static uint64_t bar_offset(void)
{
	return bench_bar_offset;
}

static uint64_t no_offset(void)
{
	return 0;
}

static const struct kind kinds[] = {
	{ "block", &bench_gpu, ours_offset, "block", 0 },
	{ "page", &bench_gpu, ours_offset, "page", 0 },
	{ "original", &bench_page, no_offset, NULL, 0 },
	{ "bar", &bench_bar, bar_offset, NULL, 0 },
	{ "populate", &bench_populate, no_offset, NULL, 0 },
	{ "anonymous", NULL, no_offset, NULL, MADV_NOHUGEPAGE },
	{ "thp", NULL, no_offset, NULL, MADV_HUGEPAGE },
};

static char *at;			/* where all of it is mapped */
static uint32_t order[BENCH_WINDOW / 4096];

static void map(const struct kind *kind, uint64_t offset, size_t len)
{
	int flags = kind->fd ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *got = mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			 kind->fd ? *kind->fd : -1, offset);

	CHECKF(got == at, "mapping %s: %s", kind->name, strerror(errno));
	if (!kind->fd)
		CHECK(!madvise(at, len, kind->advice));
}

/* Every page once, in an order that repeats. */
static size_t make_order(enum pattern pattern, size_t len)
{
	size_t step = pattern == SPARSE ? BLOCK : page_size();
	size_t nr = len / step, i, k;
	uint64_t seed = 1;

	for (i = 0; i < nr; i++)
		order[i] = i * step / page_size();
	for (i = nr - 1; pattern == RANDOM && i > 0; i--) {
		uint32_t page = order[i];

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		k = (seed >> 33) % (i + 1);
		order[i] = order[k];
		order[k] = page;
	}
	return nr;
}

static __attribute__((noinline)) uint64_t loads(size_t nr, unsigned int shift)
{
	uint64_t start = bench_now();
	size_t i;

	for (i = 0; i < nr; i++)
		(void)*(volatile uint8_t *)(at + ((size_t)order[i] << shift));
	return bench_now() - start;
}

static __attribute__((noinline)) uint64_t stores(size_t nr, unsigned int shift)
{
	uint64_t start = bench_now();
	size_t i;

	for (i = 0; i < nr; i++)
		*(volatile uint8_t *)(at + ((size_t)order[i] << shift)) = 1;
	return bench_now() - start;
}

static void touch(const struct kind *kind, enum pattern pattern, bool store,
		  size_t len)
{
	unsigned int shift = __builtin_ctzll(page_size());
	size_t nr = make_order(pattern, len);
	uint64_t first, again, start;
	uint64_t offset = kind->offset();
	char name[48];

	if (kind->around)
		write_text(FAULT_AROUND, kind->around);
	snprintf(name, sizeof(name), "touch.%s.%s.%s.%llu", kind->name,
		 pattern_names[pattern], store ? "store" : "load", len / MIB);
	map(kind, offset, len);
	first = (store ? stores : loads)(nr, shift);
	again = (store ? stores : loads)(nr, shift);
	start = bench_now();
	CHECK(!munmap(at, len));
	bench_result(first, "%s.first", name);
	bench_result(again, "%s.again", name);
	bench_result(bench_now() - start, "%s.munmap", name);
}

/* What remap_pfn_range() takes for a page, and for a block's pages. */
static void populate(size_t len, const char *what)
{
	const struct kind kind = { "populate", &bench_populate, no_offset,
				   NULL, 0 };
	uint64_t start = bench_now();

	map(&kind, 0, len);
	bench_result(bench_now() - start, "populate.%s", what);
	CHECK(!munmap(at, len));
}

/* What one block takes: the tables above it are there, its own is not. */
static void one_block(bool store)
{
	unsigned int shift = __builtin_ctzll(page_size());
	size_t nr = make_order(SEQUENTIAL, BLOCK);
	uint64_t first;

	write_text(FAULT_AROUND, "block");
	map(&kinds[0], kinds[0].offset(), 2 * BLOCK);
	at += BLOCK;
	first = (store ? stores : loads)(nr, shift);
	bench_result(first - (store ? stores : loads)(nr, shift), "block.%s",
		     store ? "store" : "load");
	at -= BLOCK;
	CHECK(!munmap(at, 2 * BLOCK));
}

static bool wanted(const struct kind *kind, enum pattern pattern)
{
	if (plan.full)
		return true;
	/* What the committed ratios are made of. */
	return kind->fd && kind->fd != &bench_populate && pattern != RANDOM;
}

void bench_touch(void)
{
	unsigned int repeat, again, store, p;
	const struct kind *kind;
	size_t len;

	at = place(BENCH_WINDOW, BLOCK, 0);
	for (repeat = 0; repeat < plan.repeats; repeat++) {
		for (kind = kinds; kind < kinds + ARRAY_LEN(kinds); kind++)
			for (p = 0; p < NR_PATTERNS; p++)
				for (store = 0; store < 2; store++)
					if (wanted(kind, p))
						touch(kind, p, store, plan.len);
		for (again = 0; again < SMALL_REPEATS; again++) {
			one_block(false);
			one_block(true);
			populate(page_size(), "page");
			populate(BLOCK, "block");
		}
	}
	for (len = 2 * plan.len; plan.full && len <= BENCH_WINDOW; len *= 2)
		for (repeat = 0; repeat < plan.repeats; repeat++)
			touch(&kinds[0], SEQUENTIAL, true, len);
	write_text(FAULT_AROUND, "block");
}
