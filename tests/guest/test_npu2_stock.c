// SPDX-License-Identifier: GPL-2.0-only
/* A machine whose firmware has made an NPU2: a kernel without code for it, and one that goes down. */

#include <stdio.h>
#include <sys/reboot.h>

#include "npu2.h"
#include "nvtest.h"

/* The size of a GPU's region of RAM, by a descriptor of its own. */
static uint64_t ram_of(const char *bdf)
{
	uint8_t buf[96];
	int fd = device_open(bdf);

	CHECK_EQ(region_info(fd, REGION, 64, buf, sizeof(buf)), 0);
	return region_size(fd);
}

/*
 * A kernel without that code: the GPUs have the records of firmware's tree, the bridges are missing, and
 * a warning names the cause.
 */
static void stock_gpu_has_what_firmware_says(void)
{
	const char *output;
	unsigned int i;

	log_mark();
	npu2_find_gpus();
	CHECK(log_has("this machine has an NPU2, but this kernel has no code for it", NULL, NULL));
	for (i = 0; i < nr_slots; i++) {
		CHECK_EQ(npu2_group_size(slots[i].bdf[0]), 1);
		CHECK_EQ(ram_of(slots[i].bdf[0]), 128ULL << 30);
	}
	devices_close();
	output = npu2_info();
	for (i = 0; i < nr_slots; i++)
		npu2_info_must_have(output, "%s", slots[i].bdf[0]);
	npu2_info_must_have(output, "128 GiB");
	npu2_info_must_have(output, "    bridges   none here");
}

static void stock_vm_is_refused(void)
{
	npu2_find_gpus();
	vm_with(slots[0].bdf[0]);
	log_mark();
	CHECK_ERR(device_try_open(slots[0].bdf[0]), ENODEV);
	CHECK(log_has(slots[0].bdf[0], "no NPU2 platform code to bind it", NULL));
}

const struct test npu2_stock_tests[] = {
	TEST(npu2, stock_gpu_has_what_firmware_says),
	TEST(npu2, stock_vm_is_refused),
	{ NULL, NULL }
};

/* The machine goes down while a VM has its GPUs; the log of registers shows what it left. */
static void reboot_while_a_vm_has_them(void)
{
	npu2_find_and_be_the_hosts();
	npu2_be_a_vm_with_all();
	note("rebooting");
	fflush(NULL);
	reboot(RB_AUTOBOOT);
	fail_at(__FILE__, __LINE__, "the machine did not reboot: %s", strerror(errno));
}

const struct test npu2_reboot_tests[] = {
	TEST(npu2, reboot_while_a_vm_has_them),
	{ NULL, NULL }
};
