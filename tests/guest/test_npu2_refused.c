// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware refuses what the NPU2's platform code asks for, one call after the other: the kernel's
 * function that makes the call is made to return an error of firmware's. Needs the debug kernel
 * (fail_function).
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "npu2.h"
#include "nvtest.h"

#define FAIL		"/sys/kernel/debug/fail_function/"
#define PAGE		0x10000ULL
#define HARDWARE	"0xfffffffffffffffa"	/* OPAL_HARDWARE (-6), which is EIO */

static void refuse(const char *call, unsigned int nth)
{
	char path[128], text[64];

	CHECKF(!access(FAIL "inject", F_OK), "this kernel has no fail_function");
	snprintf(text, sizeof(text), "pnv_npu2_opal_%s", call);
	write_text(FAIL "inject", text);
	snprintf(path, sizeof(path), FAIL "%s/retval", text);
	write_text(path, HARDWARE);
	write_text(FAIL "probability", "100");
	write_text(FAIL "interval", "1");
	write_text(FAIL "verbose", "0");
	snprintf(text, sizeof(text), "%u", nth);
	write_text(FAIL "space", text);
	write_text(FAIL "times", "1");
}

static void refuse_always(const char *call)
{
	refuse(call, 0);
	write_text(FAIL "times", "-1");
}

/* Whether the call was refused that often already. */
static bool was_refused(void)
{
	return !atoi(read_text(FAIL "times"));
}

static void refuse_nothing(void)
{
	write_text(FAIL "inject", "");
}

/* A VM takes the group, a GPU of it, and gives all back; 0 or the errno of what failed. */
static int use(bool *has_group)
{
	const char *gpu = slots[0].bdf[0];
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_iommu_spapr_tce_create window = {
		.argsz = sizeof(window), .page_shift = 16, .window_size = 1 << 30, .levels = 1,
	};
	int group, container, fd, err = 0;
	char name[64];

	snprintf(name, sizeof(name), "/dev/vfio/%d", npu2_group_of(gpu));
	group = open(name, O_RDWR | O_CLOEXEC);
	CHECKF(group >= 0, "%s: %s", name, strerror(errno));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	CHECK(container >= 0);
	CHECK(!ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	CHECK(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	*has_group = false;
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU) ||
	    ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window)) {
		err = errno;
	} else {
		*has_group = true;
		vm_with_group(group);
		fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, gpu);
		if (fd < 0) {
			err = errno;
			/* At once, not only when the group goes as well. */
			npu2_owner_is(&slots[0], NPU2_NOBODY);
		} else {
			close(fd);
		}
	}
	kept_close();
	close(container);
	close(group);
	return err;
}

/*
 * Each call of one kind that a VM's coming and going makes. A refusal on the way in is the
 * VM's error, and undone; on the way out nobody can get the error, and the next use mends it.
 */
static void each_refused(const char *call, unsigned int at_least)
{
	unsigned int nth, errors = 0, i;
	bool refused, has_group;
	uint64_t lpid;
	int err;

	npu2_find_and_be_the_hosts();
	finally(refuse_nothing);
	for (nth = 1; ; nth++) {
		refuse(call, nth);
		err = use(&has_group);
		refused = was_refused();
		refuse_nothing();
		if (!refused)
			break;
		CHECKF(!err || err == EIO, "refusing %s %u: %s", call, nth, strerror(err));
		errors += !!err;
		for (i = 0; i < nr_slots; i++)
			CHECKF(npu2_owner_of(&slots[i], &lpid) != NPU2_VM, "%s %u left a GPU with a VM",
			       call, nth);
		/* A VM that did not get the group did not take it from the host. */
		if (err)
			npu2_all_are(NPU2_HOST);
		CHECK_EQ(use(&has_group), 0);
		npu2_all_are(NPU2_HOST);
	}
	CHECK_EQ(err, 0);
	note("%u calls of %s refused, %u of them were errors of the VM", nth - 1, call, errors);
	CHECK(nth - 1 >= at_least && errors);
}

static void map_lpar_refused(void)
{
	each_refused("map_lpar", 4);
}

static void init_context_refused(void)
{
	each_refused("init_context", 2);
}

static void destroy_context_refused(void)
{
	each_refused("destroy_context", 2);
}

static void map_window_refused(void)
{
	each_refused("map_window", 2);
}

static void tce_kill_refused_N2(void)
{
	each_refused("tce_kill", 3);
}

