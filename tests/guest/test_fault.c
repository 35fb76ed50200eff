// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one touch of GPU RAM makes present: the block around it, all of that and
 * nothing else, in whatever way the mapping lies.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"
#include "nvtest.h"

static size_t page;

static int gpu_open(void)
{
	page = page_size();
	return fault_gpu_open();
}

static void load_fills_the_block(void)
{
	struct view v = view(gpu_open(), 0, 4 * BLOCK, 0);

	CHECK_EQ(touch_pages(&v, BLOCK + 7 * page, BLOCK + 8 * page, false), 1);
	check_present(&v, BLOCK, 2 * BLOCK);
}

static void store_fills_the_block(void)
{
	struct view v = view(gpu_open(), 0, 4 * BLOCK, 0);

	CHECK_EQ(touch_pages(&v, 2 * BLOCK, 2 * BLOCK + page, true), 1);
	check_present(&v, 2 * BLOCK, 3 * BLOCK);
}

/* Its first, its last, and each in the midst: always the same block. */
static void any_page_fills_the_block(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 4 * BLOCK, 3 * BLOCK, 0);
	size_t at;

	for (at = 0; at < BLOCK; at += at ? 5 * page : page) {
		v = view_at(fd, v.at, v.pos, v.len);

		touch_pages(&v, BLOCK + at, BLOCK + at + page, at % (2 * page));
		check_present(&v, BLOCK, 2 * BLOCK);
	}
}

static void one_for_each_block(void)
{
	int fd = gpu_open();
	struct view loaded = view(fd, 0, GPU_SIZE, 0);
	struct view stored = view(fd, 0, GPU_SIZE, 0);

	CHECK_EQ(touch_pages(&loaded, 0, GPU_SIZE, false), GPU_SIZE / BLOCK);
	CHECK_EQ(touch_pages(&stored, 0, GPU_SIZE, true), GPU_SIZE / BLOCK);
	/* Born dirty: what was loaded can be stored to as well. */
	CHECK_EQ(touch_pages(&loaded, 0, GPU_SIZE, true), 0);
	check_right(&loaded);
	check_right(&stored);
}

/* The mapping begins and ends inside of a block, and plain memory goes on there. */
static void clipped_to_the_mapping(void)
{
	int fd = gpu_open();
	size_t part = 3 * page;
	char *at = area(4 * BLOCK);
	volatile char *before, *behind;
	struct view v;

	before = plain(at, BLOCK + part);
	behind = plain(at + 3 * BLOCK - part, BLOCK + part);
	v = view_at(fd, at + BLOCK + part, 2 * BLOCK + part,
		    2 * BLOCK - 2 * part);
	CHECK_EQ(touch_pages(&v, page, 2 * page, true), 1);
	check_present(&v, 0, BLOCK - part);
	check_plain(before, BLOCK + part);
	check_plain(behind, BLOCK + part);

	CHECK(!munmap(v.at, v.len));
	v = view_at(fd, v.at, v.pos, v.len);
	CHECK_EQ(touch_pages(&v, v.len - page, v.len, false), 1);
	check_present(&v, BLOCK - part, v.len);
	check_plain(before, BLOCK + part);
	check_plain(behind, BLOCK + part);
	check_right(&v);
}

/* A mapping that is smaller than a block, in the midst of one. */
static void clipped_on_both_sides(void)
{
	int fd = gpu_open();
	char *at = area(BLOCK);
	volatile char *before = plain(at, 9 * page);
	volatile char *behind = plain(at + 14 * page, BLOCK - 14 * page);
	struct view v = view_at(fd, at + 9 * page, 20 * page, 5 * page);

	CHECK_EQ(touch_pages(&v, 2 * page, 3 * page, true), 1);
	check_present(&v, 0, 5 * page);
	check_plain(before, 9 * page);
	check_plain(behind, BLOCK - 14 * page);
}

