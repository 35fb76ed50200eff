// SPDX-License-Identifier: GPL-2.0-only
/*
 * A block that was filled, and of which a part goes, gets other rights, or is
 * taken back by a reset: what is left is filled again, and no more than that.
 */

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "nvtest.h"

static size_t page;

static int gpu_open(void)
{
	page = page_size();
	return fault_gpu_open();
}

/* What was unmapped stays so; what is left of the block is filled around it. */
static void hole_and_refault(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 0, 3 * BLOCK, 0);
	struct view ahead = v, behind = v;
	volatile char *hole;

	touch_pages(&v, BLOCK, BLOCK + page, true);
	CHECK(!munmap(v.at + BLOCK + 4 * page, 3 * page));
	hole = plain(v.at + BLOCK + 4 * page, 3 * page);
	ahead.len = BLOCK + 4 * page;
	behind.at += BLOCK + 7 * page;
	behind.pos += BLOCK + 7 * page;
	behind.len -= BLOCK + 7 * page;

	whole_reset(fd, slots[0].bdf[0]);
	CHECK_EQ(touch_pages(&ahead, BLOCK + page, BLOCK + 2 * page, false), 1);
	check_present(&ahead, BLOCK, BLOCK + 4 * page);
	check_plain(hole, 3 * page);
	CHECK_EQ(touch_pages(&behind, 0, page, true), 1);
	check_present(&behind, 0, BLOCK - 7 * page);
	check_plain(hole, 3 * page);
	check_right(&ahead);
	check_right(&behind);
}

/* A block of which a part gets other rights is one in two mappings. */
static void rights_split_a_block(void)
{
	struct view v = view(gpu_open(), 0, 2 * BLOCK, 0);
	struct view rest = v;

	touch_pages(&v, 0, page, true);
	CHECK(!mprotect(v.at, 6 * page, PROT_NONE));
	CHECK(touch_faults(v.at));
	rest.at += 6 * page;
	rest.pos += 6 * page;
	rest.len -= 6 * page;
	check_right(&rest);
	CHECK(!mprotect(v.at, 6 * page, PROT_READ));
	check_right(&v);
	CHECK(!mprotect(v.at, 6 * page, PROT_READ | PROT_WRITE));
	touch_pages(&v, 0, v.len, true);
	check_right(&v);
}

static void leave(int sig)
{
	_exit(sig);
}

static bool store_faults(volatile uint64_t *at)
{
	int status;
	pid_t child = vfork();

	/*
	 * A child of vfork() has the mappings, as long as it does nothing else. Its
	 * end by a signal may be that of all who have them.
	 */
	if (!child) {
		signal(SIGSEGV, leave);
		*at = *at;
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

/* Of what can be read only no entry can be written through, and later it can. */
static void read_only(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 0, 2 * BLOCK, 0);

	CHECK(!munmap(v.at, v.len));
	CHECK(mmap(v.at, v.len, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		   region_offset(fd)) == v.at);
	CHECK_EQ(touch_pages(&v, page, 2 * page, false), 1);
	check_present(&v, 0, BLOCK);
	CHECK(store_faults(view_word(&v, 0)));
	CHECK(store_faults(view_word(&v, BLOCK - page)));
	CHECK(!mprotect(v.at, v.len, PROT_READ | PROT_WRITE));
	CHECK(!store_faults(view_word(&v, 0)));
	touch_pages(&v, 0, v.len, true);
	check_right(&v);
	/* The first page was stored to by the child; 5.10 faults once more for it. */
	CHECK_EQ(touch_pages(&v, page, v.len, true), 0);
}

/* The mapping shrinks inside of a block, and plain memory takes the place. */
static void shrunk_inside_of_a_block(void)
{
	int fd = gpu_open();
	struct view v = view(fd, 0, 2 * BLOCK, 0);
	volatile char *behind;

	touch_pages(&v, BLOCK, BLOCK + page, true);
	CHECK(mremap(v.at, v.len, BLOCK + 5 * page, 0) == v.at);
	behind = plain(v.at + BLOCK + 5 * page, BLOCK - 5 * page);
	v.len = BLOCK + 5 * page;
	check_right(&v);
	check_plain(behind, BLOCK - 5 * page);
	whole_reset(fd, slots[0].bdf[0]);
	CHECK_EQ(touch_pages(&v, BLOCK, BLOCK + page, false), 1);
	check_present(&v, BLOCK, v.len);
	check_plain(behind, BLOCK - 5 * page);
}

/* A child sees nothing of it, and its end changes nothing. */
static void not_inherited(void)
{
	struct view v = view(gpu_open(), 0, 2 * BLOCK, 0);
	int status;
	pid_t child;

	touch_pages(&v, 0, page, true);
	child = fork();
	CHECK(child >= 0);
	if (!child)
		_exit(touch_faults(v.at) && touch_faults(v.at + BLOCK - page) ?
		      0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "the child could read the parent's mapping");
	CHECK_EQ(touch_pages(&v, 0, BLOCK, true), 0);
	check_present(&v, 0, BLOCK);
}

const struct test fault_split_tests[] = {
	TEST(fault, hole_and_refault),
	TEST(fault, rights_split_a_block),
	TEST(fault, read_only),
	TEST(fault, shrunk_inside_of_a_block),
	TEST(fault, not_inherited),
	{ NULL, NULL }
};
