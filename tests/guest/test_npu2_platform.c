// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's platform code for the NPU2 (kernel/powernv), on a machine whose firmware has made one. */

#include <stdio.h>
#include <unistd.h>

#include "npu2.h"
#include "nvtest.h"

/* A line of firmware's log, one for each link. */
#define LINK_RESET	"Resetting device"

static void one_group_of_all(void)
{
	unsigned int i, k, all = 0;

	npu2_find();
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++, all++)
			CHECK_EQ(npu2_group_of(slots[i].bdf[k]), npu2_group_of(slots[0].bdf[0]));
	CHECK(all > nr_slots);
	CHECK_EQ(npu2_group_size(slots[0].bdf[0]), all);
}

/* Each GPU with its RAM and its bridges, in one line with the speed that firmware gives. */
static void info_shows_what_firmware_says(void)
{
	const char *output;
	unsigned int i, k;
	uint32_t tgt[2];

	npu2_find();
	output = npu2_info();
	for (i = 0; i < nr_slots; i++) {
		npu2_info_must_have(output, "%s", slots[i].bdf[0]);
		CHECK_EQ(npu2_cells(slots[i].bdf[1], "ibm,device-tgt-addr", tgt, 2), 2);
		npu2_info_must_have(output, "%#llx", (unsigned long long)tgt[0] << 32 | tgt[1]);
		npu2_info_must_have(output, "    bridges   %s (", slots[i].bdf[1]);
		for (k = 2; k < slots[i].functions; k++)
			npu2_info_must_have(output, "), %s (", slots[i].bdf[k]);
	}
	npu2_info_must_have(output, "128 GiB");
	CHECK(!strstr(output, "none here"));
}

/* A VM has the GPU it opens; of the others of its group, nobody's page tables are used. */
static void vm_has_gpu_until_close(void)
{
	uint64_t lpid, other;
	unsigned int i;
	int fd;

	npu2_find_and_be_the_hosts();
	vm_with(slots[0].bdf[0]);
	npu2_all_are(NPU2_NOBODY);
	fd = device_open(slots[0].bdf[0]);
	CHECK_EQ(npu2_owner_of(&slots[0], &lpid), NPU2_VM);
	for (i = 1; i < nr_slots; i++)
		npu2_owner_is(&slots[i], NPU2_NOBODY);
	for (i = 1; i < nr_slots; i++) {
		device_open(slots[i].bdf[0]);
		CHECK_EQ(npu2_owner_of(&slots[i], &other), NPU2_VM);
		CHECK_EQ(other, lpid);
	}
	device_close(fd);
	npu2_owner_is(&slots[0], NPU2_NOBODY);
	for (i = 1; i < nr_slots; i++)
		npu2_owner_is(&slots[i], NPU2_VM);
	kept_close();
	devices_close();
	npu2_all_are(NPU2_HOST);
}

/* Firmware has no call for this. If the test fails, a newer firmware has one: change docs/ac922.md. */
static void firmware_binds_atsd_of_first_link_alone_N19(void)
{
	unsigned int link, first;
	uint64_t lpid;
	int fd;

	npu2_find_and_be_the_hosts();
	first = npu2_first_link(&slots[0]);
	vm_with(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	CHECK_EQ(npu2_owner_of(&slots[0], &lpid), NPU2_VM);
	CHECK_EQ(npu2_atsd_lparid(first), lpid);
	for (link = first + 1; link < first + slots[0].functions - 1; link++)
		CHECK_EQ(npu2_atsd_lparid(link), 0);
	/* What is bound is offered, and nothing else is. */
	for (link = 0; link < slots[0].functions - 1; link++) {
		fd = device_open(slots[0].bdf[1 + link]);
		CHECK_EQ(region_size(fd),
			 npu2_atsd_lparid(first + link) == lpid ? ATSD_SIZE : 0);
	}
}

/* How often firmware has reset a link of an NPU2 so far, by its own log. */
static unsigned int link_resets(void)
{
	static char log[1 << 20];
	unsigned int count = 0;
	FILE *file = fopen("/sys/firmware/opal/msglog", "r");
	char *at = log;
	size_t len;

	CHECKF(file, "/sys/firmware/opal/msglog: %s", strerror(errno));
	len = fread(log, 1, sizeof(log) - 1, file);
	fclose(file);
	log[len] = 0;
	CHECKF(strstr(log, "NPU"), "firmware's log has nothing of an NPU");
	while ((at = strstr(at, LINK_RESET))) {
		at += strlen(LINK_RESET);
		count++;
	}
	return count;
}

/* Firmware resets all links of an NPU2 at once, so the first that is closed must not ask for it. */
static void reset_with_the_last_link_N3(void)
{
	unsigned int i, k, links = 0, resets;
	int fds[MAX_SLOTS * MAX_FUNCTIONS];

	npu2_find_and_be_the_hosts();
	for (i = 0; i < nr_slots; i++)
		for (k = 1; k < slots[i].functions; k++)
			fds[links++] = device_open(slots[i].bdf[k]);
	resets = link_resets();
	for (i = 0; i < links - 1; i++) {
		device_close(fds[i]);
		CHECK_EQ(link_resets(), resets);
	}
	device_close(fds[i]);
	CHECK(link_resets() >= resets + links);
}

/* A link has the last window of the group that was opened; when that is closed, the other one. */
static void links_fall_back_to_the_other_window_N12(void)
{
	uint64_t first, second, start;
	int container;

	npu2_find_and_be_the_hosts();
	container = device_container(slots[0].bdf[0]);
	/* The container makes its default window before another one. */
	start = dma_window(container, 0x10000);
	second = npu2_link_window();
	npu2_remove_window(container, start);
	first = npu2_link_window();
	CHECK(first && second && first != second);
	start = dma_window(container, 0x10000);
	CHECK(npu2_link_window() != first);
	npu2_remove_window(container, start);
	CHECK_EQ(npu2_link_window(), first);
	devices_close();
	CHECK_EQ(npu2_link_window(), 0);
	npu2_all_are(NPU2_HOST);
}

static void owner_without_vm_has_no_translation(void)
{
	npu2_find_and_be_the_hosts();
	device_open(slots[0].bdf[0]);
	npu2_all_are(NPU2_NOBODY);
	devices_close();
	npu2_all_are(NPU2_HOST);
}

static void vm_killed(void)
{
	npu2_find_and_be_the_hosts();
	in_child_killed(npu2_be_a_vm_with_all);
	npu2_all_are(NPU2_HOST);
}

static void bind_or_unbind(const char *bdf, const char *verb)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver_name(), verb);
	write_text(path, bdf);
}

