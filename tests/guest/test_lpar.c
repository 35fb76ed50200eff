// SPDX-License-Identifier: GPL-2.0-only
/*
 * A GPU and the partition of the VM that owns it, as the simulator records it.
 * The VM is one that KVM has made and nobody runs: a partition is all it takes.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "nvtest.h"

#define FAIL	"/sys/module/nvlink2_sim/parameters/"

#ifndef __powerpc__
/* Only the names of the tests are wanted where this is not defined. */
struct kvm_create_spapr_tce_64 {
	uint64_t liobn;
	uint32_t page_shift, flags;
	uint64_t offset, size;
};
#endif

/*
 * A VM is expected to name a table of DMA translations for the group, and
 * kvm_spapr_tce_release_vfio_group() warns when the group goes without it ever
 * having tried. This table fits no window of the group; the try is enough.
 */
static void name_a_table(int vm, int vfio, int group)
{
	struct kvm_create_spapr_tce_64 table = {
		.liobn = 1, .page_shift = 12, .size = 16,
	};
	struct kvm_vfio_spapr_tce pair = { .groupfd = group };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
		.addr = (uintptr_t)&pair,
	};

	pair.tablefd = keep(ioctl(vm, KVM_CREATE_SPAPR_TCE_64, &table),
			    "KVM_CREATE_SPAPR_TCE_64");
	ioctl(vfio, KVM_SET_DEVICE_ATTR, &attr);
}

/*
 * Makes a VM that owns a group, until the end of the test. Returns the VM's
 * VFIO device, of which the group can be taken away again.
 */
int vm_with_group(int group)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&group,
	};
	int kvm, vm;

	kvm = keep(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm = keep(ioctl(kvm, KVM_CREATE_VM, KVM_VM_PPC_HV), "KVM_CREATE_VM");
	CHECKF(!ioctl(vm, KVM_CREATE_DEVICE, &device),
	       "KVM_CREATE_DEVICE: %s", strerror(errno));
	keep(device.fd, "the VM's VFIO device");
	CHECKF(!ioctl(device.fd, KVM_SET_DEVICE_ATTR, &attr),
	       "KVM_DEV_VFIO_GROUP_ADD: %s", strerror(errno));
	name_a_table(vm, device.fd, group);
	return device.fd;
}

/* The slot's group. */
int vm_with(const char *bdf)
{
	return vm_with_group(device_group(bdf));
}

void record_is(const char *want)
{
	char *got = read_text(PARTITIONS);

	CHECKF(!strcmp(got, want), "the record is\n%s, not\n%s", got, want);
}

/* The partition's number in the record's first line about a function. */
unsigned long long bound_lpid(const char *bdf)
{
	unsigned long long lpid = 0;
	char *line, *at;

	line = strstr(read_text(PARTITIONS), bdf);
	at = line ? strstr(line, "lpid=") : NULL;
	CHECKF(at && sscanf(at, "lpid=%llu", &lpid) == 1, "no lpid in '%s'",
	       read_text(PARTITIONS));
	return lpid;
}

static void prepare(void)
{
	sim_load_default(NULL);
	write_text(FAIL "fail_bind", "0");
	write_text(FAIL "fail_unbind", "0");
	write_text(PARTITIONS, "\n");
}

/* Bound once and not unbound; closed, it is. */
void close_and_unbind(const char *bdf, unsigned long long lpid, int fd)
{
	char want[256];

	/* 4010: MSR_PR | MSR_DR, as the driver of 2018 had it. */
	snprintf(want, sizeof(want), "bind %s lpid=%llu msr=4010 -> 0\n", bdf,
		 lpid);
	record_is(want);
	device_close(fd);
	snprintf(want + strlen(want), sizeof(want) - strlen(want),
		 "unbind %s lpid=%llu -> 0\n", bdf, lpid);
	record_is(want);
}

static void bound_at_open_and_unbound_at_close(void)
{
	const char *gpu;
	unsigned long long lpid;
	int fd;

	prepare();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	fd = device_open(gpu);
	lpid = bound_lpid(gpu);
	CHECKF(lpid, "bound to partition 0, which is the host's");
	close_and_unbind(gpu, lpid, fd);
}

static void bridge_is_not_bound(void)
{
	int fd;

	prepare();
	vm_with(slots[0].bdf[1]);
	fd = device_open(slots[0].bdf[1]);
	device_close(fd);
	record_is("");
}

/* The open fails with the provider's errno, and nothing is left to unbind. */
static void failed_bind_fails_the_open_D9(void)
{
	const char *gpu;
	char want[128];
	unsigned long long lpid;
	int fd;

	prepare();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	write_text(FAIL "fail_bind", "5");
	log_mark();
	CHECK_ERR(device_try_open(gpu), EIO);
	CHECK(log_has(driver_name(), "binding to partition", "-5"));
	lpid = bound_lpid(gpu);
	snprintf(want, sizeof(want), "bind %s lpid=%llu msr=4010 -> -5\n", gpu,
		 lpid);
	record_is(want);

	write_text(FAIL "fail_bind", "0");
	fd = device_open(gpu);
	CHECK_EQ(device_num_regions(fd), REGION + 1);
	device_close(fd);
}

/* A VM has closed its GPU, and the platform could not unbind it. The close goes on, with a message. */
static const char *stuck_gpu(void)
{
	const char *gpu;
	int fd;

	prepare();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	fd = device_open(gpu);
	write_text(FAIL "fail_unbind", "5");
	log_mark();
	device_close(fd);
	CHECK(log_has(driver_name(), "unbinding from partition", "-5"));
	return gpu;
}

/*
 * Nobody gets the GPU, VM or not, before it is unbound: its partition's number may
 * be another VM's by then.
 */
static void failed_unbind_keeps_the_gpu_out_N15(void)
{
	const char *gpu = stuck_gpu();

	CHECK_ERR(device_try_open(gpu), EBUSY);
	kept_close();
	devices_close();
	CHECK_ERR(device_try_open(gpu), EBUSY);
	/* The other functions are none of its business. */
	device_close(device_open(slots[0].bdf[1]));

	write_text(FAIL "fail_unbind", "0");
	device_close(device_open(gpu));
}

/* The simulator cannot go while a GPU is bound through it. */
static void bound_gpu_keeps_the_provider(void)
{
	int fd;

	prepare();
	vm_with(slots[0].bdf[0]);
	fd = device_open(slots[0].bdf[0]);
	CHECK(module_is_busy("nvlink2-sim"));
	device_close(fd);
	devices_close();
	sim_unload();
}

/* Nor while one could not be unbound. */
static void stuck_gpu_keeps_the_provider_N15(void)
{
	const char *gpu = stuck_gpu();

	kept_close();
	devices_close();
	CHECK(module_is_busy("nvlink2-sim"));
	write_text(FAIL "fail_unbind", "0");
	device_close(device_open(gpu));
	devices_close();
	sim_unload();
}

const struct test lpar_tests[] = {
	TEST(lpar, bound_at_open_and_unbound_at_close),
	TEST(lpar, bridge_is_not_bound),
	TEST(lpar, failed_bind_fails_the_open_D9),
	TEST(lpar, failed_unbind_keeps_the_gpu_out_N15),
	{ NULL, NULL }
};

const struct test lpar_provider_tests[] = {
	TEST(lpar, bound_gpu_keeps_the_provider),
	TEST(lpar, stuck_gpu_keeps_the_provider_N15),
	{ NULL, NULL }
};
