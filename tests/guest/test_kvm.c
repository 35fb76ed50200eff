// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU 7.2, unmodified, as a VM of KVM: Debian's own kernel as guest, with a GPU and its bridges.
 * In names, as_it_is and info_kept mean the same as in test_qemu.c.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nvtest.h"
#include "qemu.h"

#define GPU	slots[0].bdf[0]
#define TRACING	"/sys/kernel/tracing/"
#define EVENT	TRACING "events/kprobes/lpid/"

/* Nodes of the guest's device tree: functions by their numbers there. */
#define GUEST_PHB	"/pci@800000020000000"
#define GUEST_GPU	GUEST_PHB "/mass-storage@0"
#define GUEST_BRIDGE	GUEST_PHB "/mass-storage@%u"
#define GUEST_LINK	"/npuphb0/link@%u"
#define GUEST_MEMORY	"/memory@400000000000"

/* Whatever a partition id is given to: its allocator's return value, in the kernel's trace. */
static void watch_lpids(void)
{
	if (access(EVENT, F_OK))
		write_text(TRACING "kprobe_events",
			   "r:kprobes/lpid kvmppc_alloc_lpid lpid=$retval:u64");
	trace_clear();
	write_text(EVENT "enable", "1");
	write_text(TRACING "tracing_on", "1");
}

/* The partition of the VM that was made since, as KVM has it. */
static unsigned long long lpid_of_kvm(void)
{
	unsigned long long lpid = 0;
	char *at;

	write_text(EVENT "enable", "0");
	at = strstr(read_text(TRACING "trace"), " lpid=");
	CHECKF(at && sscanf(at, " lpid=%llu", &lpid) == 1, "KVM has given no partition id");
	CHECKF(!strstr(at + 1, " lpid="), "KVM has given more than one partition id");
	return lpid;
}

/*
 * The guest learns that the emulated POWER9 has no mitigations; and the hash MMU of a guest
 * cannot have larger pages than the host.
 */
void kvm_machine(void)
{
	qemu_begin("pseries,accel=kvm,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off");
	if (page_size() == 4096) {
		qemu_add("-machine");
		qemu_add("cap-hpt-max-page-size=4k");
	}
	qemu_add("-m");
	qemu_add("512M");
	watch_lpids();
}

/* A VM that has a slot's GPU and bridges, and does not run. */
static void vm_that_waits(unsigned int slot, unsigned int bridges)
{
	kvm_machine();
	qemu_add("-S");
	qemu_start(QEMU_AS_IT_IS);
	qemu_assign(slot, 0, bridges);
}

/* Debian's kernel, up to our program in it, which has printed the device tree by then. */
void run_guest(void)
{
	qemu_add("-S");
	qemu_add("-kernel");
	qemu_add("/guest/vmlinux");
	qemu_add("-initrd");
	qemu_add("/guest/initrd");
	qemu_add("-append");
	/* The kernel would keep /dev/mem from memory that has a driver. */
	qemu_add("console=hvc0 quiet iomem=relaxed");
	qemu_add("-serial");
	qemu_add("unix:/tmp/console,server=on,wait=off");
	qemu_start(QEMU_INFO_KEPT);
	guest_connect();
	qmp("{\"execute\":\"cont\"}");
	guest_wait("ready");
	guest_show();
}

/* The properties that the guest's own drivers go by, each with the host's numbers. */
static void guest_finds_gpu_and_bridges(void)
{
	static const unsigned int speed[] = { 8, 9 };
	unsigned int i;

	sim_load_default("speed=8,9");
	kvm_machine();
	qemu_assign(0, 0, 2);
	run_guest();
	guest_must_have_printed(GUEST_MEMORY " reg[0] = %#llx", QEMU_GPU_RAM(0));
	guest_must_have_printed(GUEST_MEMORY " reg[1] = %#llx", GPU_SIZE);
	for (i = 0; i < 2; i++) {
		guest_must_have_printed(GUEST_PHB " ibm,mmio-atsd[%u] = %#llx", i,
				     QEMU_ATSD(0) + i * ATSD_SIZE);
		guest_must_have_printed(GUEST_GPU " ibm,npu[%u] = " GUEST_BRIDGE, i, 1 + i);
		guest_must_have_printed(GUEST_BRIDGE " ibm,gpu[0] = " GUEST_GPU, 1 + i);
		guest_must_have_printed(GUEST_BRIDGE " memory-region[0] = " GUEST_MEMORY, 1 + i);
		guest_must_have_printed(GUEST_BRIDGE " ibm,device-tgt-addr[0] = %#llx", 1 + i,
				     GPU_TGT);
		guest_must_have_printed(GUEST_BRIDGE " ibm,nvlink-speed = %#x", 1 + i, speed[i]);
		guest_must_have_printed(GUEST_BRIDGE " ibm,nvlink[0] = " GUEST_LINK, 1 + i, i);
		guest_must_have_printed(GUEST_LINK " ibm,npu-link-index = %#x", i, i);
	}
}

