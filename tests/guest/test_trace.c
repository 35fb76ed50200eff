// SPDX-License-Identifier: GPL-2.0-only
/* Tracepoints: the names and fields of old, with the right numbers. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "nvtest.h"

__attribute__((format(printf, 2, 3)))
static void must_have(const char *trace, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	CHECKF(strstr(trace, line), "the trace has no '%s':\n%s", line,
	       trace);
}

static void gpu_mmap_and_faults(void)
{
	const char *gpu, *trace;
	volatile char *ram;
	size_t page = page_size();
	int fd;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	fd = device_open(gpu);
	trace_start();
	ram = map_region(fd, page, GPU_SIZE - page);
	ram[0] = 1;
	ram[BLOCK + 5] = 1;
	trace = trace_stop();

	must_have(trace, "vfio_pci_nvgpu_mmap: %s: %llx -> %lx size=%llx ret=0",
		  gpu, GPU_BASE + page, (unsigned long)ram,
		  GPU_SIZE - page);
	/* 256 is VM_FAULT_NOPAGE: the page was inserted. */
	must_have(trace, "vfio_pci_nvgpu_mmap_fault: %s: %llx -> %lx ret=256",
		  gpu, GPU_BASE + page, (unsigned long)ram);
	must_have(trace, "vfio_pci_nvgpu_mmap_fault: %s: %llx -> %lx ret=256",
		  gpu, GPU_BASE + page + BLOCK, (unsigned long)(ram + BLOCK));
}

static void bridge_mmap(void)
{
	const char *bridge, *trace;
	void *atsd;
	int fd;

	sim_load_default(NULL);
	bridge = slots[0].bdf[2];
	fd = device_open(bridge);
	trace_start();
	atsd = map_region(fd, 0, ATSD_SIZE);
	trace = trace_stop();
	must_have(trace, "vfio_pci_npu2_mmap: %s: %llx -> %lx size=%llx ret=0",
		  bridge, ATSD_BASE + ATSD_SIZE, (unsigned long)atsd,
		  ATSD_SIZE);
}

/* A mapping that fails is an event as well, with its errno. */
static void failed_registration(void)
{
	const char *trace;
	char *ram, *room;
	size_t page = page_size();
	char want[64];
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	ram = map_region(fd, 0, 4 * page);
	/* The range stays registered until the whole mapping is gone. */
	CHECK(!munmap(ram, 2 * page));
	trace_start();
	room = mmap(ram, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
		    fd, region_offset(fd));
	trace = trace_stop();
	CHECK(room == MAP_FAILED);
	snprintf(want, sizeof(want), "-> %lx size=%zx ret=-22",
		 (unsigned long)ram, 2 * page);
	must_have(trace, "%s", want);
}

static void names_and_fields_are_the_old_ones_D26(void)
{
	static const char * const fields[] = {
		"unsigned long hpa;", "unsigned long ua;", "int ret;",
		"char[] name;",
	};
	static const char * const events[] = {
		"vfio_pci_nvgpu_mmap_fault", "vfio_pci_nvgpu_mmap",
		"vfio_pci_npu2_mmap",
	};
	char path[128];
	char *format;
	size_t i, k;

	sim_load_default(NULL);
	for (i = 0; i < ARRAY_LEN(events); i++) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/tracing/events/vfio_pci/%s/format",
			 events[i]);
		format = read_text(path);
		for (k = 0; k < ARRAY_LEN(fields); k++)
			CHECKF(strstr(format, fields[k]), "%s has no '%s'",
			       events[i], fields[k]);
		CHECK_EQ(!!strstr(format, "unsigned long size;"), i > 0);
	}
}

const struct test trace_tests[] = {
	TEST(trace, gpu_mmap_and_faults),
	TEST(trace, bridge_mmap),
	TEST(trace, failed_registration),
	TEST(trace, names_and_fields_are_the_old_ones_D26),
	{ NULL, NULL }
};
