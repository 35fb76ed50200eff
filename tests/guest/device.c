// SPDX-License-Identifier: GPL-2.0-only
/* VFIO as a program sees it: groups, devices, regions, mappings. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

#define MAX_OPEN	64

/* A group stays open until the test is over: its devices share it. */
static struct {
	int number, fd, container;
} groups[MAX_SLOTS];
static unsigned int nr_groups;

static int devices[MAX_OPEN];
static unsigned int nr_devices;

/* Other descriptors that go with the test, however it ends. */
static int kept[MAX_OPEN];
static unsigned int nr_kept;

static struct {
	void *at;
	size_t len;
} maps[MAX_OPEN];
static unsigned int nr_maps;

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static int group_number(const char *bdf)
{
	char path[128], link[256], *last;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 bdf);
	len = readlink(path, link, sizeof(link) - 1);
	CHECKF(len > 0, "%s: %s", path, strerror(errno));
	link[len] = 0;
	last = strrchr(link, '/');
	CHECK(last);
	return atoi(last + 1);
}

static unsigned int group_open(const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int number = group_number(bdf);
	char path[64];
	unsigned int i;
	int fd, container;

	for (i = 0; i < nr_groups; i++)
		if (groups[i].number == number)
			return i;
	CHECK(nr_groups < ARRAY_LEN(groups));

	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	CHECKF(container >= 0, "/dev/vfio/vfio: %s", strerror(errno));
	groups[nr_groups].number = number;
	groups[nr_groups].fd = fd;
	groups[nr_groups++].container = container;

	CHECK(!ioctl(fd, VFIO_GROUP_GET_STATUS, &status));
	CHECKF(status.flags & VFIO_GROUP_FLAGS_VIABLE,
	       "group %d is not viable: a device of it has another driver",
	       number);
	CHECKF(!ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container),
	       "VFIO_GROUP_SET_CONTAINER: %s", strerror(errno));
	CHECKF(!ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU),
	       "VFIO_SET_IOMMU: %s", strerror(errno));
	return nr_groups - 1;
}

int device_group(const char *bdf)
{
	return groups[group_open(bdf)].fd;
}

int device_container(const char *bdf)
{
	return groups[group_open(bdf)].container;
}

/* The device's file descriptor, or -1 with errno. */
int device_try_open(const char *bdf)
{
	unsigned int group = group_open(bdf);
	int fd = ioctl(groups[group].fd, VFIO_GROUP_GET_DEVICE_FD, bdf);

	if (fd >= 0) {
		CHECK(nr_devices < ARRAY_LEN(devices));
		devices[nr_devices++] = fd;
	}
	return fd;
}

int device_open(const char *bdf)
{
	int fd = device_try_open(bdf);

	CHECKF(fd >= 0, "opening %s: %s", bdf, strerror(errno));
	return fd;
}

void device_close(int fd)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		if (devices[i] != fd)
			continue;
		devices[i] = devices[--nr_devices];
		close(fd);
		return;
	}
	fail_at(__FILE__, __LINE__, "closing a device that is not open");
}

/* Takes over a descriptor that was just opened. */
int keep(int fd, const char *what)
{
	CHECKF(fd >= 0, "%s: %s", what, strerror(errno));
	CHECK(nr_kept < ARRAY_LEN(kept));
	kept[nr_kept++] = fd;
	return fd;
}

/* Closes what was kept, VMs above all, and leaves the devices open. */
void kept_close(void)
{
	while (nr_kept)
		close(kept[--nr_kept]);
}

/* Another process gets the descriptor; what it is called there is its affair. */
void send_fd(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	} };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	CHECKF(sendmsg(socket, &message, 0) == 1, "sending a descriptor: %s",
	       strerror(errno));
}

/* Takes a descriptor from another process; it goes with the test. */
int receive_fd(int socket)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	struct cmsghdr *head;
	int fd = -1;

	CHECKF(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1,
	       "receiving a descriptor: %s", strerror(errno));
	head = CMSG_FIRSTHDR(&message);
	CHECK(head && head->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	CHECK(nr_devices < ARRAY_LEN(devices));
	devices[nr_devices++] = fd;
	return fd;
}

