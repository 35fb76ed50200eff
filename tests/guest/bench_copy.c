// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies through the descriptor: against the same copies from and to memory that
 * is mapped already, and against a file in memory.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "nvtest.h"

static void copy(const char *name, int fd, uint64_t offset, void *buf,
		 size_t len, bool out)
{
	uint64_t start = bench_now();
	ssize_t done = out ? pwrite(fd, buf, len, offset) :
			     pread(fd, buf, len, offset);

	bench_result(bench_now() - start, "copy.%s.%s.%zu", name,
		     out ? "write" : "read", len / 1024);
	CHECKF(done == (ssize_t)len, "copying %zu bytes of %s gave %zd: %s", len,
	       name, done, strerror(errno));
}

void bench_copy(void)
{
	static const size_t full[] = {
		4096, 16384, 65536, 262144, 1 << 20, 2 << 20, 4 << 20, 16 << 20,
	}, brief[] = { 65536, 1 << 20, 16 << 20 };
	const size_t *lengths = plan.full ? full : brief;
	size_t nr = plan.full ? ARRAY_LEN(full) : ARRAY_LEN(brief), i;
	uint64_t offset = region_offset(bench_gpu);
	unsigned int repeat, out;
	int memory = keep(memfd_create("bench", 0), "memfd");
	char *buf = aligned_alloc(BLOCK, 16 * MIB);

	CHECK(buf);
	memset(buf, 1, 16 * MIB);
	CHECK_EQ(pwrite(memory, buf, 16 * MIB, 0), 16 * MIB);
	for (repeat = 0; repeat < 2 * plan.repeats; repeat++)
		for (i = 0; i < nr; i++)
			for (out = 0; out < 2; out++) {
				copy("ours", bench_gpu, offset, buf, lengths[i],
				     out);
				copy("mapped", bench_page, 0, buf, lengths[i],
				     out);
				copy("memfd", memory, 0, buf, lengths[i], out);
			}
	free(buf);
}