/* A link has one window. The second one of the group is refused: the first is there again. */
static void second_window_refused_N12(void)
{
	struct vfio_iommu_spapr_tce_create window = {
		.argsz = sizeof(window), .page_shift = 16, .window_size = 1 << 30, .levels = 1,
	};
	uint64_t first;
	int container;

	npu2_find_and_be_the_hosts();
	finally(refuse_nothing);
	container = device_container(slots[0].bdf[0]);
	npu2_remove_window(container, dma_window(container, PAGE));
	/* The default one. */
	first = npu2_link_window();
	CHECK(first);
	refuse("map_window", 1);
	CHECK_ERR(ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window), EIO);
	CHECK(was_refused());
	refuse_nothing();
	CHECK_EQ(npu2_link_window(), first);
	/* The same, when the mistake is found only afterwards. */
	refuse("tce_kill", 1);
	CHECK_ERR(ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window), EIO);
	CHECK(was_refused());
	refuse_nothing();
	CHECK_EQ(npu2_link_window(), first);
	CHECK(!ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window));
	CHECK(npu2_link_window() != first);
	devices_close();
	npu2_all_are(NPU2_HOST);
}

/*
 * The first link of a GPU comes while its group is in use, and does not get the group's window:
 * it cannot be enabled. The next one can.
 */
static void window_of_a_new_link_refused_N13(void)
{
	unsigned int k;

	npu2_find_and_be_the_hosts();
	finally(refuse_nothing);
	dma_window(device_container(slots[0].bdf[0]), PAGE);
	for (k = 1; k < slots[0].functions; k++)
		npu2_remove(slots[0].bdf[k]);
	CHECK_EQ(npu2_group_size(slots[0].bdf[0]), 1);
	refuse("map_window", 1);
	write_text("/sys/bus/pci/rescan", "1");
	CHECK(was_refused());
	refuse_nothing();
	CHECK_EQ(npu2_group_size(slots[0].bdf[0]), slots[0].functions - 1);
	devices_close();
	for (k = 1; k < slots[0].functions; k++)
		npu2_remove(slots[0].bdf[k]);
	npu2_find_again(0, 1, slots[0].functions);
}

/* A VM that closes its GPU while firmware keeps the partition: nobody gets it before it is free. */
static void gpu_that_stays_bound_is_out_of_use_N15(void)
{
	const char *gpu;
	bool has_group;
	uint64_t lpid;

	npu2_find_and_be_the_hosts();
	finally(refuse_nothing);
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	device_open(gpu);
	CHECK_EQ(npu2_owner_of(&slots[0], &lpid), NPU2_VM);
	refuse_always("map_lpar");
	kept_close();
	devices_close();
	/* With the group, and without: its owner is not the host again. */
	CHECK(use(&has_group));
	CHECK(!has_group);
	driver_unload();
	npu2_find();
	CHECK(use(&has_group));
	refuse_nothing();
	CHECK_EQ(use(&has_group), 0);
	npu2_all_are(NPU2_HOST);
}

/* A link that firmware gives no PE is there, and cannot be enabled; nothing else is lost. */
static void set_pe_refused(void)
{
	unsigned int k, other;

	npu2_find_and_be_the_hosts();
	finally(refuse_nothing);
	for (k = 1; k < slots[0].functions; k++)
		npu2_remove(slots[0].bdf[k]);
	npu2_owner_is(&slots[0], NPU2_NOBODY);
	for (k = 1; k < slots[0].functions; k++) {
		refuse("set_pe", k);
		write_text("/sys/bus/pci/rescan", "1");
		CHECK(was_refused());
		refuse_nothing();
		CHECK_EQ(npu2_group_size(slots[0].bdf[0]), nr_slots * slots[0].functions - 1);
		for (other = 1; other < slots[0].functions; other++)
			npu2_remove(slots[0].bdf[other]);
		npu2_owner_is(&slots[0], NPU2_NOBODY);
	}
	npu2_find_again(0, 1, slots[0].functions);
}

const struct test npu2_refused_tests[] = {
	TEST(npu2, map_lpar_refused),
	TEST(npu2, init_context_refused),
	TEST(npu2, destroy_context_refused),
	TEST(npu2, map_window_refused),
	TEST(npu2, tce_kill_refused_N2),
	TEST(npu2, second_window_refused_N12),
	TEST(npu2, window_of_a_new_link_refused_N13),
	TEST(npu2, gpu_that_stays_bound_is_out_of_use_N15),
	TEST(npu2, set_pe_refused),
	{ NULL, NULL }
};
