// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is otherwise where the driver is a part of vfio-pci, in Linux 5.10: a VM is
 * heard of whenever it comes and goes, and resets keep touches waiting.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "nvtest.h"

static const char *gpu;

static void prepare(void)
{
	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	write_text(PARTITIONS, "\n");
}

static void group_attribute(int vfio, unsigned int attr)
{
	int group = device_group(gpu);
	struct kvm_device_attr change = {
		.group = KVM_DEV_VFIO_GROUP, .attr = attr,
		.addr = (uintptr_t)&group,
	};

	CHECKF(!ioctl(vfio, KVM_SET_DEVICE_ATTR, &change),
	       "attribute %u of the VM's group: %s", attr, strerror(errno));
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int found = 0;

	while ((text = strstr(text, what))) {
		found++;
		text += strlen(what);
	}
	return found;
}

static void record_counts(unsigned int bound, unsigned int unbound)
{
	char *record = read_text(PARTITIONS);
	/* Each "unbind" has a "bind" in it. */
	unsigned int unbinds = count(record, "unbind");

	CHECKF(unbinds == unbound && count(record, "bind") == bound + unbound,
	       "the record is\n%s", record);
}

static void attached_later_is_bound_D8(void)
{
	int fd;

	prepare();
	fd = device_open(gpu);
	record_counts(0, 0);
	vm_with(gpu);
	close_and_unbind(gpu, bound_lpid(gpu), fd);
}

static void detached_is_unbound_D8(void)
{
	int fd, vfio;

	prepare();
	vfio = vm_with(gpu);
	fd = device_open(gpu);
	record_counts(1, 0);
	group_attribute(vfio, KVM_DEV_VFIO_GROUP_DEL);
	record_counts(1, 1);
	/* The same VM, once more. */
	group_attribute(vfio, KVM_DEV_VFIO_GROUP_ADD);
	record_counts(2, 1);
	device_close(fd);
	record_counts(2, 2);
}

/* Of two VMs that ask for it the first has the GPU, until it is closed. */
static void second_one_is_refused(void)
{
	unsigned long long lpid;
	int fd;

	prepare();
	vm_with(gpu);
	fd = device_open(gpu);
	lpid = bound_lpid(gpu);
	log_mark();
	vm_with(gpu);
	CHECK(log_has(gpu, "another VM was attached", NULL));
	close_and_unbind(gpu, lpid, fd);
}

/* The VM's own end: nobody detaches it, and the device is still open. */
static void dead_one_ends_with_the_device_D4(void)
{
	unsigned long long lpid;
	int fd;

	prepare();
	fd = device_open(gpu);
	vm_with(gpu);
	lpid = bound_lpid(gpu);
	kept_close();
	close_and_unbind(gpu, lpid, fd);
	/* It is gone: the next one gets its partition, and the group for itself. */
	write_text(PARTITIONS, "\n");
	vm_with(gpu);
	fd = device_open(gpu);
	CHECK_EQ(bound_lpid(gpu), lpid);
	close_and_unbind(gpu, lpid, fd);
}

/* A VM that cannot be bound to gets the error, and nothing of it stays. */
static void failed_bind_of_a_later_one_D9(void)
{
	int fd, vfio;

	prepare();
	fd = device_open(gpu);
	write_text("/sys/module/nvlink2_sim/parameters/fail_bind", "12");
	log_mark();
	vfio = vm_with(gpu);
	write_text("/sys/module/nvlink2_sim/parameters/fail_bind", "0");
	CHECK(log_has(gpu, "binding to partition", "-12"));
	/* Attached anew it is bound. */
	group_attribute(vfio, KVM_DEV_VFIO_GROUP_DEL);
	group_attribute(vfio, KVM_DEV_VFIO_GROUP_ADD);
	record_counts(2, 0);
	device_close(fd);
	record_counts(2, 1);
}

static struct {
	pthread_t thread;
	volatile bool runs;
	volatile uint64_t *at;
	unsigned int served, refused;
} toucher;

static void *touch_all_along(void *unused)
{
	uint64_t value;

	while (toucher.runs) {
		if (load_word(toucher.at, &value))
			toucher.served++;
		else
			toucher.refused++;
		usleep(1000);
	}
	return unused;
}

/* Nothing is mapped behind a reset, and a touch during it waits for its end. */
static void reset_unmaps_D7(void)
{
	volatile uint64_t *ram;
	uint64_t value;
	char want[64];
	int fd, i;

	prepare();
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	toucher.at = ram;
	toucher.served = toucher.refused = 0;
	toucher.runs = true;
	CHECK(!pthread_create(&toucher.thread, NULL, touch_all_along, NULL));
	for (i = 0; i < 3; i++)
		if (ioctl(fd, VFIO_DEVICE_RESET))
			break;
	toucher.runs = false;
	CHECK(!pthread_join(toucher.thread, NULL));
	CHECK_EQ(i, 3);
	CHECK(toucher.served);
	CHECK_EQ(toucher.refused, 0);

	CHECK(load_word(ram, &value));
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
	trace_start();
	CHECK(load_word(ram, &value));
	snprintf(want, sizeof(want), "mmap_fault: %s: %llx", gpu, GPU_BASE);
	CHECKF(strstr(trace_stop(), want), "the touch behind the reset was no fault");
}

/* All parts of a mapping that was split go, and those that were unmapped are no matter. */
static void reset_unmaps_all_parts_D7(void)
{
	volatile uint64_t *ram;
	uint64_t value;
	char *trace;
	int fd;

	prepare();
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK(load_word(ram, &value));
	CHECK(load_word(ram + 4 * BLOCK / 8, &value));
	unmap((char *)ram + 2 * BLOCK, BLOCK);
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
	trace_start();
	CHECK(load_word(ram, &value));
	CHECK(load_word(ram + 4 * BLOCK / 8, &value));
	trace = trace_stop();
	CHECKF(count(trace, "mmap_fault: ") == 2, "two touches faulted so:\n%s",
	       trace);
	munmap((void *)ram, 2 * BLOCK);
	unmap((char *)ram + 3 * BLOCK, GPU_SIZE - 3 * BLOCK);
	CHECK(!ioctl(fd, VFIO_DEVICE_RESET));
}

/* Asleep, as the simulator has it: nobody gets in, until the next open wakes it. */
static void sleep_blocks_D7(void)
{
	volatile uint64_t *ram;
	uint64_t value;
	int fd;

	prepare();
	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	hook("sleep", gpu);
	CHECK(!load_word(ram, &value));
	CHECK_ERR(region_read(fd, &value, 8, 0), EIO);
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);

	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	CHECK(load_word(ram, &value));
	CHECK_EQ(region_read(fd, &value, 8, 0), 8);
}

const struct test in_vfio_pci_tests[] = {
	TEST(vm, attached_later_is_bound_D8),
	TEST(vm, detached_is_unbound_D8),
	TEST(vm, second_one_is_refused),
	TEST(vm, dead_one_ends_with_the_device_D4),
	TEST(vm, failed_bind_of_a_later_one_D9),
	TEST(vfio, reset_unmaps_D7),
	TEST(vfio, reset_unmaps_all_parts_D7),
	TEST(vfio, sleep_blocks_D7),
	{ NULL, NULL }
};
