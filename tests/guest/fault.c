// SPDX-License-Identifier: GPL-2.0-only
/* What is present of a mapping of GPU RAM, and what that took. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fault.h"
#include "nvtest.h"

#define STAMP	0x5354ULL << 48

static void block_again(void)
{
	if (!access(FAULT_AROUND, W_OK))
		write_text(FAULT_AROUND, "block");
}

/* Until the test is over. */
void fault_around(const char *what)
{
	finally(block_again);
	write_text(FAULT_AROUND, what);
}

static void thp_again(void)
{
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

/* Transparent huge pages for this process; without them nobody is asked for a block. */
void thp(bool on)
{
	finally(thp_again);
	CHECK(!prctl(PR_SET_THP_DISABLE, !on, 0, 0, 0));
}

bool radix(void)
{
	const char *text = read_text("/proc/cpuinfo");

	CHECKF(strstr(text, "MMU\t\t: "), "/proc/cpuinfo does not name the MMU");
	return strstr(text, "MMU\t\t: Radix");
}

/* Does this kernel map a block of device memory by one entry? */
bool has_leaves(void)
{
	struct utsname name;

	CHECK(!uname(&name));
	return radix() && atoi(name.release) >= 7;
}

/* Faults that this thread has taken. */
long faults(void)
{
	struct rusage usage;

	CHECK(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_minflt + usage.ru_majflt;
}

/* Each page of memory gets to hold its own address, past every driver. */
void stamp(uint64_t base, uint64_t size)
{
	int mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
	volatile uint64_t *at;
	uint64_t pos;

	CHECKF(mem >= 0, "/dev/mem: %s", strerror(errno));
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem, base);
	CHECKF(at != MAP_FAILED, "/dev/mem at %#llx: %s",
	       (unsigned long long)base, strerror(errno));
	for (pos = 0; pos < size; pos += page_size())
		at[pos / 8] = STAMP | (base + pos);
	CHECK(!munmap((void *)at, size));
	close(mem);
}

/* Address space that tests map into; all of it goes behind them. */
static struct {
	char *at;
	size_t len;
} areas[64];
static unsigned int nr_areas;

static void areas_unmap(void)
{
	while (nr_areas) {
		nr_areas--;
		munmap(areas[nr_areas].at, areas[nr_areas].len);
	}
}

/* @len bytes that nothing is in, from a multiple of a block on. */
char *area(size_t len)
{
	char *at;

	if (nr_areas == ARRAY_LEN(areas))
		areas_unmap();
	finally(areas_unmap);
	at = place(len, BLOCK, 0);
	areas[nr_areas].at = at;
	areas[nr_areas++].len = len;
	return at;
}

/* Maps a part of the default GPU's RAM at an address that is free to be used. */
struct view view_at(int fd, void *at, uint64_t pos, size_t len)
{
	struct view v = { .fd = fd, .at = map_region_at(fd, at, pos, len),
			  .pos = pos, .len = len, .base = GPU_BASE };

	CHECKF(v.at == at, "mmap of %#zx at %p: %s", len, at, strerror(errno));
	return v;
}

/* The same at an address that is a multiple of a block, plus @skew. */
struct view view(int fd, uint64_t pos, size_t len, size_t skew)
{
	return view_at(fd, area(len + skew) + skew, pos, len);
}

volatile uint64_t *view_word(const struct view *v, size_t offset)
{
	return (volatile uint64_t *)(v->at + offset);
}

static uint64_t right(const struct view *v, size_t offset)
{
	return STAMP | (v->base + v->pos + offset);
}

/* Touches each page of a part, with a load or a store; how many faults that took. */
long touch_pages(const struct view *v, size_t from, size_t to, bool store)
{
	size_t page = page_size(), offset;
	long before = faults();

	for (offset = from; offset < to; offset += page) {
		if (store)
			*view_word(v, offset) = right(v, offset);
		else
			(void)*view_word(v, offset);
	}
	return faults() - before;
}

/* Of the pages of a mapping these are present, no other, and all are the right ones. */
void check_present(const struct view *v, size_t from, size_t to)
{
	size_t page = page_size(), offset;
	bool present;
	uint64_t got;
	long before;

	fault_around("page");
	for (offset = 0; offset < v->len; offset += page) {
		before = faults();
		got = *view_word(v, offset);
		present = faults() == before;
		CHECKF(got == right(v, offset),
		       "%#zx into the mapping is %#llx, not %#llx", offset,
		       (unsigned long long)got,
		       (unsigned long long)right(v, offset));
		CHECKF(present == (offset >= from && offset < to),
		       "%#zx into the mapping is %spresent", offset,
		       present ? "" : "not ");
	}
	fault_around("block");
}

/* Whether present or not: every page is the right one. */
void check_right(const struct view *v)
{
	size_t page = page_size(), offset;
	uint64_t got;

	for (offset = 0; offset < v->len; offset += page) {
		got = *view_word(v, offset);
		CHECKF(got == right(v, offset),
		       "%#zx into the mapping is %#llx, not %#llx", offset,
		       (unsigned long long)got,
		       (unsigned long long)right(v, offset));
	}
}

/* The default GPU, with its RAM stamped. */
int fault_gpu_open(void)
{
	sim_load_default(NULL);
	stamp(GPU_BASE, GPU_SIZE);
	return device_open(slots[0].bdf[0]);
}

/* Plain memory, nothing of it touched yet. */
volatile char *plain(void *at, size_t len)
{
	CHECK(mmap(at, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	return at;
}

/* Nobody has written to it, nor put other memory in its place. */
void check_plain(volatile char *at, size_t len)
{
	size_t page = page_size(), offset;

	for (offset = 0; offset < len; offset += page)
		CHECKF(!*(volatile uint64_t *)(at + offset),
		       "plain memory at %#zx is %#llx", offset,
		       *(volatile unsigned long long *)(at + offset));
	for (offset = 0; offset < len; offset += page)
		at[offset] = 0;
}
