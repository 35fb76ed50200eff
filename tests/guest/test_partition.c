// SPDX-License-Identifier: GPL-2.0-only
/*
 * Partitions when things go otherwise: the VM dies first, nobody can bind, the
 * firmware answers with its own codes, an open fails half-way.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

#define PNV_CALLS	"/sys/kernel/debug/nvlink2-sim-pnv/calls"
#define PNV_PARAMETERS	"/sys/module/nvlink2_sim_pnv/parameters/"
#define SIM_PARAMETERS	"/sys/module/nvlink2_sim/parameters/"

static void load_two_gpus(const char *extra)
{
	machine_need(2, 2);
	sim_load("gpu=%s,%s bridge=%s@0,%s@1 base=%#llx size=%#llx %s",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[1].bdf[1], GPU_BASE, GPU_SIZE, extra);
}

/*
 * The partition id of a VM that is gone is not used again while a GPU points
 * at it: a second VM gets another one, and the first is unbound by its own.
 */
static void vm_lives_as_long_as_the_device_D4(void)
{
	unsigned long long first, second;
	const char *gpu, *other;
	char want[512];
	int fd;

	load_two_gpus("");
	gpu = slots[0].bdf[0];
	other = slots[1].bdf[0];
	write_text(PARTITIONS, "\n");
	vm_with(gpu);
	fd = device_open(gpu);
	first = bound_lpid(gpu);
	kept_close();

	vm_with(other);
	device_open(other);
	second = bound_lpid(other);
	CHECKF(first != second, "partition %llu is used again", first);
	device_close(fd);
	snprintf(want, sizeof(want),
		 "bind %s lpid=%llu msr=4010 -> 0\nbind %s lpid=%llu msr=4010 -> 0\nunbind %s lpid=%llu -> 0\n",
		 gpu, first, other, second, gpu, first);
	record_is(want);
}

/* The VMM is killed; another process still holds the device. */
static void killed_vmm_leaves_the_binding_D4(void)
{
	const char *gpu;
	int sockets[2], fd;
	pid_t child;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	write_text(PARTITIONS, "\n");
	device_group(gpu);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		vm_with(gpu);
		send_fd(sockets[1], device_open(gpu));
		for (;;)
			pause();
	}
	fd = receive_fd(sockets[0]);
	CHECK(!kill(child, SIGKILL));
	CHECK_EQ(waitpid(child, NULL, 0), child);
	close(sockets[0]);
	close(sockets[1]);

	close_and_unbind(gpu, bound_lpid(gpu), fd);
}

static void opened_without_vm_is_reported_once_D8(void)
{
	const char *gpu;

	/* Once in the life of the module. */
	driver_unload();
	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	log_mark();
	device_close(device_open(gpu));
	CHECK(log_has("nvlink2-vfio-pci", gpu, "opened without a VM"));
	log_mark();
	device_close(device_open(gpu));
	CHECK(!log_has("nvlink2-vfio-pci", gpu, "opened without a VM"));
}

static void no_provider_refuses_a_vm(void)
{
	const char *gpu;

	sim_load_default("platform=0");
	gpu = slots[0].bdf[0];
	device_close(device_open(gpu));
	vm_with(gpu);
	log_mark();
	CHECK_ERR(device_try_open(gpu), ENODEV);
	CHECK(log_has("nvlink2-vfio-pci", gpu, "no NPU2 platform code"));
	/* A bridge has no partition. */
	device_close(device_open(slots[0].bdf[1]));
}

/* A number out of sysfs about a function. */
static long attribute(const char *bdf, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	return strtol(read_text(path), NULL, 0);
}

/* An open that fails leaves the function as it found it. */
static void failed_open_is_undone_D10(void)
{
	const char *gpu;
	long enabled;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	device_group(gpu);
	enabled = attribute(gpu, "enable");
	vm_with(gpu);
	write_text(SIM_PARAMETERS "fail_bind", "12");
	CHECK_ERR(device_try_open(gpu), ENOMEM);
	CHECK_EQ(attribute(gpu, "enable"), enabled);
	write_text(SIM_PARAMETERS "fail_bind", "0");
	device_close(device_open(gpu));
	CHECK_EQ(attribute(gpu, "enable"), enabled);
}

static void set_pnv(const char *name, int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), PNV_PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%d", value);
	write_text(path, text);
}

static void load_with_pnv(void)
{
	pnv_load();
	sim_load_default("platform=0");
}

