// SPDX-License-Identifier: GPL-2.0-only
/* The attack: what is done with addresses. All of it happens in the arenas. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attack.h"

#ifndef MADV_COLLAPSE		/* newer than Debian 12's C library */
#define MADV_COLLAPSE	25
#endif

#define BAR_REGISTERS	0x1000

static void kind_set(struct attacker *me, const char *at, size_t len,
		     enum kind kind)
{
	if (at >= me->arena && at < me->arena + ARENA)
		memset(&me->kind[(at - me->arena) / page_size()], kind,
		       len / page_size());
}

static void remember(struct attacker *me, char *at, size_t len, enum kind kind)
{
	struct range *range = &me->recent[pick(me, MAX_RECENT)];

	range->at = at;
	range->len = len;
	range->kind = kind;
	kind_set(me, at, len, kind);
}

/* Room for a mapping, over whatever is there. */
static char *pick_room(struct attacker *me, size_t len)
{
	size_t page = page_size(), room = (ARENA - len) / page + 1;

	/* Aligned to 2 MiB at times: a huge page would fit. */
	if (one_in(me, 4))
		return me->arena + (pick(me, room) * page &
				    ~((2UL << 20) - 1));
	return me->arena + pick(me, room) * page;
}

/* len at most, and what lies in the arena. */
static size_t pick_span(struct attacker *me, const char *at)
{
	size_t page = page_size(), len = (1 + pick(me, 16)) * page;
	const char *end = at < me->arena + ARENA && at >= me->arena ?
			  me->arena + ARENA : me->other + ARENA;

	return len < (size_t)(end - at) ? len : (size_t)(end - at);
}

static int pick_prot(struct attacker *me)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC,
	};

	return prots[pick(me, ARRAY_LEN(prots))];
}

static enum result map_at(struct attacker *me, char *room, size_t len,
			  int prot, int flags, int fd, uint64_t off,
			  enum kind kind)
{
	char *at;

	me->step->arg[0] = (uintptr_t)room;
	me->step->arg[1] = len;
	me->step->arg[2] = off;
	me->step->arg[3] = kind;
	kind_set(me, room, len, KIND_NONE);
	at = mmap(room, len, prot, flags | MAP_FIXED, fd, off);
	if (at != MAP_FAILED)
		remember(me, at, len, kind);
	return ended(me, at == MAP_FAILED ? -1 : 0);
}

/* As a VMM does it, but anywhere. */
enum result op_mmap(struct attacker *me)
{
	static const int extra[] = { 0, 0, 0, MAP_POPULATE, MAP_LOCKED };
	size_t page = page_size(), pages, first, count;
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	pages = fd_size(me, i) / page;
	if (!pages)
		return REFUSED;
	first = one_in(me, 3) ? 0 : pick(me, pages);
	count = one_in(me, 3) ? pages - first : 1 + pick(me, 8);
	if (count > pages - first)
		count = pages - first;
	return map_at(me, pick_room(me, count * page), count * page,
		      pick_prot(me), MAP_SHARED |
		      extra[pick(me, ARRAY_LEN(extra))], me->fd[i],
		      me->fd_off[i] + first * page, me->fd_kind[i]);
}

/* What must be refused, and perhaps is not. */
enum result op_mmap_hostile(struct attacker *me)
{
	static const int flags[] = {
		MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_PRIVATE
	};
	int i = any_fd(me), how = flags[pick(me, ARRAY_LEN(flags))];
	uint64_t size, pos, len, rounded, page = page_size();
	char *at;

	if (i < 0)
		return REFUSED;
	size = fd_size(me, i);
	pos = pick_pos(me, size);
	if (!one_in(me, 16))
		pos &= ~(page - 1);
	len = pick_len(me, size, pos);
	rounded = (len + page - 1) & ~(page - 1);
	me->step->arg[0] = me->fd_kind[i];
	me->step->arg[1] = pos;
	me->step->arg[2] = len;
	me->step->arg[3] = how;
	if (rounded && rounded <= ARENA) {
		at = pick_room(me, rounded);
		kind_set(me, at, rounded, KIND_NONE);
		at = mmap(at, len, pick_prot(me), how | MAP_FIXED, me->fd[i],
			  me->fd_off[i] + pos);
	} else {
		at = mmap(NULL, len, PROT_READ, how, me->fd[i],
			  me->fd_off[i] + pos);
	}
	if (at == MAP_FAILED)
		return ended(me, -1);
	/* Other regions are vfio-pci's own. */
	if (pos >> 40) {
		munmap(at, rounded);
		return DONE;
	}
	if (how == MAP_PRIVATE && me->fd_kind[i] == KIND_GPU)
		finding(me->slot, "a private mapping of GPU RAM");
	if (pos >= size || rounded > size - pos)
		finding(me->slot, "mmap of %#llx at %#llx of a region of %#llx",
			(unsigned long long)len, (unsigned long long)pos,
			(unsigned long long)size);
	remember(me, at, rounded, me->fd_kind[i]);
	return ended(me, 0);
}

