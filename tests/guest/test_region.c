// SPDX-License-Identifier: GPL-2.0-only
/* What VFIO_DEVICE_GET_REGION_INFO answers, byte by byte. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"
#include "vfio_nvlink2_decode.h"

#define INFO_SIZE	32	/* struct vfio_region_info */
#define GPU_ARGSZ	64	/* + TYPE, SSATGT */
#define BRIDGE_ARGSZ	80	/* + TYPE, SSATGT, LNKSPD */
#define UNTOUCHED	0xa5

static size_t golden_read(const char *name, uint8_t *buf, size_t room)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/golden/%s.bin", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	len = read(fd, buf, room);
	close(fd);
	CHECKF(len >= INFO_SIZE, "%s has %zd bytes", path, len);
	return len;
}

static void must_equal(const uint8_t *got, const uint8_t *want, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		CHECKF(got[i] == want[i],
		       "byte %zu is %02x, the golden blob has %02x", i, got[i],
		       want[i]);
}

static void golden(const char *bdf, const char *name)
{
	uint8_t want[256], got[256];
	size_t len = golden_read(name, want, sizeof(want));
	int fd = device_open(bdf);

	CHECK_EQ(device_num_regions(fd), REGION + 1);
	CHECK_EQ(region_info(fd, REGION, len, got, sizeof(got)), 0);
	must_equal(got, want, len);
	CHECK_EQ(got[len], UNTOUCHED);
}

static void gpu_equals_golden(void)
{
	sim_load_default(NULL);
	golden(slots[0].bdf[0], "gpu_ram");
}

static void bridges_equal_golden(void)
{
	sim_load_default(NULL);
	golden(slots[0].bdf[1], "atsd");
	golden(slots[0].bdf[2], "atsd");
	golden(slots[0].bdf[3], "atsd");
}

static void bridge_without_atsd_equals_golden(void)
{
	sim_load_default("atsd_count=0");
	golden(slots[0].bdf[1], "atsd_empty");
}

/* Two registers for three links: the third shares the first, same answer. */
static void bridge_sharing_atsd_equals_golden(void)
{
	sim_load_default("atsd_count=2");
	log_mark();
	golden(slots[0].bdf[3], "atsd");
	CHECK(log_has("ibm,mmio-atsd", "link 2", "shares"));
}

static void unknown_speed_is_reported(void)
{
	struct vfio_nvlink2_region region;
	uint8_t buf[256];
	int fd;

	sim_load_default("flaw=speed-missing");
	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_info(fd, REGION, BRIDGE_ARGSZ, buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_nvlink2_decode(buf, BRIDGE_ARGSZ, &region),
		 VFIO_NVLINK2_OK);
	CHECK(region.has_lnkspd);
	CHECK_EQ(region.link_speed, 0xff);
}

/* Too small for the chain: argsz becomes the size needed, and nothing else is written. */
static void short_argsz(const char *bdf, uint32_t need)
{
	struct vfio_region_info *info;
	static const uint32_t sizes[] = { 32, 40, 0 };
	uint8_t buf[256];
	int fd = device_open(bdf);
	size_t i, k;

	info = (void *)buf;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		uint32_t argsz = sizes[i] ? sizes[i] : need - 1;

		CHECK_EQ(region_info(fd, REGION, argsz, buf, sizeof(buf)), 0);
		CHECK_EQ(info->argsz, need);
		CHECK_EQ(info->cap_offset, 0);
		CHECK(info->flags & VFIO_REGION_INFO_FLAG_CAPS);
		for (k = INFO_SIZE; k < sizeof(buf); k++)
			CHECK_EQ(buf[k], UNTOUCHED);
	}
	CHECK_EQ(region_info(fd, REGION, 31, buf, sizeof(buf)), EINVAL);
	CHECK_EQ(region_info(fd, REGION, 0, buf, sizeof(buf)), EINVAL);
}

static void short_argsz_writes_no_capability(void)
{
	sim_load_default(NULL);
	short_argsz(slots[0].bdf[0], GPU_ARGSZ);
	short_argsz(slots[0].bdf[1], BRIDGE_ARGSZ);
}