/* The window ends inside of a block; what follows in memory is another GPU's. */
static void clipped_to_the_window(void)
{
	unsigned long long size = BLOCK + 0x30000;
	struct view v;
	char *at;
	int fd;

	machine_need(2, 2);
	sim_load("gpu=%s,%s bridge=%s@0,%s@1 base=%#llx,%#llx size=%#llx,%#llx",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[1].bdf[1], GPU_BASE, GPU_BASE + size, size, size);
	stamp(GPU_BASE, GPU_SIZE);
	page = page_size();
	fd = device_open(slots[0].bdf[0]);
	at = area(2 * BLOCK);
	plain(at + size, 2 * BLOCK - size);
	v = view_at(fd, at, 0, size);
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, true), 1);
	check_plain(at + size, 2 * BLOCK - size);
	check_present(&v, BLOCK, size);
}

/* Blocks are those of addresses, wherever in the region they begin. */
static void not_congruent(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 5 * page, 3 * BLOCK, 0);
	struct view w = view(fd, 0, 3 * BLOCK, 11 * page);

	CHECK_EQ(touch_pages(&v, BLOCK + page, BLOCK + 2 * page, false), 1);
	check_present(&v, BLOCK, 2 * BLOCK);
	/* From its second block on, which is 11 pages short of one in it. */
	CHECK_EQ(touch_pages(&w, BLOCK, BLOCK + page, true), 1);
	check_present(&w, BLOCK - 11 * page, 2 * BLOCK - 11 * page);
}

/* A window that begins inside of a block of physical memory. */
static void window_begins_inside_of_a_block(void)
{
	const unsigned long long skew = 0x10000;
	struct view v;
	int fd;

	machine_need(1, 2);
	sim_load("gpu=%s bridge=%s@0 base=%#llx size=%#llx", slots[0].bdf[0],
		 slots[0].bdf[1], GPU_BASE + skew, GPU_SIZE - skew);
	stamp(GPU_BASE, GPU_SIZE);
	page = page_size();
	fd = device_open(slots[0].bdf[0]);

	v = view(fd, 0, 3 * BLOCK, 0);
	v.base += skew;
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, true), 1);
	check_present(&v, BLOCK, 2 * BLOCK);

	v = view(fd, 0, 3 * BLOCK, skew);
	v.base += skew;
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, true), 1);
	check_present(&v, BLOCK - skew, 2 * BLOCK - skew);
}

/* Changed while the mapping is there, and as often as one likes. */
static void one_page_if_so_wanted(void)
{
	struct view v = view(gpu_open(), 0, 2 * BLOCK, 0);

	CHECK(!strcmp(read_text(FAULT_AROUND), "block\n"));
	fault_around("page");
	CHECK(!strcmp(read_text(FAULT_AROUND), "page\n"));
	CHECK_EQ(touch_pages(&v, 3 * page, 6 * page, false), 3);
	check_present(&v, 3 * page, 6 * page);
	/* A page of its own is born dirty too. */
	CHECK_EQ(touch_pages(&v, 0, 2 * BLOCK, true), 0);
	fault_around("block");
	CHECK(!munmap(v.at, v.len));

	v = view_at(v.fd, v.at, v.pos, v.len);
	fault_around("page");
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + 2 * page, true), 2);
	fault_around("block");
	CHECK_EQ(touch_pages(&v, BLOCK, 2 * BLOCK, false), 1);
	check_present(&v, BLOCK, 2 * BLOCK);
}

static void refuse(const char *text)
{
	FILE *file = fopen(FAULT_AROUND, "w");

	CHECK(file);
	setvbuf(file, NULL, _IONBF, 0);
	CHECK_ERR(fputs(text, file), EINVAL);
	fclose(file);
}

static void nothing_else_is_taken(void)
{
	gpu_open();
	refuse("pages");
	refuse("2M");
	refuse("1");
	CHECK(!strcmp(read_text(FAULT_AROUND), "block\n"));
	fault_around("page\n");
	CHECK(!strcmp(read_text(FAULT_AROUND), "page\n"));
}

