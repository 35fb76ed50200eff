// SPDX-License-Identifier: GPL-2.0-only
/* Opens groups and devices, and asks for the regions. */

#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "explain.h"
#include "file.h"
#include "region.h"
#include "sysfs.h"

/* A region's capabilities take some hundred bytes. More than this is no answer. */
#define MAX_ARGSZ	(1U << 20)
/* How often argsz may grow between two calls. */
#define MAX_RETRIES	8

struct group {
	int number, fd, container;
	struct info_error error;
};

/* The one for POWER9 first; the others serve a look at any other VFIO device. */
static const int iommu_types[] = {
	VFIO_SPAPR_TCE_v2_IOMMU, VFIO_SPAPR_TCE_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU,
};

static void check_viable(const struct info_options *options, struct group *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char *blockers;

	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status)) {
		info_fail(&group->error, info_format("reading the status of group %d: %s",
						     group->number, strerror(errno)), NULL);
		return;
	}
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return;
	blockers = info_blockers(options, group->number);
	info_fail(&group->error,
		  info_format("group %d is not viable: another driver has %s", group->number,
			      blockers ? blockers : "a device of it"),
		  info_format("every device of %s/kernel/iommu_groups/%d/devices has to be "
			      "unbound from its driver or bound to a VFIO driver; "
			      "'%s DEVICE' says how", options->sysfs, group->number, INFO_NAME));
	free(blockers);
}

static void set_iommu(struct group *group)
{
	int err = 0;
	size_t n;

	for (n = 0; n < sizeof(iommu_types) / sizeof(*iommu_types); n++) {
		if (ioctl(group->container, VFIO_CHECK_EXTENSION, iommu_types[n]) <= 0)
			continue;
		if (!ioctl(group->container, VFIO_SET_IOMMU, iommu_types[n]))
			return;
		/* The first refusal is that of the type the machine is made for. */
		if (!err)
			err = errno;
	}
	info_explain_iommu(&group->error, group->number, err);
}

static void open_container(const struct info_options *options, struct group *group)
{
	char *path = info_format("%s/vfio/vfio", options->dev);

	group->container = open(path, O_RDWR | O_CLOEXEC);
	if (group->container < 0)
		info_explain_container(&group->error, path, errno);
	else if (ioctl(group->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		info_fail(&group->error, info_format("%s does not speak version %d of VFIO's "
						     "interface", path, VFIO_API_VERSION),
			  info_format("is it VFIO's?"));
	else if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &group->container))
		info_fail(&group->error, info_format("giving group %d an address space: %s",
						     group->number, strerror(errno)),
			  info_format("a driver of another device may use the group's IOMMU; "
				      "the kernel's log may say why (dmesg)"));
	else
		set_iommu(group);
	free(path);
}

static void open_group(const struct info_options *options, struct group *group, int number)
{
	char *path = info_format("%s/vfio/%d", options->dev, number);

	group->number = number;
	group->container = -1;
	group->error.cause = group->error.cure = NULL;
	group->fd = open(path, O_RDWR | O_CLOEXEC);
	if (group->fd < 0)
		info_explain_open(&group->error, path, number, errno);
	else
		check_viable(options, group);
	free(path);
	if (!group->error.cause)
		open_container(options, group);
}

static void close_group(struct group *group)
{
	if (group->fd >= 0)
		close(group->fd);
	if (group->container >= 0)
		close(group->container);
	free(group->error.cause);
	free(group->error.cure);
}

/*
 * Asks for a region with a buffer that grows to what the answer needs. Returns 0 or the
 * errno.
 */
static int fetch(int fd, struct info_region *region)
{
	size_t len = sizeof(struct vfio_region_info);
	struct vfio_region_info *info;
	int tries;

	for (tries = 0; tries < MAX_RETRIES; tries++) {
		region->buf = info_alloc(region->buf, len, 1);
		memset(region->buf, 0, len);
		region->len = len;
		info = (struct vfio_region_info *)region->buf;
		info->argsz = len;
		info->index = region->index;
		if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info))
			return errno;
		if (info->argsz <= len)
			return 0;
		if (info->argsz > MAX_ARGSZ)
			return EMSGSIZE;
		len = info->argsz;
	}
	/* The decoder will say that the capabilities are cut off. */
	return 0;
}

static void add_region(int fd, struct info_device *device, unsigned int index)
{
	struct info_region region = { .index = index };
	int err = fetch(fd, &region);

	/* VGA has an index even where there is no VGA; vfio-pci then refuses it. */
	if (err) {
		free(region.buf);
		region.buf = NULL;
		region.len = 0;
	}
	if (err == EINVAL && index == VFIO_PCI_VGA_REGION_INDEX)
		return;
	if (err == EMSGSIZE)
		info_fail(&region.error, info_format("its information is said to be more than "
						     "%u bytes long", MAX_ARGSZ), NULL);
	else if (err)
		info_fail(&region.error, info_format("asking for its information: %s",
						     strerror(err)),
			  info_format("the kernel's log may say why (dmesg)"));
	else
		info_decode(&region);
	info_add_region(device, &region);
}

static void read_device(const struct info_options *options, int fd, struct info_device *device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	unsigned int index;

	if (ioctl(fd, VFIO_DEVICE_GET_INFO, &info)) {
		info_fail(&device->error, info_format("asking for its information: %s",
						      strerror(errno)), NULL);
		return;
	}
	device->num_regions = info.num_regions;
	for (index = options->all ? 0 : VFIO_PCI_NUM_REGIONS; index < info.num_regions; index++)
		add_region(fd, device, index);
	if (options->save)
		info_save(options->save, device);
}

static void open_device(const struct info_options *options, struct group *group,
			struct info_device *device)
{
	int fd;

	if (group->error.cause) {
		info_fail(&device->error, info_format("%s", group->error.cause),
			  group->error.cure ? info_format("%s", group->error.cure) : NULL);
		return;
	}
	fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, device->address);
	if (fd < 0) {
		info_explain_device(&device->error, device, errno);
		return;
	}
	read_device(options, fd, device);
	close(fd);
}

/* Some devices take seconds to open, because they are reset. */
static void progress(const struct info_report *report, size_t n)
{
	static time_t said;
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		return;
	if (!said)
		said = now.tv_sec;
	if (now.tv_sec - said < 2 || !isatty(STDERR_FILENO))
		return;
	said = now.tv_sec;
	fprintf(stderr, INFO_NAME ": reading %s, %zu of %zu\n", report->devices[n].address, n + 1,
		report->nr_devices);
}

/* A group can be open once only, so its devices share it; each has its own address space. */
void info_open_devices(const struct info_options *options, struct info_report *report)
{
	struct info_device *device;
	struct group *groups = NULL;
	size_t nr_groups = 0, n, g;

	for (n = 0; n < report->nr_devices; n++) {
		device = &report->devices[n];
		info_need_vfio(options, device);
		if (device->error.cause)
			continue;
		if (device->group < 0) {
			info_fail(&device->error, info_format("is in no IOMMU group"),
				  info_format("VFIO needs an IOMMU; is it switched off in the "
					      "firmware or on the kernel's command line?"));
			continue;
		}
		progress(report, n);
		for (g = 0; g < nr_groups; g++)
			if (groups[g].number == device->group)
				break;
		if (g == nr_groups) {
			groups = info_alloc(groups, ++nr_groups, sizeof(*groups));
			open_group(options, &groups[g], device->group);
		}
		open_device(options, &groups[g], device);
	}
	for (g = 0; g < nr_groups; g++)
		close_group(&groups[g]);
	free(groups);
}
