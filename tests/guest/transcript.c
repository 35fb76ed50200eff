// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver answers to a client that tries everything, one line an answer:
 * `key = value`. Nothing is judged here: the lines of two drivers are compared, and
 * with those that were recorded of the driver of 2018 (lab/versus.py).
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

#define ROOM		112	/* of the user's buffer, more than any answer takes */
#define FIRMWARE	"/sys/kernel/debug/nvlink2-sim/firmware"
#define NOWHERE		((void *)0x10)

/* A return value; an errno as a negative number. */
static long result(long ret)
{
	return ret == -1 ? -errno : ret;
}

#define SAY_RET(key, call)						\
	do {								\
		errno = 0;						\
		printf("%s = %ld\n", key, result((long)(call)));	\
	} while (0)

static void say_info(const char *who, const char *what, int fd, uint32_t argsz)
{
	uint8_t buf[ROOM];
	int err = region_info(fd, REGION, argsz, buf, sizeof(buf));
	size_t i;

	printf("info %s-%s = ", who, what);
	if (err) {
		printf("%d\n", -err);
		return;
	}
	for (i = 0; i < sizeof(buf); i++)
		printf("%02x", buf[i]);
	printf("\n");
}

static void say_infos(const char *who, int fd, unsigned int whole)
{
	char what[32];
	uint32_t argsz;

	say_info(who, "exact", fd, whole);
	say_info(who, "argszm1", fd, whole - 1);
	say_info(who, "argsz4096", fd, 4096);
	for (argsz = 0; argsz <= ROOM; argsz++) {
		snprintf(what, sizeof(what), "argsz%u", argsz);
		say_info(who, what, fd, argsz);
	}
}

static void say_regions(const char *who, int fd)
{
	uint32_t index, argsz = sizeof(struct vfio_region_info);
	uint8_t buf[ROOM];
	char key[64];

	printf("%s num_regions = %u\n", who, device_num_regions(fd));
	for (index = REGION; index < REGION + 4; index++) {
		snprintf(key, sizeof(key), "%s index %u", who, index);
		printf("%s = %d\n", key,
		       -(int)region_info(fd, index, argsz, buf, sizeof(buf)));
	}
}

static void infos(void)
{
	static const char * const bridges[] = { "npu0", "npu1", "npu2" };
	unsigned int i;
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	say_infos("gpu", fd, 64);
	say_regions("gpu", fd);
	device_close(fd);
	for (i = 0; i < ARRAY_LEN(bridges); i++) {
		fd = device_open(slots[0].bdf[1 + i]);
		say_infos(bridges[i], fd, 80);
		say_regions(bridges[i], fd);
		device_close(fd);
	}
	devices_close();
	sim_load_default("atsd_count=0");
	fd = device_open(slots[0].bdf[1]);
	say_info("noatsd-npu0", "exact", fd, 80);
	device_close(fd);
	devices_close();
	sim_load_default("atsd_count=2");
	fd = device_open(slots[0].bdf[1]);
	say_info("fallback-npu0", "exact", fd, 80);
	device_close(fd);
	fd = device_open(slots[0].bdf[3]);
	say_info("fallback-npu2", "exact", fd, 80);
	device_close(fd);
	devices_close();
	sim_unload();
	fd = device_open(slots[0].bdf[0]);
	say_regions("plain", fd);
	device_close(fd);
}

static void copies(int fd)
{
	size_t mib = 1 << 20;
	char *buf = malloc(mib);
	uint64_t word = 0xfeedfacecafebeef;

	CHECK(buf);
	SAY_RET("pread 8@0", region_read(fd, buf, 8, 0));
	SAY_RET("pread 3@1", region_read(fd, buf, 3, 1));
	SAY_RET("pread 1M@64K-100", region_read(fd, buf, mib, 0x10000 - 100));
	SAY_RET("pread 100@size-8", region_read(fd, buf, 100, GPU_SIZE - 8));
	SAY_RET("pread 8@size", region_read(fd, buf, 8, GPU_SIZE));
	SAY_RET("pread 8@size+64K", region_read(fd, buf, 8, GPU_SIZE + 0x10000));
	SAY_RET("pread 0@0", region_read(fd, buf, 0, 0));
	SAY_RET("pwrite 8@1234", region_write(fd, &word, 8, 0x1234));
	region_read(fd, &word, 8, 0x1234);
	printf("readback = %llx\n", (unsigned long long)word);
	SAY_RET("pwrite 8@size-4", region_write(fd, &word, 8, GPU_SIZE - 4));
	SAY_RET("pread EFAULT", region_read(fd, NOWHERE, 8, 0));
	SAY_RET("pwrite EFAULT", region_write(fd, NOWHERE, 8, 0));
	free(buf);
}

static long map_ret(int fd, uint64_t pos, size_t len, int flags)
{
	void *at = try_map(fd, pos, len, PROT_READ | PROT_WRITE, flags);

	if (at == MAP_FAILED)
		return -1;
	munmap(at, len);
	return 0;
}

static void mappings(int fd)
{
	SAY_RET("mmap private", map_ret(fd, 0, GPU_SIZE, MAP_PRIVATE));
	SAY_RET("mmap size+64K", map_ret(fd, 0, GPU_SIZE + 0x10000, MAP_SHARED));
	SAY_RET("mmap size", map_ret(fd, 0, GPU_SIZE, MAP_SHARED));
	SAY_RET("D11 second mmap after munmap", map_ret(fd, 0, GPU_SIZE, MAP_SHARED));
	device_close(fd);
	fd = device_open(slots[0].bdf[0]);
	SAY_RET("D11 mmap after device fd close+open",
		map_ret(fd, 0, GPU_SIZE, MAP_SHARED));
	device_close(fd);
	fd = device_open(slots[0].bdf[0]);
	SAY_RET("D2 mmap 64K @size", map_ret(fd, GPU_SIZE, 0x10000, MAP_SHARED));
	device_close(fd);
}

