// SPDX-License-Identifier: GPL-2.0-only
/*
 * What read and write map while they copy: each block that they reach once, and
 * nothing of another, nor of what lies around the window. Seen by a probe on the
 * kernel's memremap().
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fault.h"
#include "nvtest.h"

#define TRACING		"/sys/kernel/tracing/"
#define SKEW		0x10000ULL
#define SIZE		(3 * BLOCK + 0x30000ULL)
/* Copies until the kernel left the buffer's pages where they were during one. */
#define TRIES		20

/* The mappings of one copy lie in their blocks and in the window, one in each. */
static void check(const char *trace, uint64_t base, uint64_t pos, size_t len)
{
	unsigned long long hpa, size, at = base + pos, end = at + len;
	const char *line = trace;

	while ((line = strstr(line, "hpa="))) {
		CHECK_EQ(sscanf(line, "hpa=%llx size=%llx", &hpa, &size), 2);
		line++;
		CHECKF(hpa >= base && hpa + size <= base + SIZE,
		       "%#llx bytes at %#llx are not of the window", size, hpa);
		CHECKF(hpa / BLOCK == (hpa + size - 1) / BLOCK,
		       "%#llx bytes at %#llx are of two blocks", size, hpa);
		/* The part of the copy that is next. */
		CHECKF(hpa <= at && hpa + size > at,
		       "%#llx bytes at %#llx are not where the copy is, at %#llx",
		       size, hpa, at);
		at = at / BLOCK * BLOCK + BLOCK;
		if (at > end)
			at = end;
		CHECKF(hpa + size >= at, "%#llx bytes at %#llx end before %#llx",
		       size, hpa, at);
	}
	CHECKF(at == end, "the copy ends at %#llx and its mappings at %#llx",
	       end, at);
}

static long page_faults(void)
{
	struct rusage usage;

	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt + usage.ru_majflt;
}

/*
 * Copies until no page of @buf was missing meanwhile, and leaves the trace of that
 * copy. The kernel may move user memory at any time, to make huge pages of it; a
 * copy that meets the gap maps its block again, which is not what is looked at here.
 */
static void traced_copy(int fd, char *buf, size_t len, uint64_t pos, bool out)
{
	unsigned int try;
	long before;

	for (try = 0; try < TRIES; try++) {
		trace_clear();
		write_text(TRACING "tracing_on", "1");
		before = page_faults();
		CHECK_EQ(out ? region_write(fd, buf, len, pos) :
			       region_read(fd, buf, len, pos), len);
		if (page_faults() == before)
			break;
	}
	write_text(TRACING "tracing_on", "0");
	CHECKF(try < TRIES, "a page was missing in each of %d copies", TRIES);
}

static void one_block_at_a_time(void)
{
	static const struct {
		uint64_t pos;
		size_t len;
	} copies[] = {
		{ 0, 1 }, { 0, 0x1000 }, { 0xfff, 2 }, { 0x12345, 0x8000 },
		{ 0, BLOCK }, { BLOCK - SKEW - 1, 2 }, { BLOCK / 2, BLOCK },
		{ BLOCK - SKEW, BLOCK }, { BLOCK, 2 * BLOCK }, { 0, SIZE },
		{ SIZE - 0x20000, 0x20000 }, { SIZE - 1, 1 },
		{ BLOCK - SKEW + 1, BLOCK - 2 },
	};
	uint64_t base = GPU_BASE + SKEW;
	char *buf = malloc(SIZE);
	size_t i, out;
	int fd;

	CHECK(buf);
	memset(buf, 0x3c, SIZE);
	machine_need(1, 2);
	sim_load("gpu=%s bridge=%s@0 base=%#llx size=%#llx", slots[0].bdf[0],
		 slots[0].bdf[1], (unsigned long long)base, SIZE);
	fd = device_open(slots[0].bdf[0]);
	probe("map", "memremap hpa=%gpr3:x64 size=%gpr4:x64");
	for (i = 0; i < ARRAY_LEN(copies); i++)
		for (out = 0; out < 2; out++) {
			traced_copy(fd, buf, copies[i].len, copies[i].pos, out);
			check(read_text(TRACING "trace"), base, copies[i].pos,
			      copies[i].len);
		}
	free(buf);
}

/* Where a touch makes one page present, a copy maps the pages that it copies. */
static void no_more_than_fault_around_N7(void)
{
	size_t page = page_size(), len = 9 * page;
	unsigned long long hpa, size, most;
	char *buf = malloc(BLOCK), *line;
	int fd, out;

	CHECK(buf);
	memset(buf, 0x3c, BLOCK);
	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	probe("map", "memremap hpa=%gpr3:x64 size=%gpr4:x64");
	fault_around("page");
	for (out = 0; out < 2; out++) {
		traced_copy(fd, buf, len - 8, 4 * page + 4, out);
		most = 0;
		for (line = read_text(TRACING "trace");
		     (line = strstr(line, "hpa=")); line++) {
			CHECK_EQ(sscanf(line, "hpa=%llx size=%llx", &hpa, &size), 2);
			most = size > most ? size : most;
		}
		CHECK_EQ(most, len);
	}
	free(buf);
}

/*
 * The processor may translate through what a copy had mapped until the kernel flushes
 * it. A reset has that done before it goes on.
 */
static void reset_flushes_what_a_copy_mapped_N6(void)
{
	static char buf[65536];
	char *trace;
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	probe("flush", "vm_unmap_aliases");
	trace_start();
	CHECK_EQ(region_read(fd, buf, sizeof(buf), 0), sizeof(buf));
	whole_reset(fd, slots[0].bdf[0]);
	trace = trace_stop();
	CHECKF(strstr(trace, "flush: (vm_unmap_aliases"), "not flushed:\n%s", trace);
}

const struct test copy_map_tests[] = {
	TEST(copy_map, one_block_at_a_time),
	TEST(copy_map, no_more_than_fault_around_N7),
	TEST(copy_map, reset_flushes_what_a_copy_mapped_N6),
	{ NULL, NULL }
};
