// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attack: what must not have changed. Memory that belongs to somebody else
 * holds words that show the owner, so that an attacker that reads one knows what
 * it has done.
 */

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"

#define SECRET		0x5ec2e75ec2e70000ULL
#define CANARY_LEN	(192UL << 20)
#define CANARY_AT	(1ULL << 44)	/* no physical address */
/* The exception vectors; what follows is the kernel's own data, and moves. */
#define VECTORS		0x100ULL
#define VECTORS_END	0x3000ULL
#define LINEAR		0xc000000000000000ULL

struct zone {
	const char *name;
	uint64_t hpa, len;
	volatile uint64_t *at;
};

static struct zone zones[] = {
	{ "the memory below the window", OWN_BASE - WINDOW, WINDOW, NULL },
	{ "the neighbour GPU's window", OWN_BASE + WINDOW, WINDOW, NULL },
	{ "the memory above the neighbour", OWN_BASE + 2 * WINDOW, WINDOW,
	  NULL },
	{ "the memory below the ATSD registers", OWN_ATSD - ATSD_SIZE,
	  ATSD_SIZE, NULL },
	{ "other links' ATSD registers", OWN_ATSD + OWN_ATSD_LEN,
	  13 * ATSD_SIZE, NULL },
};

static uint64_t *canary;
static struct {
	const char *name;
	uint64_t va, len;
	uint32_t *copy;
} text[2];
static unsigned int nr_text, checks;
static int kernel_fd = -1;
static bool kernel_is_core;

/* Does this word come from memory that is not the attackers'? */
bool is_foreign(uint64_t value)
{
	uint64_t at = value ^ SECRET;
	size_t i;

	if (at % 8)
		return false;
	if (at - CANARY_AT < CANARY_LEN)
		return true;
	for (i = 0; i < ARRAY_LEN(zones); i++)
		if (at - zones[i].hpa < zones[i].len)
			return true;
	return false;
}

/*
 * A child must not have it: an attacker that could reach it by an address of its
 * own would copy from it, and write to it, without the driver's doing.
 */
static void keep_from_children(void *at, size_t len)
{
	CHECKF(!madvise(at, len, MADV_DONTFORK), "MADV_DONTFORK: %s",
	       strerror(errno));
}

static bool is_mapped(const volatile void *at, size_t len)
{
	unsigned char in_core;
	size_t i;

	/* It is inherited as a whole, or not: no need to ask for every page. */
	for (i = 0; i < len; i += 1 << 20)
		if (!mincore((char *)at + i, page_size(), &in_core) ||
		    errno != ENOMEM)
			return true;
	return false;
}

/* In an attacker, before it maps anything. */
void check_inherited(unsigned int slot)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(zones); i++)
		if (is_mapped(zones[i].at, zones[i].len))
			finding(slot, "the test is wrong: an attacker inherited %s",
				zones[i].name);
	if (is_mapped(canary, CANARY_LEN))
		finding(slot, "the test is wrong: an attacker inherited the canary");
}

static void zone_fill(struct zone *zone, int fd)
{
	uint64_t i;
	void *at;

	at = mmap(NULL, zone->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  zone->hpa);
	CHECKF(at != MAP_FAILED, "/dev/mem at %#llx: %s",
	       (unsigned long long)zone->hpa, strerror(errno));
	keep_from_children(at, zone->len);
	zone->at = at;
	for (i = 0; i < zone->len; i += 8)
		zone->at[i / 8] = (zone->hpa + i) ^ SECRET;
}

static void zone_check(const struct zone *zone)
{
	uint64_t i;

	for (i = 0; i < zone->len; i += 8)
		CHECKF(zone->at[i / 8] == ((zone->hpa + i) ^ SECRET),
		       "%s was written: %#llx holds %#llx", zone->name,
		       (unsigned long long)(zone->hpa + i),
		       (unsigned long long)zone->at[i / 8]);
	checks++;
}

