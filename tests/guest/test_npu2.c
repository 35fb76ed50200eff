// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine whose firmware has made the NPU2: GPUs and bridges are those of its
 * device tree, and nothing is simulated in the kernel. Of each GPU's window
 * only the start is backed by memory; nothing else of it may be touched.
 */

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "npu2.h"
#include "nvtest.h"
#include "qemu.h"

#define DEVICES		"/sys/bus/pci/devices/"
#define WINDOW		(128ULL << 30)

/* A property of a function's node as 32-bit numbers; how many there are. */
unsigned int npu2_cells(const char *bdf, const char *prop, uint32_t *value, unsigned int room)
{
	char path[300];
	ssize_t len = 0;
	unsigned int i;
	int fd;

	snprintf(path, sizeof(path), DEVICES "%s/of_node/%s", bdf, prop);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, value, room * sizeof(*value));
	close(fd);
	for (i = 0; i < len / (ssize_t)sizeof(*value); i++)
		value[i] = be32toh(value[i]);
	return i;
}

/* The name of the function with a phandle. */
static void function_of(uint32_t handle, char *bdf)
{
	struct dirent *entry;
	uint32_t value;
	DIR *dir = opendir(DEVICES);

	CHECK(dir);
	bdf[0] = 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    npu2_cells(entry->d_name, "phandle", &value, 1) == 1 &&
		    value == handle)
			snprintf(bdf, 16, "%.15s", entry->d_name);
	closedir(dir);
	CHECKF(bdf[0], "no function has the phandle %#x", handle);
}

/* A slot for each GPU; firmware's tree has the number of bridges behind each. */
static void find(bool with_bridges)
{
	uint32_t handles[MAX_FUNCTIONS];
	struct dirent *entry;
	unsigned int i, count;
	struct slot *slot;
	DIR *dir = opendir(DEVICES);

	CHECK(dir);
	nr_slots = 0;
	memset(slots, 0, sizeof(slots));
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		count = npu2_cells(entry->d_name, "ibm,npu", handles, MAX_FUNCTIONS);
		if (!count)
			continue;
		CHECK(nr_slots < MAX_SLOTS && count < MAX_FUNCTIONS);
		slot = &slots[nr_slots++];
		snprintf(slot->bdf[0], 16, "%.15s", entry->d_name);
		slot->functions = 1;
		for (i = 0; with_bridges && i < count; i++)
			function_of(handles[i], slot->bdf[slot->functions++]);
	}
	closedir(dir);
	CHECKF(nr_slots, "no function has the property ibm,npu");
	driver_load();
}

/* Each GPU with its bridges, in the order of its links. */
void npu2_find(void)
{
	find(true);
}

/* The GPUs alone, of a kernel that shows no bridges. */
void npu2_find_gpus(void)
{
	find(false);
}

/* What firmware calls the RAM behind a bridge; below 8 TiB it is where it is, too. */
static uint64_t target_of(const char *bdf)
{
	uint32_t tgt[2];

	CHECK_EQ(npu2_cells(bdf, "ibm,device-tgt-addr", tgt, 2), 2);
	return (uint64_t)tgt[0] << 32 | tgt[1];
}

static void regions_are_what_firmware_says(void)
{
	uint8_t buf[96];
	uint64_t tgt, word = 0x600d600d600d600d;
	unsigned int i, k;
	int fd;

	npu2_find();
	for (i = 0; i < nr_slots; i++) {
		tgt = target_of(slots[i].bdf[1]);
		fd = device_open(slots[i].bdf[0]);
		CHECK_EQ(region_info(fd, REGION, 64, buf, sizeof(buf)), 0);
		CHECK_EQ(region_size(fd), WINDOW);
		CHECK(!memcmp(buf + 56, &tgt, sizeof(tgt)));
		CHECK_EQ(region_write(fd, &word, 8, 0x10008), 8);
		CHECK_EQ(phys_read(tgt + 0x10008), word);
		for (k = 1; k < slots[i].functions; k++) {
			fd = device_open(slots[i].bdf[k]);
			/* The driver of 2018 offers those that firmware does not bind, too (N19). */
			CHECK(region_size(fd) == (k == 1 ? ATSD_SIZE : 0) ||
			      (driver_in_vfio_pci() && region_size(fd) == ATSD_SIZE));
		}
	}
}

/* From the open to the close of a guest that uses its GPU's RAM and invalidates. */
static void guest_uses_gpu_ram_and_atsd(void)
{
	uint64_t ram;

	npu2_find();
	ram = target_of(slots[0].bdf[1]);
	kvm_machine();
	qemu_assign(0, 0, slots[0].functions - 1);
	run_guest();
	guest_store(QEMU_GPU_RAM(0) + 0x10000, 0x1122334455667788);
	CHECK_EQ(phys_read(ram + 0x10000), 0x1122334455667788);
	phys_write(ram + 0x20000, 0x99aabbccddeeff00);
	CHECK_EQ(guest_load(QEMU_GPU_RAM(0) + 0x20000), 0x99aabbccddeeff00);
	guest_store(QEMU_ATSD(0) + 8, 0x1122334455667788);
	guest_store(QEMU_ATSD(0), 0x84);
	CHECK_EQ(guest_load(QEMU_ATSD(0) + 0x10), 0);
	qemu_quit();
	devices_close();
}

const struct test npu2_tests[] = {
	TEST(npu2, regions_are_what_firmware_says),
	TEST(npu2, guest_uses_gpu_ram_and_atsd),
	{ NULL, NULL }
};
