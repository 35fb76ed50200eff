/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fault.c: what is present of a mapping of GPU RAM, and what that took.
 *
 * Whether a page was present shows by the faults a thread has taken. So that
 * asking changes no answer but its own, it is asked with fault_around=page.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_AROUND driver_parameter("fault_around")

/* A mapping of GPU RAM: @len bytes at @at, which are the region's from @pos on. */
struct view {
	int fd;
	char *at;
	uint64_t pos;
	size_t len;
	uint64_t base;		/* host physical address of the region */
};

void fault_around(const char *what);
void thp(bool on);
bool radix(void);
bool has_leaves(void);
long faults(void);
void stamp(uint64_t base, uint64_t size);
char *area(size_t len);
struct view view_at(int fd, void *at, uint64_t pos, size_t len);
struct view view(int fd, uint64_t pos, size_t len, size_t skew);
volatile uint64_t *view_word(const struct view *v, size_t offset);
long touch_pages(const struct view *v, size_t from, size_t to, bool store);
void check_present(const struct view *v, size_t from, size_t to);
void check_right(const struct view *v);
int fault_gpu_open(void);
volatile char *plain(void *at, size_t len);
void check_plain(volatile char *at, size_t len);

#endif /* FAULT_H */