/*
 * Not in the arena: of the page only the controller's registers may be touched.
 * Behind them the emulator has nothing, and answers with a machine check that
 * ends the host.
 */
enum result op_mmap_bar(struct attacker *me)
{
	uint64_t value = attack_random(&me->rng);
	unsigned int touches = pick(me, 8);
	size_t page = page_size();
	int i = any_fd(me);
	char *bar;

	if (i < 0)
		return REFUSED;
	bar = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, me->fd[i],
		   0);
	if (bar == MAP_FAILED)
		return ended(me, -1);
	while (touches--)
		guarded_touch(bar + pick(me, BAR_REGISTERS / 8) * 8, 8,
			      one_in(me, 4), &value);
	munmap(bar, page);
	return ended(me, 0);
}

/* Over a mapping of the device, at times exactly where one was. */
enum result op_mmap_anon(struct attacker *me)
{
	struct range *range = any_recent(me);
	size_t len = (1 + pick(me, 8)) * page_size();
	char *at = pick_room(me, len);

	if (range && one_in(me, 2)) {
		at = range->at;
		len = range->len;
	}
	return map_at(me, at, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, KIND_ANON);
}

enum result op_munmap(struct attacker *me)
{
	struct range *range = any_recent(me);
	char *at = pick_address(me);
	size_t len = pick_span(me, at);

	if (range && one_in(me, 2)) {
		at = range->at;
		len = range->len;
	}
	me->step->arg[0] = (uintptr_t)at;
	me->step->arg[1] = len;
	kind_set(me, at, len, KIND_NONE);
	return ended(me, munmap(at, len));
}

enum result op_mremap_shrink(struct attacker *me)
{
	struct range *range = any_recent(me);
	size_t len, page = page_size();
	void *at;

	if (!range || range->len < 2 * page)
		return REFUSED;
	len = (1 + pick(me, range->len / page - 1)) * page;
	me->step->arg[0] = (uintptr_t)range->at;
	me->step->arg[1] = range->len;
	me->step->arg[2] = len;
	at = mremap(range->at, range->len, len, 0);
	if (at != MAP_FAILED) {
		kind_set(me, range->at + len, range->len - len, KIND_NONE);
		range->len = len;
	}
	return ended(me, at == MAP_FAILED ? -1 : 0);
}

/* A whole mapping of the device, with room behind it to grow into. */
static char *make_room_behind(struct attacker *me, size_t *len)
{
	const struct range *range = any_recent(me);
	size_t room = 4 * page_size();

	if (!range || range->at + range->len + room > me->arena + ARENA)
		return NULL;
	munmap(range->at + range->len, room);
	kind_set(me, range->at + range->len, room, KIND_NONE);
	*len = range->len;
	return range->at;
}

/* Growing, moving, doubling. */
enum result op_mremap_hostile(struct attacker *me)
{
	static const int flags[] = {
		0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
	};
	size_t page = page_size(), old = pick(me, 4) * page;
	size_t len = (1 + pick(me, 6)) * page;
	int how = flags[pick(me, ARRAY_LEN(flags))];
	char *from = pick_address(me), *to = pick_room(me, len), *at;
	enum kind kind;
	bool device;

	if (one_in(me, 2)) {
		from = make_room_behind(me, &old);
		len += old;
		if (!from || len > ARENA)
			return REFUSED;
		to = pick_room(me, len);
	}
	kind = kind_at(me, from);
	device = kind != KIND_NONE && kind != KIND_ANON;

	/* Plain memory would leave the arena. */
	if (!device && how)
		how |= MREMAP_FIXED;
	if (!device && !how)
		return REFUSED;
	if (from < me->arena || from + old > me->arena + ARENA)
		return REFUSED;
	me->step->arg[0] = (uintptr_t)from;
	me->step->arg[1] = old;
	me->step->arg[2] = len;
	me->step->arg[3] = how;
	at = mremap(from, old, len, how, to);
	if (how & MREMAP_FIXED)
		kind_set(me, to, len, KIND_NONE);
	if (at == MAP_FAILED)
		return ended(me, -1);
	if (device && len > old)
		finding(me->slot, "mremap from %#zx to %#zx of kind %d", old,
			len, kind);
	if (kind == KIND_GPU && at != from)
		finding(me->slot, "mremap moved GPU RAM to %p", at);
	if (at == from) {
		if (len < old)
			kind_set(me, from + len, old - len, KIND_NONE);
		return ended(me, 0);
	}
	if (!(how & MREMAP_DONTUNMAP))
		kind_set(me, from, old, KIND_NONE);
	kind_set(me, at, len, kind);
	return ended(me, 0);
}

