// SPDX-License-Identifier: GPL-2.0-only
/* The attack: where and how much, near what might go wrong. */

#include <unistd.h>

#include "attack.h"

/* Positions that are wrong by little, or by much. */
uint64_t pick_pos(struct attacker *me, uint64_t size)
{
	uint64_t page = page_size(), pos;

	switch (pick(me, 12)) {
	case 0:
		pos = 0;
		break;
	case 1:
		pos = size;
		break;
	case 2:
		pos = 1ULL << 40;
		break;
	case 3:
		pos = size + pick(me, size + page);
		break;
	case 4:
		pos = attack_random(&me->rng) >> pick(me, 64);
		break;
	default:
		pos = size ? pick(me, size) : 0;
		break;
	}
	switch (pick(me, 6)) {
	case 0:
		return pos - 1 - pick(me, 8);
	case 1:
		return pos - page;
	case 2:
		return pos + page;
	case 3:
		return pos & ~7ULL;
	default:
		return pos & ~(page - 1);
	}
}

size_t pick_len(struct attacker *me, uint64_t size, uint64_t pos)
{
	uint64_t page = page_size();

	switch (pick(me, 12)) {
	case 0:
		return 1 + pick(me, 16);
	case 1:
		return 1 << pick(me, 4);
	case 2:
		return page;
	case 3:
		return size - pos;
	case 4:
		return size - pos + page;
	case 5:
		return size;
	case 6:
		return attack_random(&me->rng) >> pick(me, 64);
	case 7:
		return pick(me, 3 << 20);
	default:
		return (1 + pick(me, 8)) * page;
	}
}

struct range *any_recent(struct attacker *me)
{
	struct range *range = &me->recent[pick(me, MAX_RECENT)];

	return range->len ? range : NULL;
}

/* What this thread has mapped there. */
enum kind kind_at(struct attacker *me, const char *at)
{
	if (at < me->arena || at >= me->arena + ARENA)
		return KIND_NONE;
	return me->kind[(at - me->arena) / page_size()];
}

/* In a range or right behind it; never behind the arena. */
static char *in_range(struct attacker *me, const struct range *range)
{
	size_t page = page_size();

	switch (pick(me, 6)) {
	case 0:
		return range->at;
	case 1:
		return range->at + range->len - page;
	case 2:
		if (range->at + range->len < me->arena + ARENA)
			return range->at + range->len;
		return range->at;
	default:
		return range->at + pick(me, range->len / page) * page;
	}
}

/* Mostly where something is mapped. */
void *pick_address(struct attacker *me)
{
	size_t page = page_size();
	unsigned int tries;
	char *at = NULL;

	if (one_in(me, 12))
		return me->other + pick(me, ARENA / page) * page;
	for (tries = 0; tries < 6; tries++) {
		struct range *range = any_recent(me);

		at = range ? in_range(me, range) :
			     me->arena + pick(me, ARENA / page) * page;
		if (kind_at(me, at) != KIND_NONE)
			break;
	}
	return at;
}

/* A buffer good for *len bytes, or one that is not. */
char *pick_buffer(struct attacker *me, size_t *len)
{
	switch (pick(me, 12)) {
	case 0:		/* its end is missing */
		return me->scratch + SCRATCH - pick(me, 0x20000);
	case 1:
		return (char *)(uintptr_t)pick(me, 0x10000);
	case 2:
		return (char *)(uintptr_t)(0xc000000000000000ULL +
					   pick(me, 1ULL << 31));
	case 3:
		return (char *)(uintptr_t)attack_random(&me->rng);
	case 4:
	case 5:		/* perhaps GPU RAM itself; the scratch lies elsewhere */
		*len = *len > WINDOW ? WINDOW : *len;
		return (char *)pick_address(me) + pick(me, 16);
	default:
		*len = *len > SCRATCH ? SCRATCH : *len;
		return me->scratch;
	}
}
