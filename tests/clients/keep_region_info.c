// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into QEMU 7.2, which frees the answers of VFIO_DEVICE_GET_REGION_INFO while its
 * properties nvlink2-tgt and nvlink2-link-speed still point into them (vfio_nvidia_v100_ram_init()
 * and vfio_nvlink2_init() in hw/vfio/pci-quirks.c): exactly those answers are not freed. Nothing
 * else is changed, and nothing the driver or QEMU says.
 *
 * Calls come from QEMU's start, where one thread makes devices; a machine has at most 24.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#define MAX_KEPT	64

static void *kept[MAX_KEPT];
static unsigned int nr_kept;

static int has_ssatgt(const struct vfio_region_info *info)
{
	__u32 at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) && at <= info->argsz - sizeof(struct vfio_info_cap_header)) {
		const struct vfio_info_cap_header *header = (const void *)((const char *)info + at);

		if (header->id == VFIO_REGION_INFO_CAP_NVLINK2_SSATGT)
			return 1;
		/* A chain that goes back never ends. */
		at = header->next > at ? header->next : 0;
	}
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	ret = next(fd, request, arg);
	if (request == VFIO_DEVICE_GET_REGION_INFO && !ret && nr_kept < MAX_KEPT && has_ssatgt(arg))
		kept[nr_kept++] = arg;
	return ret;
}

void free(void *block)
{
	static void (*next)(void *);
	unsigned int i;

	for (i = 0; i < nr_kept; i++)
		if (block && kept[i] == block)
			return;
	if (!next)
		next = dlsym(RTLD_NEXT, "free");
	next(block);
}