/* The guest's stores are in the host's memory, and the other way round. */
static void must_share(uint64_t gpa, uint64_t hpa)
{
	guest_store(gpa, 0x1122334455667788ULL ^ gpa);
	CHECK_EQ(phys_read(hpa), 0x1122334455667788ULL ^ gpa);
	phys_write(hpa, ~gpa);
	CHECK_EQ(guest_load(gpa), ~gpa);
}

static void guest_reaches_gpu_ram_and_atsd(void)
{
	sim_load_default(NULL);
	write_text(PARTITIONS, "\n");
	kvm_machine();
	qemu_assign(0, 0, 2);
	run_guest();
	must_share(QEMU_GPU_RAM(0), GPU_BASE);
	must_share(QEMU_GPU_RAM(0) + GPU_SIZE / 2 + 8, GPU_BASE + GPU_SIZE / 2 + 8);
	must_share(QEMU_GPU_RAM(0) + GPU_SIZE - 8, GPU_BASE + GPU_SIZE - 8);
	must_share(QEMU_ATSD(0), ATSD_BASE);
	must_share(QEMU_ATSD(0) + 2 * ATSD_SIZE - 8, ATSD_BASE + 2 * ATSD_SIZE - 8);
	CHECK_EQ(bound_lpid(GPU), lpid_of_kvm());
	qemu_kill();
	driver_unload();
}

static void partition_is_bound_while_the_vm_has_the_gpu(void)
{
	unsigned long long lpid;
	char want[256];

	sim_load_default(NULL);
	write_text(PARTITIONS, "\n");
	vm_that_waits(0, 2);
	lpid = lpid_of_kvm();
	CHECKF(lpid, "KVM has given a VM the host's partition");
	/* 4010: MSR_PR | MSR_DR, as the driver of 2018 had it. */
	snprintf(want, sizeof(want), "bind %s lpid=%llu msr=4010 -> 0\n", GPU, lpid);
	record_is(want);
	qemu_quit();
	snprintf(want + strlen(want), sizeof(want) - strlen(want), "unbind %s lpid=%llu -> 0\n",
		 GPU, lpid);
	record_is(want);
	driver_unload();
}

/* QEMU's descriptor of the GPU, which the caller closes: the one whose regions have NVLink2's. */
static int take_gpu_from_qemu(void)
{
	int pidfd = keep(syscall(SYS_pidfd_open, qemu_pid(), 0), "pidfd_open");
	char path[64], link[64];
	ssize_t len;
	int nr, fd;

	for (nr = 0; nr < 256; nr++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", qemu_pid(), nr);
		len = readlink(path, link, sizeof(link) - 1);
		link[len > 0 ? len : 0] = 0;
		if (strcmp(link, "anon_inode:[vfio-device]"))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, nr, 0);
		CHECKF(fd >= 0, "pidfd_getfd: %s", strerror(errno));
		if (region_size(fd) == GPU_SIZE)
			return fd;
		close(fd);
	}
	fail_at(__FILE__, __LINE__, "QEMU has no GPU open");
}

/*
 * The VM is killed, and somebody else still holds the GPU: its partition stays bound and is given
 * to no other VM until the last one lets go, and then it is not.
 */
static void killed_vm_leaves_no_stale_binding(void)
{
	unsigned long long first, second;
	char want[512];
	int fd;

	machine_need(2, 2);
	sim_load("gpu=%s,%s bridge=%s@0,%s@1 base=%#llx size=%#llx", GPU, slots[1].bdf[0],
		 slots[0].bdf[1], slots[1].bdf[1], GPU_BASE, GPU_SIZE);
	write_text(PARTITIONS, "\n");
	vm_that_waits(0, 1);
	first = lpid_of_kvm();
	fd = take_gpu_from_qemu();
	qemu_kill();
	snprintf(want, sizeof(want), "bind %s lpid=%llu msr=4010 -> 0\n", GPU, first);
	record_is(want);

	vm_that_waits(1, 1);
	second = lpid_of_kvm();
	CHECKF(first != second, "partition %llu is given away while a GPU is bound to it", first);
	snprintf(want + strlen(want), sizeof(want) - strlen(want),
		 "bind %s lpid=%llu msr=4010 -> 0\n", slots[1].bdf[0], second);
	record_is(want);

	close(fd);
	snprintf(want + strlen(want), sizeof(want) - strlen(want), "unbind %s lpid=%llu -> 0\n",
		 GPU, first);
	record_is(want);
	qemu_kill();
	snprintf(want + strlen(want), sizeof(want) - strlen(want), "unbind %s lpid=%llu -> 0\n",
		 slots[1].bdf[0], second);
	record_is(want);
	kept_close();
	driver_unload();
}

const struct test kvm_tests[] = {
	TEST(kvm_as_it_is, partition_is_bound_while_the_vm_has_the_gpu),
	TEST(kvm_as_it_is, killed_vm_leaves_no_stale_binding),
	TEST(kvm_info_kept, guest_finds_gpu_and_bridges),
	TEST(kvm_info_kept, guest_reaches_gpu_ram_and_atsd),
	{ NULL, NULL }
};
