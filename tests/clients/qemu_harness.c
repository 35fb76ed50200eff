// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets QEMU's own functions read the region that a file holds as the answer of
 * VFIO_DEVICE_GET_REGION_INFO:
 *
 *	qemu_harness gpu|bridge FILE
 *
 * prints the lines that QEMU traces, and the properties it gives its device, as they are when it
 * makes them. The exit status is 0, or 1 after "error E", where E is what the function returned.
 *
 * Linked with QEMU's hw/vfio/pci-quirks.c and hw/vfio/common.c. What stands below is all they
 * need of the rest of QEMU, and of glib.
 */
#include "qemu/osdep.h"
#include <stdarg.h>
#include <sys/mman.h>
#include <syslog.h>
#include "qemu/module.h"
#include "hw/vfio/pci.h"
#include "trace/trace-hw_vfio.h"

static unsigned char answer[4096];	/* of the last region; the others have none */
static uint32_t answer_len;

int trace_events_enabled_count = 1;

/* QEMU's traces, made for syslog; one line each. */
void syslog(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* There is nobody to switch traces on by name; main() switches the three. */
void register_module_init(void (*init)(void), module_init_type type)
{
}

void trace_event_register_group(TraceEvent **events)
{
}

int __wrap_ioctl(int fd, unsigned long request, void *arg);

/* The kernel's part: as much of the answer as there is room for, without a chain if too little. */
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	struct vfio_region_info *info = arg;
	uint32_t room = info->argsz, index = info->index;

	if (request != VFIO_DEVICE_GET_REGION_INFO || index >= VFIO_PCI_NUM_REGIONS + 1) {
		errno = EINVAL;
		return -1;
	}
	if (index < VFIO_PCI_NUM_REGIONS) {
		memset(info, 0, sizeof(*info));
		info->argsz = sizeof(*info);
		info->index = index;
		return 0;
	}
	memcpy(info, answer, room < answer_len ? sizeof(*info) : answer_len);
	if (room < answer_len)
		info->cap_offset = 0;
	return 0;
}

void *g_malloc0(size_t size)
{
	return calloc(1, size);
}

void *g_realloc(void *block, size_t size)
{
	return realloc(block, size);
}

void g_free(void *block)
{
	free(block);
}

void memory_region_init_ram_ptr(MemoryRegion *mr, Object *owner, const char *name, uint64_t size,
				void *at)
{
	printf("memory %s size=0x%" PRIx64 "\n", name, size);
}

void memory_region_init_ram_device_ptr(MemoryRegion *mr, Object *owner, const char *name,
				       uint64_t size, void *at)
{
	printf("memory %s size=0x%" PRIx64 "\n", name, size);
}

ObjectProperty *object_property_add_uint64_ptr(Object *object, const char *name, const uint64_t *at,
					       ObjectPropertyFlags flags)
{
	printf("property %s=0x%" PRIx64 "\n", name, *at);
	return NULL;
}

ObjectProperty *object_property_add_uint32_ptr(Object *object, const char *name, const uint32_t *at,
					       ObjectPropertyFlags flags)
{
	printf("property %s=0x%" PRIx32 "\n", name, *at);
	return NULL;
}

/* A file that has room for the regions where the kernel has them; nothing in it takes memory. */
static int device(void)
{
	int fd = memfd_create("device", 0);

	if (fd < 0 || ftruncate(fd, (off_t)(VFIO_PCI_NUM_REGIONS + 1) << 40)) {
		perror("memfd_create");
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static VFIOPCIDevice vdev = {
		.vbasedev = { .name = (char *)"device", .num_regions = VFIO_PCI_NUM_REGIONS + 1 },
	};
	FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
	int ret;

	if (!file || !(answer_len = fread(answer, 1, sizeof(answer), file))) {
		fprintf(stderr, "usage: qemu_harness gpu|bridge FILE\n");
		return 2;
	}
	_TRACE_VFIO_PCI_NVIDIA_GPU_SETUP_QUIRK_DSTATE = 1;
	_TRACE_VFIO_PCI_NVLINK2_SETUP_QUIRK_SSATGT_DSTATE = 1;
	_TRACE_VFIO_PCI_NVLINK2_SETUP_QUIRK_LNKSPD_DSTATE = 1;
	vdev.vbasedev.fd = device();
	ret = strcmp(argv[1], "gpu") ? vfio_pci_nvlink2_init(&vdev, NULL) :
				       vfio_pci_nvidia_v100_ram_init(&vdev, NULL);
	if (ret)
		printf("error %d\n", ret);
	return ret ? 1 : 0;
}