enum result op_mprotect(struct attacker *me)
{
	char *at = pick_address(me);

	me->step->arg[0] = (uintptr_t)at;
	return ended(me, mprotect(at, pick_span(me, at), pick_prot(me)));
}

enum result op_madvise(struct attacker *me)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_REMOVE, MADV_DOFORK, MADV_DONTFORK,
		MADV_HUGEPAGE, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_WILLNEED, MADV_FREE, MADV_MERGEABLE, MADV_COLD,
		MADV_PAGEOUT, MADV_DODUMP, MADV_WIPEONFORK, MADV_COLLAPSE,
	};
	char *at = pick_address(me);
	int what = advice[pick(me, ARRAY_LEN(advice))];

	me->step->arg[0] = (uintptr_t)at;
	me->step->arg[1] = what;
	return ended(me, madvise(at, pick_span(me, at), what));
}

enum result op_mlock(struct attacker *me)
{
	char *at = pick_address(me);
	size_t len = pick_span(me, at);

	me->step->arg[0] = (uintptr_t)at;
	return ended(me, one_in(me, 2) ? mlock(at, len) : munlock(at, len));
}

enum result op_msync(struct attacker *me)
{
	char *at = pick_address(me);

	me->step->arg[0] = (uintptr_t)at;
	return ended(me, msync(at, pick_span(me, at), MS_SYNC));
}

static enum result touch(struct attacker *me, bool store)
{
	static const unsigned int widths[] = { 1, 4, 8, 8, 8 };
	unsigned int width = widths[pick(me, ARRAY_LEN(widths))];
	char *at = (char *)pick_address(me) + pick(me, page_size() / 8) * 8;
	uint64_t value = attack_random(&me->rng);
	bool ok;

	me->step->arg[0] = (uintptr_t)at;
	me->step->arg[1] = width;
	ok = guarded_touch(at, width, store, &value);
	me->step->arg[2] = value;
	me->step->ret = ok;
	if (ok && !store && width == 8 && is_foreign(value))
		finding(me->slot, "a load at %p gave %#llx, which belongs to others",
			at, (unsigned long long)value);
	return ok ? DONE : REFUSED;
}

enum result op_load(struct attacker *me)
{
	return touch(me, false);
}

enum result op_store(struct attacker *me)
{
	return touch(me, true);
}

/* The kernel's own copies from and to a mapping. */
enum result op_pipe(struct attacker *me)
{
	char *from = pick_address(me), *to = pick_address(me);
	ssize_t ret;
	int fd[2];

	me->step->arg[0] = (uintptr_t)from;
	me->step->arg[1] = (uintptr_t)to;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return ended(me, -1);
	ret = write(fd[1], from, 1 + pick(me, 0x8000));
	if (ret > 0)
		ret = read(fd[0], to, ret);
	ended(me, ret);
	close(fd[0]);
	close(fd[1]);
	return ret > 0 ? DONE : REFUSED;
}

enum result op_process_vm(struct attacker *me)
{
	struct iovec here = {
		.iov_base = me->scratch, .iov_len = 1 + pick(me, 0x20000),
	};
	struct iovec there = {
		.iov_base = pick_address(me), .iov_len = here.iov_len,
	};

	me->step->arg[0] = (uintptr_t)there.iov_base;
	me->step->arg[1] = there.iov_len;
	return ended(me, one_in(me, 2) ?
		     process_vm_readv(getpid(), &here, 1, &there, 1, 0) :
		     process_vm_writev(getpid(), &here, 1, &there, 1, 0));
}

enum result op_proc_mem(struct attacker *me)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uintptr_t at = (uintptr_t)pick_address(me);
	/* Within the page: what lies behind the arena is nobody's to write. */
	size_t len = 1 + pick(me, page_size());
	enum result result;

	if (fd < 0)
		return ended(me, fd);
	me->step->arg[0] = at;
	me->step->arg[1] = len;
	result = ended(me, one_in(me, 2) ? pread(fd, me->scratch, len, at) :
					   pwrite(fd, me->scratch, len, at));
	close(fd);
	return result;
}
