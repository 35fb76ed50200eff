// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO out of a folder, for a program that is started with this preloaded.
 *
 * FAKE_DEV is a folder that stands for /dev:
 *	vfio/vfio	its lines: "types=7,2" that are on offer, "set_iommu=ERRNO",
 *			"api=NUMBER"
 *	vfio/NUMBER	a group: "open=ERRNO", "viable=0", "set_container=ERRNO"
 *	fake/ADDRESS/	a device: "device" with "open=ERRNO", "num_regions=NUMBER",
 *			"info=ERRNO"; N.bin is the whole answer about region N; N.errno an errno;
 *			grow=1 makes every answer need 8 bytes more than the last
 * FAKE_LOG is a file that gets one line for each call.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*real_open)(const char *path, int flags, ...);
static int (*real_ioctl)(int fd, unsigned long request, ...);

static void setup(void)
{
	if (real_open)
		return;
	real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
}

static void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int fd, len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fd = real_open(getenv("FAKE_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0666);
	if (fd < 0 || write(fd, line, len) != len)
		abort();
	close(fd);
}

/* The value after "key=" in a file, as text; NULL when it is not there. */
static const char *setting(const char *path, const char *key)
{
	static char text[512];
	int fd = real_open(path, O_RDONLY);
	ssize_t len;
	char *at;

	if (fd < 0)
		return NULL;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = 0;
	for (at = text; at; at = strchr(at, '\n'), at += !!at)
		if (!strncmp(at, key, strlen(key)) && at[strlen(key)] == '=')
			return at + strlen(key) + 1;
	return NULL;
}

static int number(const char *path, const char *key, int otherwise)
{
	const char *text = setting(path, key);

	return text ? atoi(text) : otherwise;
}

/* 0, or -1 with the errno that the file wants. */
static int outcome(const char *path, const char *key)
{
	errno = number(path, key, 0);
	return errno ? -1 : 0;
}

int open(const char *path, int flags, ...)
{
	const char *dev = getenv("FAKE_DEV");
	mode_t mode = 0;
	va_list args;

	setup();
	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (!strncmp(path, dev, strlen(dev)) && !access(path, F_OK)) {
		say("open %s\n", path + strlen(dev));
		if (outcome(path, "open"))
			return -1;
	}
	return real_open(path, flags, mode);
}

static int type_on_offer(const char *path, long type)
{
	char list[512], *save, *one;
	const char *text = setting(path, "types");

	if (!text)
		return 0;
	snprintf(list, sizeof(list), "%s", text);
	list[strcspn(list, "\n")] = 0;
	for (one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save))
		if (atol(one) == type)
			return 1;
	return 0;
}

static int container_ioctl(const char *path, unsigned long request, unsigned long arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return number(path, "api", VFIO_API_VERSION);
	case VFIO_CHECK_EXTENSION:
		return type_on_offer(path, arg);
	case VFIO_SET_IOMMU:
		say("set_iommu %lu\n", arg);
		return outcome(path, "set_iommu");
	}
	errno = ENOTTY;
	return -1;
}

static int group_ioctl(const char *path, unsigned long request, unsigned long arg)
{
	struct vfio_group_status *status = (void *)arg;
	char device[4096];
	int err;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = number(path, "viable", 1) ? VFIO_GROUP_FLAGS_VIABLE : 0;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		say("set_container\n");
		return outcome(path, "set_container");
	case VFIO_GROUP_GET_DEVICE_FD:
		say("get_device %s\n", (const char *)arg);
		snprintf(device, sizeof(device), "%s/fake/%s/device", getenv("FAKE_DEV"),
			 (const char *)arg);
		err = outcome(device, "open");
		return err ? err : real_open(device, O_RDWR);
	}
	errno = ENOTTY;
	return -1;
}

/* As the kernel answers: the whole of it, or how much room that takes. */
static int region_info(const char *folder, struct vfio_region_info *info)
{
	static unsigned int grown;
	static char answer[4 << 20];
	char path[4200];
	__u32 argsz = info->argsz, needed;
	ssize_t len;
	int fd;

	say("region %u argsz %u\n", info->index, argsz);
	snprintf(path, sizeof(path), "%s/%u.errno", folder, info->index);
	if (!access(path, F_OK))
		return outcome(path, "errno");
	snprintf(path, sizeof(path), "%s/%u.bin", folder, info->index);
	fd = real_open(path, O_RDONLY);
	if (fd < 0) {
		errno = EINVAL;
		return -1;
	}
	len = read(fd, answer, sizeof(answer));
	close(fd);
	memcpy(&needed, answer, sizeof(needed));
	snprintf(path, sizeof(path), "%s/device", folder);
	if (number(path, "grow", 0))
		needed = argsz + 8 * ++grown;
	if (argsz < needed) {
		memcpy(info, answer, sizeof(*info));
		info->cap_offset = 0;
		info->argsz = needed;
	} else {
		memcpy(info, answer, len);
		info->argsz = argsz;
	}
	return 0;
}

static int device_ioctl(const char *path, unsigned long request, unsigned long arg)
{
	struct vfio_device_info *info = (void *)arg;
	char folder[4096];

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = 0;
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI;
		info->num_regions = number(path, "num_regions", 9);
		return outcome(path, "info");
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(folder, (void *)arg);
	}
	errno = ENOTTY;
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *dev = getenv("FAKE_DEV"), *name;
	char link[64], path[4096];
	unsigned long arg;
	va_list args;
	ssize_t len;

	setup();
	va_start(args, request);
	arg = va_arg(args, unsigned long);
	va_end(args);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return real_ioctl(fd, request, arg);
	path[len] = 0;
	if (strncmp(path, dev, strlen(dev)))
		return real_ioctl(fd, request, arg);
	name = path + strlen(dev);
	if (!strcmp(name, "/vfio/vfio"))
		return container_ioctl(path, request, arg);
	if (!strncmp(name, "/vfio/", 6))
		return group_ioctl(path, request, arg);
	return device_ioctl(path, request, arg);
}
