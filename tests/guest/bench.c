// SPDX-License-Identifier: GPL-2.0-only
/* Sets up what is measured, side by side in one boot, and prints the results. */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "bench.h"
#include "fault.h"
#include "nvtest.h"

/* The function that has a large BAR: shared memory, which QEMU can have of any size. */
#define BAR_ID		"0x1af40x1110"
#define BAR_REGION	VFIO_PCI_BAR2_REGION_INDEX
#define MAX_RESULTS	8192

struct bench_plan plan;
int bench_gpu, bench_bar, bench_page, bench_populate;
uint64_t bench_bar_offset;

static struct result {
	char name[56];
	uint64_t instructions;
} results[MAX_RESULTS];
static unsigned int nr_results;

/* Instructions since some time, idle ones too: for what does not sleep. */
uint64_t bench_now(void)
{
#ifdef __powerpc64__
	return __builtin_ppc_get_timebase() * 1000 / 512;
#else
	return 0;
#endif
}

/* Instructions of this thread, in the kernel and outside: for what may sleep. */
uint64_t bench_ran(void)
{
	struct timespec t;

	CHECK(!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Kept until the end: printing is no part of anything that is measured. */
void bench_result(uint64_t instructions, const char *fmt, ...)
{
	struct result *result = &results[nr_results++];
	va_list ap;

	CHECK(nr_results < ARRAY_LEN(results));
	va_start(ap, fmt);
	vsnprintf(result->name, sizeof(result->name), fmt, ap);
	va_end(ap);
	result->instructions = instructions;
}

static void print_results(void)
{
	unsigned int i;

	for (i = 0; i < nr_results; i++)
		printf("bench %s %llu\n", results[i].name,
		       (unsigned long long)results[i].instructions);
}

/* Its name on the bus. */
static const char *find_bar(void)
{
	static char found[16];
	struct dirent *entry;
	char path[300], id[32];
	DIR *dir = opendir("/sys/bus/pci/devices");

	CHECKF(dir, "/sys/bus/pci/devices: %s", strerror(errno));
	while ((entry = readdir(dir)) && !found[0]) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor",
			 entry->d_name);
		snprintf(id, sizeof(id), "%.6s", read_text(path));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device",
			 entry->d_name);
		snprintf(id + 6, sizeof(id) - 6, "%.6s", read_text(path));
		if (!strcmp(id, BAR_ID))
			snprintf(found, sizeof(found), "%.15s", entry->d_name);
	}
	closedir(dir);
	CHECKF(found[0], "no function " BAR_ID ": the lab's `bench` brings it");
	return found;
}

static void bar_open(void)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = BAR_REGION,
	};
	const char *bdf = find_bar();
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 bdf);
	write_text(path, "vfio-pci");
	write_text("/sys/bus/pci/drivers_probe", bdf);
	bench_bar = device_open(bdf);
	CHECKF(!ioctl(bench_bar, VFIO_DEVICE_GET_REGION_INFO, &info),
	       "region %u: %s", BAR_REGION, strerror(errno));
	CHECKF(info.size >= BENCH_WINDOW, "the BAR has %#llx bytes",
	       (unsigned long long)info.size);
	bench_bar_offset = info.offset;
}

static int module_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void bench_module_unload(void)
{
	close(bench_page);
	close(bench_populate);
	module_unload("nvlink2-bench");
}

static void set_up(void)
{
	module_load("nvlink2-bench", "base=%llu size=%llu copied=%llu",
		    GPU_BASE, BENCH_WINDOW, BENCH_COPIED);
	finally(bench_module_unload);
	bench_page = module_open("/dev/nvlink2-bench-page");
	bench_populate = module_open("/dev/nvlink2-bench-populate");
	bar_open();
}

/* One GPU of @size bytes. */
void bench_gpu_open(uint64_t size)
{
	sim_load("gpu=%s bridge=%s@0 base=%#llx size=%#llx", slots[0].bdf[0],
		 slots[0].bdf[1], GPU_BASE, (unsigned long long)size);
	bench_gpu = device_open(slots[0].bdf[0]);
}

void bench_gpu_close(void)
{
	device_close(bench_gpu);
}

static void bench(bool full)
{
	plan.full = full;
	plan.len = full ? 64 * MIB : 16 * MIB;
	plan.repeats = 3;
	machine_need(1, 2);
	set_up();
	bench_gpu_open(BENCH_WINDOW);
	bench_touch();
	bench_copy();
	bench_gpu_close();
	bench_calls();
	printf("bench-info page %zu\n", page_size());
	printf("bench-info leaves %d\n", has_leaves());
	printf("bench-info len %zu\n", plan.len);
	print_results();
}

void bench_full(void)
{
	bench(true);
}

void bench_short(void)
{
	bench(false);
}