static void registers(int fd)
{
	char *buf = malloc(ATSD_SIZE);
	uint64_t word = 0x7777000011112222;

	CHECK(buf);
	SAY_RET("atsd pread 8@0", region_read(fd, buf, 8, 0));
	SAY_RET("atsd pread 3@5", region_read(fd, buf, 3, 5));
	SAY_RET("atsd pread 64K@8", region_read(fd, buf, ATSD_SIZE, 8));
	SAY_RET("atsd pread 8@64K", region_read(fd, buf, 8, ATSD_SIZE));
	SAY_RET("atsd pwrite 8@8", region_write(fd, &word, 8, 8));
	printf("atsd phys = %llx\n", (unsigned long long)phys_read(ATSD_BASE + 8));
	SAY_RET("atsd pwrite EFAULT", region_write(fd, NOWHERE, 8, 8));
	printf("atsd phys after EFAULT = %llx\n",
	       (unsigned long long)phys_read(ATSD_BASE + 8));
	SAY_RET("atsd mmap 64K", map_ret(fd, 0, ATSD_SIZE, MAP_SHARED));
	SAY_RET("atsd mmap 128K", map_ret(fd, 0, 2 * ATSD_SIZE, MAP_SHARED));
	SAY_RET("D2 atsd mmap 64K @off+64K (past the 64K region)",
		map_ret(fd, ATSD_SIZE, ATSD_SIZE, MAP_SHARED));
	SAY_RET("D2 atsd mmap 64K @off+512G",
		map_ret(fd, 512ULL << 30, ATSD_SIZE, MAP_SHARED));
	free(buf);
}

static void say_trace(const char *key)
{
	unsigned int nr = 0;
	char *line, *save = NULL, *at;

	for (line = strtok_r(trace_stop(), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		at = strstr(line, ": vfio_pci_");
		if (at)
			printf("trace %s %u = %s\n", key, nr++, at + 2);
	}
}

static void traces(void)
{
	static const uint64_t touched[] = { 0, 0x20000, 0x40000, GPU_SIZE - 8 };
	size_t i;
	char *at;
	int fd;

	fd = device_open(slots[0].bdf[0]);
	trace_start();
	at = map_region(fd, 0, GPU_SIZE);
	for (i = 0; i < ARRAY_LEN(touched); i++)
		(void)*(volatile uint64_t *)(at + touched[i]);
	say_trace("gpu");
	unmap(at, GPU_SIZE);
	device_close(fd);

	fd = device_open(slots[0].bdf[1]);
	trace_start();
	at = map_region(fd, 0, ATSD_SIZE);
	say_trace("npu0");
	unmap(at, ATSD_SIZE);
	device_close(fd);
}

/* A VM that nobody runs, from before the open to behind the close. */
static void partition(void)
{
	unsigned int nr = 0;
	char *line, *save = NULL;
	int fd;

	if (access(FIRMWARE, F_OK))
		return;
	write_text(FIRMWARE, "\n");
	vm_with(slots[0].bdf[0]);
	fd = device_open(slots[0].bdf[0]);
	device_close(fd);
	for (line = strtok_r(read_text(FIRMWARE), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		printf("firmware %u = %s\n", nr++, line);
	devices_close();
}

/* Nanoseconds, which are instructions where the machine's clock counts those. */
static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000ULL + at.tv_nsec;
}

#define COST(key, units, what)						\
	do {								\
		uint64_t start_ = now();				\
		what;							\
		printf("cost %s = %llu\n", key,				\
		       (unsigned long long)((now() - start_) / (units))); \
	} while (0)

static void touch_all(volatile char *at, bool store)
{
	size_t pos;

	for (pos = 0; pos < GPU_SIZE; pos += page_size())
		if (store)
			at[pos] = 1;
		else
			(void)at[pos];
}

static void costs(void)
{
	size_t mib = GPU_SIZE >> 20;
	char *at, *buf = malloc(GPU_SIZE);
	uint8_t info[ROOM];
	int fd, i, store;

	CHECK(buf);
	memset(buf, 1, GPU_SIZE);
	for (store = 0; store < 2; store++) {
		fd = device_open(slots[0].bdf[0]);
		at = map_region(fd, 0, GPU_SIZE);
		COST(store ? "first store, a MiB" : "first load, a MiB", mib,
		     touch_all(at, store));
		COST(store ? "munmap of what was stored to, a MiB" :
			     "munmap of what was loaded, a MiB", mib,
		     unmap(at, GPU_SIZE));
		device_close(fd);
	}
	fd = device_open(slots[0].bdf[0]);
	region_read(fd, buf, GPU_SIZE, 0);
	COST("pread of 16 MiB, a MiB", 16, region_read(fd, buf, 16 << 20, 0));
	COST("pwrite of 16 MiB, a MiB", 16, region_write(fd, buf, 16 << 20, 0));
	COST("pread of 4 KiB", 64, for (i = 0; i < 64; i++)
	     region_read(fd, buf, 4096, i * 4096));
	COST("VFIO_DEVICE_GET_REGION_INFO", 64, for (i = 0; i < 64; i++)
	     region_info(fd, REGION, 64, info, sizeof(info)));
	device_close(fd);
	free(buf);
}

void transcript(void)
{
	int fd;

	infos();
	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	copies(fd);
	mappings(fd);
	fd = device_open(slots[0].bdf[1]);
	registers(fd);
	device_close(fd);
	traces();
	costs();
	partition();
	printf("transcript = whole\n");
}
