// SPDX-License-Identifier: GPL-2.0-only
/* The attack: what is done with descriptors. */

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "attack.h"

/* A device descriptor's place in the table, -1 when there is none. */
int any_fd(struct attacker *me)
{
	unsigned int i, at = pick(me, MAX_FDS);

	for (i = 0; i < MAX_FDS; i++, at = (at + 1) % MAX_FDS)
		if (me->fd[at] >= 0)
			return at;
	return -1;
}

uint64_t fd_size(struct attacker *me, int i)
{
	return me->fd_kind[i] == KIND_GPU ? WINDOW : attack_state->atsd_size;
}

/* Takes a descriptor in, if it is one of ours; closes it otherwise. */
static int adopt(struct attacker *me, int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = REGION,
	};
	unsigned int i;

	for (i = 0; i < MAX_FDS && me->fd[i] >= 0; i++)
		;
	if (i == MAX_FDS || ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info)) {
		close(fd);
		return fd;
	}
	if (info.size != WINDOW && info.size != attack_state->atsd_size)
		finding(me->slot, "region %u has size %#llx", REGION,
			(unsigned long long)info.size);
	me->fd[i] = fd;
	me->fd_kind[i] = info.size == WINDOW ? KIND_GPU : KIND_ATSD;
	me->fd_off[i] = info.offset;
	return fd;
}

enum result op_open(struct attacker *me)
{
	/* Mostly the GPU. */
	unsigned int role = one_in(me, 2) ? 0 : pick(me, NR_ROLES);
	int fd = ioctl(attack_group, VFIO_GROUP_GET_DEVICE_FD,
		       slots[0].bdf[role]);
	enum result result = ended(me, fd);

	me->step->arg[0] = role;
	if (result == DONE)
		adopt(me, fd);
	return result;
}

enum result op_close(struct attacker *me)
{
	int i = any_fd(me), fd;

	if (i < 0)
		return REFUSED;
	fd = me->fd[i];
	me->step->arg[0] = fd;
	me->fd[i] = -1;
	return ended(me, close(fd));
}

enum result op_dup(struct attacker *me)
{
	int i = any_fd(me), fd;
	enum result result;

	if (i < 0)
		return REFUSED;
	fd = dup(me->fd[i]);
	result = ended(me, fd);
	if (result == DONE)
		adopt(me, fd);
	return result;
}

union fd_message {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

enum result op_send(struct attacker *me)
{
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	union fd_message control = { .room = "" };
	struct msghdr msg = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int i = any_fd(me);

	if (attack_socket[0] < 0)
		return ABSENT;
	if (i < 0)
		return REFUSED;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &me->fd[i], sizeof(int));
	return ended(me, sendmsg(attack_socket[0], &msg, MSG_DONTWAIT));
}

enum result op_receive(struct attacker *me)
{
	char room;
	struct iovec byte = { .iov_base = &room, .iov_len = 1 };
	union fd_message control = { .room = "" };
	struct msghdr msg = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	enum result result;
	int fd;

	if (attack_socket[1] < 0)
		return ABSENT;
	result = ended(me, recvmsg(attack_socket[1], &msg,
				   MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
	head = result == DONE ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return result;
	memcpy(&fd, CMSG_DATA(head), sizeof(int));
	adopt(me, fd);
	return result;
}

/* Out of another process, without its help. */
enum result op_steal(struct attacker *me)
{
	unsigned int slot = pick(me, SLOTS);
	int fd, pidfd, pid = atomic_load(&attack_state->slot[slot].pid);
	enum result result;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return ended(me, pidfd);
	fd = syscall(SYS_pidfd_getfd, pidfd, 3 + pick(me, 24), 0);
	result = ended(me, fd);
	close(pidfd);
	if (result == DONE)
		adopt(me, fd);
	return result;
}

enum result op_region_info(struct attacker *me)
{
	static const uint32_t sizes[] = {
		0, 4, 16, 31, 32, 40, 56, 64, 80, 4096, ~0u
	};
	struct vfio_region_info *info = (void *)me->scratch;
	uint32_t index, argsz = sizes[pick(me, ARRAY_LEN(sizes))];
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	index = one_in(me, 4) ? attack_random(&me->rng) : pick(me, REGION + 2);
	info->argsz = argsz;
	info->index = index;
	info->flags = 0;
	if (one_in(me, 8))
		info = (void *)(me->scratch + SCRATCH - pick(me, 96));
	me->step->arg[0] = index;
	me->step->arg[1] = argsz;
	return ended(me, ioctl(me->fd[i], VFIO_DEVICE_GET_REGION_INFO, info));
}

enum result op_device_info(struct attacker *me)
{
	struct vfio_device_info *info = (void *)me->scratch;
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	info->argsz = one_in(me, 2) ? sizeof(*info) : pick(me, 64);
	return ended(me, ioctl(me->fd[i], VFIO_DEVICE_GET_INFO, info));
}

enum result op_hot_reset_info(struct attacker *me)
{
	struct vfio_pci_hot_reset_info *info = (void *)me->scratch;
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	memset(info, 0, sizeof(*info));
	info->argsz = one_in(me, 4) ? pick(me, 64) : 4096;
	return ended(me, ioctl(me->fd[i], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
			       info));
}

enum result op_reset(struct attacker *me)
{
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	return ended(me, ioctl(me->fd[i], VFIO_DEVICE_RESET));
}

/* Numbers near VFIO's own, with an argument that is no good for any. */
enum result op_ioctl(struct attacker *me)
{
	unsigned int nr = _IO(VFIO_TYPE, VFIO_BASE + 40 + pick(me, 60));
	int i = any_fd(me);

	if (i < 0)
		return REFUSED;
	me->step->arg[0] = nr;
	return ended(me, ioctl(me->fd[i], nr,
			       one_in(me, 2) ? NULL : me->scratch + SCRATCH));
}