static void canary_fill(void)
{
	uint64_t i;

	canary = mmap(NULL, CANARY_LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECKF(canary != MAP_FAILED, "canary pages: %s", strerror(errno));
	CHECKF(!mlock(canary, CANARY_LEN), "mlock: %s", strerror(errno));
	keep_from_children(canary, CANARY_LEN);
	for (i = 0; i < CANARY_LEN; i += 8)
		canary[i / 8] = (CANARY_AT + i) ^ SECRET;
}

static void canary_check(void)
{
	uint64_t i;

	for (i = 0; i < CANARY_LEN; i += 8)
		CHECKF(canary[i / 8] == ((CANARY_AT + i) ^ SECRET),
		       "System RAM was written: the canary at %#llx holds %#llx",
		       (unsigned long long)i,
		       (unsigned long long)canary[i / 8]);
	checks++;
}

/* Where /proc/kcore has an address; -1 when it has not. */
static off_t core_offset(uint64_t va, uint64_t len)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	unsigned int i;

	if (pread(kernel_fd, &head, sizeof(head), 0) != sizeof(head))
		return -1;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(kernel_fd, &part, sizeof(part),
			  head.e_phoff + i * sizeof(part)) != sizeof(part))
			return -1;
		if (part.p_type == PT_LOAD && va >= part.p_vaddr &&
		    len <= part.p_memsz && va - part.p_vaddr <=
		    part.p_memsz - len)
			return part.p_offset + (va - part.p_vaddr);
	}
	return -1;
}

static bool kernel_read(uint64_t va, void *buf, size_t len)
{
	off_t at = kernel_is_core ? core_offset(va, len) : (off_t)(va - LINEAR);
	size_t done = 0;
	ssize_t got;

	if (at < 0)
		return false;
	do {
		got = pread(kernel_fd, (char *)buf + done, len - done,
			    at + done);
		done += got > 0 ? got : 0;
	} while (got > 0 && done < len);
	return done == len;
}

static void text_add(const char *name, uint64_t va, uint64_t end)
{
	uint64_t len = (end - va) & ~3ULL;

	text[nr_text].copy = malloc(len);
	CHECK(text[nr_text].copy);
	CHECKF(kernel_read(va, text[nr_text].copy, len),
	       "%s at %#llx cannot be read", name, (unsigned long long)va);
	text[nr_text].name = name;
	text[nr_text].va = va;
	text[nr_text++].len = len;
}

static uint64_t symbol(const char *name)
{
	char line[512], found[256];
	unsigned long long va = 0;
	bool is_it = false;
	FILE *file = fopen("/proc/kallsyms", "r");

	CHECKF(file, "/proc/kallsyms: %s", strerror(errno));
	while (!is_it && fgets(line, sizeof(line), file))
		is_it = sscanf(line, "%llx %*c %255s", &va, found) == 2 &&
			!strcmp(found, name);
	fclose(file);
	CHECKF(is_it, "the kernel has no symbol %s", name);
	return va;
}

static void text_prepare(void)
{
	kernel_fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	kernel_is_core = kernel_fd >= 0;
	if (!kernel_is_core)
		kernel_fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	CHECKF(kernel_fd >= 0, "/proc/kcore and /dev/mem: %s", strerror(errno));
	text_add("the exception vectors", LINEAR + VECTORS,
		 LINEAR + VECTORS_END);
	text_add("the kernel's text", symbol("_stext"), symbol("_etext"));
}

static bool is_nop(uint32_t insn)
{
	return insn == 0x60000000;
}

static bool is_branch(uint32_t insn)
{
	return (insn & 0xfc000003) == 0x48000000;
}

static void text_check(unsigned int nr)
{
	uint64_t i, words = text[nr].len / 4;
	uint32_t *now = malloc(text[nr].len);

	CHECK(now);
	CHECK(kernel_read(text[nr].va, now, text[nr].len));
	for (i = 0; i < words; i++) {
		uint32_t was = text[nr].copy[i];

		/* The kernel itself turns one into the other: a static key. */
		if (was == now[i] || (is_nop(was) && is_branch(now[i])) ||
		    (is_branch(was) && is_nop(now[i])))
			continue;
		fail_at(__FILE__, __LINE__, "%s changed: %#llx held %#x, holds %#x",
			text[nr].name, (unsigned long long)text[nr].va + 4 * i,
			was, now[i]);
	}
	free(now);
	checks++;
}

/* Everything is as it was when an attack has not begun yet. */
void check_prepare(void)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	size_t i;

	CHECKF(fd >= 0, "/dev/mem: %s", strerror(errno));
	for (i = 0; i < ARRAY_LEN(zones); i++)
		zone_fill(&zones[i], fd);
	close(fd);
	canary_fill();
	text_prepare();
	checks = 0;
	check_round();
}

void check_round(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(zones); i++)
		zone_check(&zones[i]);
	canary_check();
	for (i = 0; i < nr_text; i++)
		text_check(i);
}

/* How many things were compared so far. */
unsigned int check_count(void)
{
	return checks;
}