/* Nobody is asked for a block then, and a touch fills it all the same. */
static void without_huge_pages(void)
{
	struct view v = view(gpu_open(), 0, 4 * BLOCK, 0);

	thp(false);
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, false), 1);
	check_present(&v, BLOCK, 2 * BLOCK);
	CHECK(!munmap(v.at, v.len));
	v = view(v.fd, page, 4 * BLOCK, 0);
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, true), 1);
	check_present(&v, BLOCK, 2 * BLOCK);
	CHECK_EQ(touch_pages(&v, BLOCK, 2 * BLOCK, true), 0);
}

/* The line of the trace that one touch leaves. */
static void check_trace(const struct view *v, size_t at, size_t from, size_t to,
			bool leaf, bool asked_for_a_block)
{
	unsigned int order = __builtin_ctzll(BLOCK / page);
	char want[128];
	char *trace;

	trace_start();
	touch_pages(v, at, at + page, false);
	trace = trace_stop();
	snprintf(want, sizeof(want),
		 "nvlink2_gpu_ram_fill: %s: %llx -> %lx size=%zx order=%u leaf=%d",
		 slots[0].bdf[0], (unsigned long long)(v->base + v->pos + from),
		 (unsigned long)v->at + from, to - from,
		 asked_for_a_block ? order : 0, leaf);
	CHECKF(strstr(trace, want), "the trace has no '%s':\n%s", want, trace);
}

/*
 * That the kernel asks for a block at all: it does not where firmware's
 * device tree has no large pages, and then all the rest here proves little.
 */
static void huge_fault_is_called(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 0, 3 * BLOCK, 0);

	/* The block that the hash MMU would be asked for is not ours. */
	CHECKF(radix(), "this is a test for the radix MMU");
	check_trace(&v, BLOCK + page, BLOCK, 2 * BLOCK, has_leaves(), true);
	/* A leaf for what fits one, entries for all else. */
	v = view(fd, page, 3 * BLOCK, 0);
	check_trace(&v, BLOCK + page, BLOCK, 2 * BLOCK, false, true);
	v = view(fd, 2 * page, 3 * BLOCK, 2 * page);
	check_trace(&v, page, 0, BLOCK - 2 * page, false, true);
	check_trace(&v, BLOCK, BLOCK - 2 * page, 2 * BLOCK - 2 * page,
		    has_leaves(), true);
	thp(false);
	check_trace(&v, 3 * BLOCK - page, 3 * BLOCK - 2 * page, 3 * BLOCK,
		    false, false);
	fault_around("page");
	v = view(fd, 0, BLOCK, 0);
	check_trace(&v, page, page, 2 * page, false, false);
	thp(true);
	v = view(fd, 0, BLOCK, 0);
	check_trace(&v, page, page, 2 * page, false, true);
}

static void hash_mmu_is_in_use(void)
{
	CHECKF(!radix(), "this is a test for the hash MMU");
}

const struct test fault_tests[] = {
	TEST(fault, load_fills_the_block),
	TEST(fault, store_fills_the_block),
	TEST(fault, any_page_fills_the_block),
	TEST(fault, one_for_each_block),
	TEST(fault, clipped_to_the_mapping),
	TEST(fault, clipped_on_both_sides),
	TEST(fault, clipped_to_the_window),
	TEST(fault, not_congruent),
	TEST(fault, window_begins_inside_of_a_block),
	TEST(fault, one_page_if_so_wanted),
	TEST(fault, nothing_else_is_taken),
	TEST(fault, without_huge_pages),
	{ NULL, NULL }
};

const struct test fault_radix_tests[] = {
	TEST(fault, huge_fault_is_called),
	{ NULL, NULL }
};

const struct test fault_hash_tests[] = {
	TEST(fault, hash_mmu_is_in_use),
	{ NULL, NULL }
};
