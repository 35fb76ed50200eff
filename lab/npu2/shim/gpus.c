// SPDX-License-Identifier: GPL-2.0-only
/* The GPUs: an id on PCI functions, and RAM where the firmware puts it. */

#define _GNU_SOURCE
#include "shim.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * The GPUs: any PCI function does, once it says it is a V100. QEMU has no call that changes an id,
 * so the pointer to the function's configuration space is looked for in its state.
 */
#define GPU_ID		0x1db110deu
/* A 3D controller. */
#define GPU_CLASS	0x0302
#define AT_ID		0x00
#define AT_CLASS	0x0a
#define STATE_ROOM	2048

/* Reads what may not be there, without a fault. */
static bool peek(const void *from, void *to, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)(uintptr_t)from, size };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Where the emulator reads an id that was written there: that settles it. */
static bool set_gpu_id(void *device, uint8_t *config, uint32_t old)
{
	uint32_t id = GPU_ID;
	uint16_t class = GPU_CLASS;

	memcpy(config + AT_ID, &id, sizeof(id));
	if (pci_default_read_config(device, AT_ID, sizeof(id)) != id) {
		memcpy(config + AT_ID, &old, sizeof(old));
		return false;
	}
	config[AT_CLASS - 1] = 0;
	memcpy(config + AT_CLASS, &class, sizeof(class));
	return true;
}

static void make_gpu(uint8_t *device, unsigned int number)
{
	uint32_t old = pci_default_read_config(device, AT_ID, sizeof(old));
	unsigned int at;

	for (at = 0; at < STATE_ROOM; at += sizeof(void *)) {
		uint8_t *config;
		uint32_t id;

		if (!peek(device + at, &config, sizeof(config)))
			break;
		if (peek(config, &id, sizeof(id)) && id == old &&
		    set_gpu_id(device, config, old))
			return;
	}
	die("gpu%u: its configuration space is not where this emulator should have it", number);
}

void make_gpus(void)
{
	unsigned int number;

	for (number = 0; ; number++) {
		char path[64];
		void *device;

		snprintf(path, sizeof(path), "/machine/peripheral/gpu%u", number);
		device = object_resolve_path(path, NULL);
		if (!device)
			return;
		make_gpu(device, number);
	}
}

/* Each group of links has 128 GiB for its GPU's RAM, from here downwards. */
#define GPU_RAM_TOP	0x3e000000000ULL
#define GPU_RAM_STEP	0x2000000000ULL
#define GPU_GROUPS	3

static void add_gpu_ram(unsigned int group, const char *folder)
{
	char path[4096], name[32];
	void *region, *memory;
	off_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/ram%u", folder, group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	memory = size > 0 ? mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			  : MAP_FAILED;
	if (memory == MAP_FAILED)
		die("cannot map %s, of %lld bytes", path, (long long)size);
	close(fd);

	region = zeroed(REGION_ROOM);
	snprintf(name, sizeof(name), "npu2-ram%u", group);
	memory_region_init_ram_ptr(region, NULL, name, (uint64_t)size, memory);
	memory_region_add_subregion_overlap(get_system_memory(),
					    GPU_RAM_TOP - group * GPU_RAM_STEP, region, 1);
}

/* RAM for each group of links that the folder has a file for. */
void add_gpu_rams(const char *folder)
{
	unsigned int group;

	for (group = 0; group < GPU_GROUPS; group++)
		add_gpu_ram(group, folder);
}
