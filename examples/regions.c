// SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause
/*
 * Opens a GPU or a bridge through VFIO, asks for each region that vfio-pci itself does not have,
 * decodes the answer, and maps the region.
 *
 *	make -C examples && examples/regions-c 0004:04:00.0
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>
#include <vfio_nvlink2_decode.h>

static void fail(const char *what)
{
	fprintf(stderr, "regions: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The number of a device's IOMMU group is where a link in sysfs leads. */
static int group_of(const char *device)
{
	char path[128], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", device);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		fail(path);
	target[len] = 0;
	return atoi(strrchr(target, '/') + 1);
}

/* A group belongs to a container, its address space; then it gives out its devices. */
static int open_device(const char *device)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, fd;
	char path[64];

	if (container < 0)
		fail("/dev/vfio/vfio");
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_of(device));
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		fail(path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		fail("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU))
		fail("VFIO_SET_IOMMU");
	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device);
	if (fd < 0)
		fail("VFIO_GROUP_GET_DEVICE_FD");
	return fd;
}

/* The first call says how much room the capabilities need, the second one has it. */
static struct vfio_region_info *ask(int fd, unsigned int index)
{
	struct vfio_region_info *info = NULL;
	size_t argsz = sizeof(*info);

	for (;;) {
		info = realloc(info, argsz);
		if (!info)
			fail("memory");
		memset(info, 0, argsz);
		info->argsz = argsz;
		info->index = index;
		if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info))
			fail("VFIO_DEVICE_GET_REGION_INFO");
		if (info->argsz <= argsz)
			return info;
		argsz = info->argsz;
	}
}

static void show(int fd, const char *device, unsigned int index)
{
	struct vfio_region_info *info = ask(fd, index);
	struct vfio_nvlink2_region region;
	enum vfio_nvlink2_status status = vfio_nvlink2_decode(info, info->argsz, &region);
	volatile __u64 *at;

	if (status != VFIO_NVLINK2_OK) {
		fprintf(stderr, "regions: %s: %s\n", device, vfio_nvlink2_status_name(status));
		exit(1);
	}
	printf("%s region %u: %s, %llu bytes", device, index, vfio_nvlink2_kind_name(region.kind),
	       (unsigned long long)region.size);
	if (region.has_ssatgt)
		printf(", tgt %#llx", (unsigned long long)region.tgt);
	if (region.has_lnkspd)
		printf(", link speed code %u", region.link_speed);
	printf("\n");

	/* A bridge without ATSD registers has a region of size 0. */
	if (region.size && region.flags & VFIO_REGION_INFO_FLAG_MMAP) {
		at = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, region.offset);
		if (at == MAP_FAILED)
			fail("mmap");
		/* ATSD registers are for the GPU's driver: nothing is to be learnt from a load. */
		if (region.kind == VFIO_NVLINK2_KIND_GPU_RAM)
			printf("first word %#llx\n", (unsigned long long)*at);
		else
			printf("mapped\n");
		munmap((void *)at, region.size);
	}
	free(info);
}

int main(int argc, char **argv)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	unsigned int index;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE, such as 0004:04:00.0\n", argv[0]);
		return 2;
	}
	fd = open_device(argv[1]);
	if (ioctl(fd, VFIO_DEVICE_GET_INFO, &info))
		fail("VFIO_DEVICE_GET_INFO");
	for (index = VFIO_PCI_NUM_REGIONS; index < info.num_regions; index++)
		show(fd, argv[1], index);
	return 0;
}
