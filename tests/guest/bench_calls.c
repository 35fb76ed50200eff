// SPDX-License-Identifier: GPL-2.0-only
/* What comes before the first touch, and after the last: none of it may depend on the window. */

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "bench.h"
#include "nvtest.h"

static void calls(uint64_t size)
{
	uint64_t start, offset, mib = size / MIB;
	uint8_t room[256];
	unsigned int repeat;
	void *ram;

	bench_gpu_open(size);
	bench_gpu_close();
	/* What an open runs varies: the kernel does work of others in it. */
	for (repeat = 0; repeat < 5 * plan.repeats; repeat++) {
		start = bench_ran();
		bench_gpu = device_open(slots[0].bdf[0]);
		bench_result(bench_ran() - start, "call.open.%llu",
			     (unsigned long long)mib);

		start = bench_now();
		CHECK(!region_info(bench_gpu, REGION, sizeof(room), room,
				   sizeof(room)));
		bench_result(bench_now() - start, "call.region_info.%llu",
			     (unsigned long long)mib);

		offset = region_offset(bench_gpu);
		start = bench_now();
		ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   bench_gpu, offset);
		bench_result(bench_now() - start, "call.mmap.%llu",
			     (unsigned long long)mib);
		CHECKF(ram != MAP_FAILED, "mmap of %llu MiB: %s",
		       (unsigned long long)mib, strerror(errno));
		start = bench_now();
		CHECK(!munmap(ram, size));
		bench_result(bench_now() - start, "call.munmap.%llu",
			     (unsigned long long)mib);

		start = bench_ran();
		bench_gpu_close();
		bench_result(bench_ran() - start, "call.close.%llu",
			     (unsigned long long)mib);
	}
}

/*
 * An open of a GPU while a process has left so many parts of another one's RAM
 * registered for DMA.
 */
static void open_beside(unsigned int left)
{
	const char *busy = slots[0].bdf[0], *other = slots[0].bdf[1];
	size_t page = page_size();
	unsigned int i, repeat;
	uint64_t start;
	int container, fd;
	char *at;

	sim_load("gpu=%s,%s bridge=%s@0,%s@1 base=%#llx size=%#llx", busy, other,
		 slots[0].bdf[2], slots[0].bdf[3], GPU_BASE, BENCH_WINDOW);
	container = device_container(busy);
	fd = device_open(busy);
	at = place(left * page, page, 0);
	for (i = 0; i < left; i++) {
		CHECK(mmap(at + i * page, page, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, fd, region_offset(fd)) ==
		      at + i * page);
		memory_register(container, at + i * page, page);
		CHECK(!munmap(at + i * page, page));
	}
	device_close(fd);
	CHECK(device_try_open(busy) < 0 && errno == EBUSY);
	for (repeat = 0; repeat < 5 * plan.repeats; repeat++) {
		start = bench_ran();
		fd = device_open(other);
		bench_result(bench_ran() - start, "beside.%u", left);
		device_close(fd);
	}
	while (i--)
		memory_unregister(container, at + i * page, page);
	device_close(device_open(busy));
}

void bench_calls(void)
{
	machine_need(1, 4);
	open_beside(1);
	open_beside(4000);
	calls(64 * MIB);
	calls(1024 * MIB);
	calls(128 * 1024 * MIB);
}