/* Functions one by one, then the module; and a VM after that. */
static void driver_unbound_and_unloaded(void)
{
	unsigned int i, k;

	npu2_find_and_be_the_hosts();
	in_child(npu2_be_a_vm_with_all);
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++)
			bind_or_unbind(slots[i].bdf[k], "unbind");
	npu2_all_are(NPU2_HOST);
	driver_unload();
	npu2_all_are(NPU2_HOST);
	npu2_find();
	in_child(npu2_be_a_vm_with_all);
	npu2_all_are(NPU2_HOST);
}

static void gpu_removed_and_found_again(void)
{
	unsigned int i, last, all;

	npu2_find_and_be_the_hosts();
	last = nr_slots - 1;
	all = npu2_group_size(slots[last].bdf[1]);
	npu2_remove(slots[last].bdf[0]);
	CHECK_EQ(npu2_group_size(slots[last].bdf[1]), all - 1);
	npu2_owner_is(&slots[last], NPU2_NOBODY);
	for (i = 0; i < last; i++)
		npu2_owner_is(&slots[i], NPU2_HOST);
	npu2_find_again(last, 0, 1);
}

static void bridges_removed_and_found_again(void)
{
	unsigned int k, all;

	npu2_find_and_be_the_hosts();
	all = npu2_group_size(slots[0].bdf[0]);
	/* The first one stands for the others; it goes first. */
	npu2_remove(slots[0].bdf[1]);
	CHECK_EQ(npu2_group_size(slots[0].bdf[0]), all - 1);
	npu2_all_are(NPU2_HOST);
	for (k = 2; k < slots[0].functions; k++)
		npu2_remove(slots[0].bdf[k]);
	npu2_owner_is(&slots[0], NPU2_NOBODY);
	npu2_find_again(0, 1, slots[0].functions);
}

/* What is removed while others of the group are a VM's, comes back as the VM's group. */
static void bridge_found_while_in_use(void)
{
	unsigned int k;

	npu2_find_and_be_the_hosts();
	k = slots[0].functions - 1;
	vm_with(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	npu2_remove(slots[0].bdf[k]);
	npu2_owner_is(&slots[0], NPU2_VM);
	write_text("/sys/bus/pci/rescan", "1");
	CHECK_EQ(npu2_group_of(slots[0].bdf[k]), npu2_group_of(slots[0].bdf[0]));
	npu2_owner_is(&slots[0], NPU2_VM);
	kept_close();
	devices_close();
	npu2_find_again(0, k, k + 1);
}

/*
 * A GPU goes and comes while another one of its group is in use: windows are open, which it must
 * not keep when it goes, and gets when it comes.
 */
static void gpu_removed_while_another_is_in_use(void)
{
	static uint64_t page[0x10000 / 8] __attribute__((aligned(0x10000)));
	unsigned int last;
	uint64_t iova;
	int container;

	npu2_find_and_be_the_hosts();
	last = nr_slots - 1;
	CHECKF(last, "this board has one GPU");
	container = device_container(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	memory_register(container, page, sizeof(page));
	iova = dma_window(container, sizeof(page));
	dma_map(container, iova, page, sizeof(page));
	npu2_remove(slots[last].bdf[0]);
	dma_unmap(container, iova, sizeof(page));
	dma_map(container, iova, page, sizeof(page));
	write_text("/sys/bus/pci/rescan", "1");
	CHECK_EQ(npu2_group_of(slots[last].bdf[0]), npu2_group_of(slots[0].bdf[0]));
	npu2_owner_is(&slots[last], NPU2_NOBODY);
	dma_unmap(container, iova, sizeof(page));
	memory_unregister(container, page, sizeof(page));
	devices_close();
	npu2_find_again(last, 0, 1);
}

const struct test npu2_platform_tests[] = {
	TEST(npu2, one_group_of_all),
	TEST(npu2, info_shows_what_firmware_says),
	TEST(npu2, vm_has_gpu_until_close),
	TEST(npu2, firmware_binds_atsd_of_first_link_alone_N19),
	TEST(npu2, reset_with_the_last_link_N3),
	TEST(npu2, owner_without_vm_has_no_translation),
	TEST(npu2, links_fall_back_to_the_other_window_N12),
	TEST(npu2, vm_killed),
	TEST(npu2, driver_unbound_and_unloaded),
	TEST(npu2, gpu_removed_and_found_again),
	TEST(npu2, bridges_removed_and_found_again),
	TEST(npu2, bridge_found_while_in_use),
	TEST(npu2, gpu_removed_while_another_is_in_use),
	{ NULL, NULL }
};
