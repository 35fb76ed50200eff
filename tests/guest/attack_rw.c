// SPDX-License-Identifier: GPL-2.0-only
/* The attack: read and write of the device's descriptors. */

#include <sys/uio.h>
#include <unistd.h>

#include "attack.h"

/* Nothing a read gives may be somebody else's. */
static void look_through(struct attacker *me, const char *buf, size_t len,
			 uint64_t pos)
{
	size_t i = -pos & 7;
	uint64_t value;

	for (; i + 8 <= len; i += 8) {
		/* The beginning and the end of long ones. */
		if (i >= 0x4000 && len - i > 0x4008)
			i = (len - 0x4000 + pos) / 8 * 8 - pos;
		memcpy(&value, buf + i, 8);
		if (is_foreign(value))
			finding(me->slot, "a read at %#llx gave %#llx, which belongs to others",
				(unsigned long long)(pos + i),
				(unsigned long long)value);
	}
}

static void check_count_of(struct attacker *me, ssize_t ret, size_t len,
			   uint64_t pos, uint64_t size)
{
	if (ret > 0 && (pos >= size || (uint64_t)ret > size - pos ||
			(size_t)ret > len))
		finding(me->slot, "%zd of %#zx bytes at %#llx of a region of %#llx",
			ret, len, (unsigned long long)pos,
			(unsigned long long)size);
}

static enum result read_or_write(struct attacker *me, bool iswrite)
{
	int i = any_fd(me);
	uint64_t size, pos;
	ssize_t ret;
	size_t len;
	char *buf;

	if (i < 0)
		return REFUSED;
	size = fd_size(me, i);
	pos = pick_pos(me, size);
	len = pick_len(me, size, pos);
	if (me->fd_kind[i] == KIND_ATSD && one_in(me, 2)) {
		pos = pick(me, 0x20000) & ~7ULL;
		len = 1 << pick(me, 4);
	}
	/* Another region of vfio-pci's own may do what it likes. */
	if (pos >> 40)
		pos |= 1ULL << 63;
	buf = pick_buffer(me, &len);
	me->step->arg[0] = me->fd_kind[i];
	me->step->arg[1] = pos;
	me->step->arg[2] = len;
	me->step->arg[3] = (uintptr_t)buf;
	if (iswrite)
		ret = pwrite(me->fd[i], buf, len, me->fd_off[i] + pos);
	else
		ret = pread(me->fd[i], buf, len, me->fd_off[i] + pos);
	check_count_of(me, ret, len, pos, size);
	if (ret > 0 && !iswrite && buf == me->scratch)
		look_through(me, buf, ret, pos);
	return ended(me, ret);
}

enum result op_pread(struct attacker *me)
{
	return read_or_write(me, false);
}

enum result op_pwrite(struct attacker *me)
{
	return read_or_write(me, true);
}

enum result op_preadv(struct attacker *me)
{
	struct iovec part[4];
	unsigned int k, nr = 1 + pick(me, ARRAY_LEN(part));
	int i = any_fd(me);
	size_t len = 0;
	ssize_t ret;
	uint64_t pos;

	if (i < 0 || me->fd_kind[i] != KIND_GPU)
		return REFUSED;
	pos = one_in(me, 2) ? WINDOW - pick(me, 0x40000) : pick(me, WINDOW);
	for (k = 0; k < nr; k++) {
		part[k].iov_len = pick(me, 0x30000);
		part[k].iov_base = pick_buffer(me, &part[k].iov_len);
		len += part[k].iov_len;
	}
	me->step->arg[0] = pos;
	me->step->arg[1] = len;
	ret = one_in(me, 2) ? preadv(me->fd[i], part, nr, me->fd_off[i] + pos) :
			      pwritev(me->fd[i], part, nr, me->fd_off[i] + pos);
	check_count_of(me, ret, len, pos, WINDOW);
	return ended(me, ret);
}