static void powernv_binds(void)
{
	unsigned int lpid = 0;
	const char *gpu;
	char want[256];
	int fd;

	load_with_pnv();
	gpu = slots[0].bdf[0];
	CHECK(module_is_busy("nvlink2-sim-pnv"));
	vm_with(gpu);
	fd = device_open(gpu);
	snprintf(want, sizeof(want), "bind %s lpid=%%u", gpu);
	CHECK_EQ(sscanf(read_text(PNV_CALLS), want, &lpid), 1);
	CHECK(lpid);
	device_close(fd);
	snprintf(want, sizeof(want),
		 "bind %s lpid=%u msr=4010 -> 0\nunbind %s -> 0\n", gpu, lpid,
		 gpu);
	CHECKF(!strcmp(read_text(PNV_CALLS), want), "the calls are\n%s",
	       read_text(PNV_CALLS));
}

/* OPAL's numbers, as the kernel's functions of old pass them on. */
static void firmware_codes_are_translated_D24(void)
{
	static const struct {
		int code, err;
	} answers[] = {
		{ -1, EINVAL },		/* OPAL_PARAMETER */
		{ -2, EBUSY },		/* OPAL_BUSY */
		{ -6, EIO },		/* OPAL_HARDWARE */
		{ -9, ENOMEM },		/* OPAL_NO_MEM */
		{ -ENODEV, ENODEV },	/* the kernel's own */
		{ 1, EIO },
		{ -100000, EIO },
	};
	const char *gpu;
	size_t i;

	load_with_pnv();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	for (i = 0; i < ARRAY_LEN(answers); i++) {
		set_pnv("map_returns", answers[i].code);
		CHECK_ERR(device_try_open(gpu), answers[i].err);
	}
	CHECK(!strstr(read_text(PNV_CALLS), "unbind"));
	set_pnv("map_returns", 0);
	device_close(device_open(gpu));
}

/* The close cannot fail: the log has an errno, and the next open unbinds first, then binds. */
static void firmware_refuses_to_unbind_D24(void)
{
	const char *gpu;
	int fd;

	load_with_pnv();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	set_pnv("unmap_returns", -6);
	fd = device_open(gpu);
	log_mark();
	device_close(fd);
	CHECK(log_has("nvlink2-vfio-pci", "powernv: unbinding from partition",
		      "failed: -5"));
	set_pnv("unmap_returns", 0);
	write_text(PNV_CALLS, "\n");
	device_close(device_open(gpu));
	CHECK(strstr(read_text(PNV_CALLS), "\nunbind"));
}

/* Nothing holds a provider that is no module: the driver can go, and warns of what it forgets. */
static void stuck_gpu_is_forgotten_with_the_driver_N15(void)
{
	const char *gpu;

	load_with_pnv();
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	set_pnv("unmap_returns", -6);
	device_close(device_open(gpu));
	CHECK_ERR(device_try_open(gpu), EBUSY);
	kept_close();
	devices_close();
	log_mark();
	driver_unload();
	CHECK(log_has(NULL, "could not be unbound from partition", NULL));
	set_pnv("unmap_returns", 0);
}

/* While the GPU can still ask for translations, its partition answers them. */
static void unbound_after_the_close_N11(void)
{
	const char *gpu, *disabled, *unbound;
	char *trace;
	int fd;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	vm_with(gpu);
	fd = device_open(gpu);
	probe("disable", "pci_disable_device");
	probe("unbind", "nvlink2_sim:sim_unbind");
	trace_start();
	device_close(fd);
	trace = trace_stop();
	disabled = strstr(trace, " disable: ");
	unbound = strstr(trace, " unbind: ");
	CHECKF(disabled && unbound, "not both happened:\n%s", trace);
	CHECKF(disabled < unbound, "unbound before the function is disabled:\n%s", trace);
}

const struct test lpar_life_tests[] = {
	TEST(lpar, vm_lives_as_long_as_the_device_D4),
	TEST(lpar, killed_vmm_leaves_the_binding_D4),
	TEST(lpar, failed_open_is_undone_D10),
	{ NULL, NULL }
};

const struct test partition_tests[] = {
	TEST(lpar, unbound_after_the_close_N11),
	TEST(lpar, opened_without_vm_is_reported_once_D8),
	TEST(lpar, no_provider_refuses_a_vm),
	TEST(lpar, powernv_binds),
	TEST(lpar, firmware_codes_are_translated_D24),
	TEST(lpar, firmware_refuses_to_unbind_D24),
	TEST(lpar, stuck_gpu_is_forgotten_with_the_driver_N15),
	{ NULL, NULL }
};
