// SPDX-License-Identifier: GPL-2.0-only
/* A device's life: open, reset, close, and the modules coming and going. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

static void reset_removes_the_mapping_D7(void)
{
	volatile uint64_t *ram;
	size_t page = page_size();
	char *trace;
	char want[128];
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	ram = map_region(fd, 0, GPU_SIZE);
	ram[page / 8] = 0x11;
	trace_start();
	ram[page / 8] = 0x12;
	trace = trace_stop();
	CHECKF(!strstr(trace, "mmap_fault"), "a page that was in faulted");

	CHECKF(!ioctl(fd, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET: %s",
	       strerror(errno));
	trace_start();
	CHECK_EQ(ram[page / 8], 0x12);
	trace = trace_stop();
	snprintf(want, sizeof(want), "mmap_fault: %s: %llx", slots[0].bdf[0],
		 GPU_BASE + page);
	CHECKF(strstr(trace, want), "no fault after the reset:\n%s", trace);
}

/* A mapping keeps the device open; unmapping it is what closes it. */
static void mapping_outlives_the_descriptor(void)
{
	volatile uint64_t *ram;
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	ram = map_region(fd, 0, GPU_SIZE);
	device_close(fd);
	ram[8] = 0x31;
	CHECK_EQ(phys_read(GPU_BASE + 64), 0x31);
	unmap((void *)ram, GPU_SIZE);
	fd = device_open(slots[0].bdf[0]);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK_EQ(ram[8], 0x31);
}

static void open_and_close_many_times(void)
{
	int i, k;

	sim_load_default(NULL);
	for (i = 0; i < 8; i++) {
		for (k = 0; k < 4; k++) {
			int fd = device_open(slots[0].bdf[k]);

			CHECK_EQ(device_num_regions(fd), REGION + 1);
			device_close(fd);
		}
	}
}

/* Without a VM there is no partition: nothing is bound, nothing unbound. */
static void no_vm_no_partition_D23(void)
{
	static const char record[] = "/sys/kernel/debug/nvlink2-sim/partitions";
	int fd;

	sim_load_default(NULL);
	write_text(record, "\n");
	fd = device_open(slots[0].bdf[0]);
	device_close(fd);
	CHECK_EQ(read_text(record)[0], 0);
}

static void properties_go_with_the_simulator(void)
{
	const char *gpu, *bridge;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	bridge = slots[0].bdf[1];
	CHECK(tree_has(gpu, "ibm,npu"));
	CHECK(tree_has(bridge, "ibm,gpu"));
	CHECK(tree_has(bridge, "memory-region"));
	CHECK(!access("/sys/firmware/devicetree/base/nvlink2-sim/memory@80000000",
		      F_OK));
	sim_unload();
	CHECK(!tree_has(gpu, "ibm,npu"));
	CHECK(!tree_has(bridge, "ibm,gpu"));
	CHECK(!tree_has(bridge, "memory-region"));
	CHECK(access("/sys/firmware/devicetree/base/nvlink2-sim", F_OK));
}

static void unload_and_reload(void)
{
	uint64_t value;
	int i, fd;

	for (i = 0; i < 5; i++) {
		driver_unload();
		CHECK(!module_loaded(driver_name()));
		CHECK(!module_loaded("nvlink2-sim"));
		sim_load_default(NULL);
		fd = device_open(slots[0].bdf[0]);
		value = 0x900d + i;
		CHECK_EQ(region_write(fd, &value, 8, 0x800), 8);
		CHECK_EQ(phys_read(GPU_BASE + 0x800), value);
		devices_close();
	}
}

const struct test life_tests[] = {
	TEST(life, reset_removes_the_mapping_D7),
	TEST(life, mapping_outlives_the_descriptor),
	TEST(life, open_and_close_many_times),
	TEST(life, no_vm_no_partition_D23),
	TEST(life, properties_go_with_the_simulator),
	TEST(life, unload_and_reload),
	{ NULL, NULL }
};