void devices_close(void)
{
	while (nr_maps)
		unmap(maps[nr_maps - 1].at, maps[nr_maps - 1].len);
	while (nr_devices)
		device_close(devices[nr_devices - 1]);
	/* A VM holds the groups it was given. */
	kept_close();
	while (nr_groups) {
		nr_groups--;
		ioctl(groups[nr_groups].fd, VFIO_GROUP_UNSET_CONTAINER);
		close(groups[nr_groups].fd);
		close(groups[nr_groups].container);
	}
}

uint32_t device_num_regions(int fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	CHECK(!ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	return info.num_regions;
}

/*
 * VFIO_DEVICE_GET_REGION_INFO into a buffer that was filled with 0xa5, so that
 * a test sees what was not written. Returns 0 or the errno.
 */
size_t region_info(int fd, uint32_t index, uint32_t argsz, uint8_t *buf,
		   size_t room)
{
	struct vfio_region_info *info = (void *)buf;

	memset(buf, 0xa5, room);
	info->argsz = argsz;
	info->index = index;
	return ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info) ? errno : 0;
}

static struct vfio_region_info plain_info(int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = REGION,
	};

	CHECKF(!ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info),
	       "VFIO_DEVICE_GET_REGION_INFO: %s", strerror(errno));
	return info;
}

uint64_t region_offset(int fd)
{
	return plain_info(fd).offset;
}

uint64_t region_size(int fd)
{
	return plain_info(fd).size;
}

void *try_map(int fd, uint64_t pos, size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags, fd, region_offset(fd) + pos);
}

void *map_region(int fd, uint64_t pos, size_t len)
{
	void *at = try_map(fd, pos, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	CHECKF(at != MAP_FAILED, "mmap of %#zx at %#llx: %s", len,
	       (unsigned long long)pos, strerror(errno));
	CHECK(nr_maps < ARRAY_LEN(maps));
	maps[nr_maps].at = at;
	maps[nr_maps++].len = len;
	return at;
}

void unmap(void *at, size_t len)
{
	unsigned int i;

	for (i = 0; i < nr_maps; i++) {
		if (maps[i].at != at)
			continue;
		maps[i] = maps[--nr_maps];
		break;
	}
	CHECK(!munmap(at, len));
}

ssize_t region_read(int fd, void *buf, size_t len, uint64_t pos)
{
	return pread(fd, buf, len, region_offset(fd) + pos);
}

ssize_t region_write(int fd, const void *buf, size_t len, uint64_t pos)
{
	return pwrite(fd, buf, len, region_offset(fd) + pos);
}

static volatile uint64_t *phys_map(uint64_t hpa)
{
	static int fd = -1;
	size_t page = page_size();
	char *at;

	if (fd < 0)
		fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	CHECKF(fd >= 0, "/dev/mem: %s", strerror(errno));
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  hpa & ~(page - 1));
	CHECKF(at != MAP_FAILED, "/dev/mem at %#llx: %s",
	       (unsigned long long)hpa, strerror(errno));
	return (volatile uint64_t *)(at + (hpa & (page - 1)));
}

static void phys_unmap(volatile uint64_t *at)
{
	size_t page = page_size();

	CHECK(!munmap((void *)((uintptr_t)at & ~(page - 1)), page));
}

/* What the machine has at a physical address, past every driver. */
uint64_t phys_read(uint64_t hpa)
{
	volatile uint64_t *at = phys_map(hpa);
	uint64_t value = *at;

	phys_unmap(at);
	return value;
}

void phys_write(uint64_t hpa, uint64_t value)
{
	volatile uint64_t *at = phys_map(hpa);

	*at = value;
	phys_unmap(at);
}

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* Does a load from there end in SIGBUS or SIGSEGV? */
bool touch_faults(volatile void *at)
{
	struct sigaction act = { .sa_handler = on_fault }, bus, segv;
	volatile bool faults = true;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	if (!sigsetjmp(fault, 1)) {
		(void)*(volatile uint8_t *)at;
		faults = false;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return faults;
}