static void long_argsz_writes_no_more(void)
{
	uint8_t want[256], got[4096];
	struct vfio_region_info *info = (void *)got;
	size_t len, i;
	int fd;

	sim_load_default(NULL);
	len = golden_read("atsd", want, sizeof(want));
	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_info(fd, REGION, sizeof(got), got, sizeof(got)), 0);
	CHECK_EQ(info->argsz, sizeof(got));
	must_equal(got + sizeof(info->argsz), want + sizeof(info->argsz),
		   len - sizeof(info->argsz));
	for (i = len; i < sizeof(got); i++)
		CHECK_EQ(got[i], UNTOUCHED);
}

static void index_behind_the_last_is_einval(void)
{
	uint8_t buf[256];
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	CHECK_EQ(region_info(fd, REGION + 1, 64, buf, sizeof(buf)), EINVAL);
	CHECK_EQ(region_info(fd, UINT32_MAX, 64, buf, sizeof(buf)), EINVAL);
}

/* What an importer sees through the generated decoder. */
static void decoder_reads_the_kernel(void)
{
	struct vfio_nvlink2_region region;
	uint8_t buf[256];
	int fd;

	sim_load_default("speed=9,3,8");
	fd = device_open(slots[0].bdf[0]);
	CHECK_EQ(region_info(fd, REGION, GPU_ARGSZ, buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_nvlink2_decode(buf, GPU_ARGSZ, &region), VFIO_NVLINK2_OK);
	CHECK_EQ(region.kind, VFIO_NVLINK2_KIND_GPU_RAM);
	CHECK_EQ(region.size, GPU_SIZE);
	CHECK_EQ(region.tgt, GPU_TGT);
	CHECK(!region.has_lnkspd);

	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_info(fd, REGION, BRIDGE_ARGSZ, buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_nvlink2_decode(buf, BRIDGE_ARGSZ, &region),
		 VFIO_NVLINK2_OK);
	CHECK_EQ(region.kind, VFIO_NVLINK2_KIND_ATSD);
	CHECK_EQ(region.size, ATSD_SIZE);
	CHECK_EQ(region.tgt, GPU_TGT);
	CHECK_EQ(region.link_speed, 9);

	fd = device_open(slots[0].bdf[2]);
	CHECK_EQ(region_info(fd, REGION, BRIDGE_ARGSZ, buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_nvlink2_decode(buf, BRIDGE_ARGSZ, &region),
		 VFIO_NVLINK2_OK);
	CHECK_EQ(region.link_speed, 3);
}

/* Without the properties a device is what vfio-pci would make of it. */
static void plain_device_without_properties_D30(void)
{
	uint8_t buf[256];
	uint16_t vendor = 0;
	struct vfio_region_info *info = (void *)buf;
	int fd;

	driver_load();
	sim_unload();
	fd = device_open(slots[0].bdf[0]);
	CHECK_EQ(device_num_regions(fd), REGION);
	CHECK_EQ(region_info(fd, REGION, 64, buf, sizeof(buf)), EINVAL);
	CHECK_EQ(region_info(fd, VFIO_PCI_CONFIG_REGION_INDEX, 32, buf,
			     sizeof(buf)), 0);
	CHECK_EQ(pread(fd, &vendor, 2, info->offset), 2);
	CHECK_EQ(vendor, 0x1b36);
}

const struct test region_tests[] = {
	TEST(region, plain_device_without_properties_D30),
	TEST(region, gpu_equals_golden),
	TEST(region, bridges_equal_golden),
	TEST(region, bridge_without_atsd_equals_golden),
	TEST(region, bridge_sharing_atsd_equals_golden),
	TEST(region, unknown_speed_is_reported),
	TEST(region, short_argsz_writes_no_capability),
	TEST(region, long_argsz_writes_no_more),
	TEST(region, index_behind_the_last_is_einval),
	TEST(region, decoder_reads_the_kernel),
	{ NULL, NULL }
};
