// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client that trusts the kernel, as rust-vmm's vfio-ioctls does: it looks at no offset of a
 * chain before it follows it, and reads the whole of a record it knows by its id. The driver must
 * never answer what takes such a client outside of its buffer or round in circles, whatever the
 * device and however short the buffer.
 *
 * The buffer ends where a page begins that cannot be touched, and what the kernel does not write
 * holds a pattern that leads astray.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>

#include "nvtest.h"

#define MAX_ARGSZ	4096
#define MAX_RECORDS	(MAX_ARGSZ / sizeof(struct vfio_info_cap_header))
#define ASTRAY		0x5a
#define BEFORE		64		/* bytes before the buffer that are looked at */

/* What the walker has found; a record of an unknown id is only counted. */
struct found {
	unsigned int records;
	bool type, ssatgt, lnkspd;
	uint32_t kind, subtype, link_speed;
	uint64_t tgt;
};

static uint8_t *room_start;	/* of what may be touched */
static uint8_t *room_end;

static void free_room(void)
{
	munmap(room_start, room_end - room_start + page_size());
	room_start = NULL;
}

static void make_room(void)
{
	size_t page = page_size();
	size_t len = (BEFORE + MAX_ARGSZ + page - 1) / page * page;

	room_start = mmap(NULL, len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	CHECK(room_start != MAP_FAILED);
	finally(free_room);
	room_end = room_start + len;
	CHECK(!mprotect(room_end, page, PROT_NONE));
}

/*
 * Follows the chain. What the trusting client does not look at is checked here, before it would
 * fault: that is the whole test.
 */
static void walk(const struct vfio_region_info *info, uint32_t len, struct found *found)
{
	const uint8_t *buf = (const uint8_t *)info;
	uint32_t at = info->cap_offset;

	memset(found, 0, sizeof(*found));
	while (at >= sizeof(*info)) {
		const struct vfio_info_cap_header *header = (const void *)(buf + at);
		uint32_t size = sizeof(*header);

		CHECKF(found->records++ < MAX_RECORDS, "the chain has no end");
		CHECKF(at % 8 == 0, "a record at %u, which no u64 can be read from", at);
		CHECKF(at <= len - size, "a record at %u of %u bytes", at, len);
		if (header->id == VFIO_REGION_INFO_CAP_TYPE)
			size = sizeof(struct vfio_region_info_cap_type);
		else if (header->id == VFIO_REGION_INFO_CAP_NVLINK2_SSATGT)
			size = sizeof(struct vfio_region_info_cap_nvlink2_ssatgt);
		else if (header->id == VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD)
			size = sizeof(struct vfio_region_info_cap_nvlink2_lnkspd);
		CHECKF(size <= len && at <= len - size, "record %u at %u ends behind byte %u",
		       header->id, at, len);
		switch (header->id) {
		case VFIO_REGION_INFO_CAP_TYPE:
			CHECK(!found->type);
			found->type = true;
			found->kind = ((const struct vfio_region_info_cap_type *)header)->type;
			found->subtype =
				((const struct vfio_region_info_cap_type *)header)->subtype;
			break;
		case VFIO_REGION_INFO_CAP_NVLINK2_SSATGT:
			CHECK(!found->ssatgt);
			found->ssatgt = true;
			found->tgt =
			((const struct vfio_region_info_cap_nvlink2_ssatgt *)header)->tgt;
			break;
		case VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD:
			CHECK(!found->lnkspd);
			found->lnkspd = true;
			found->link_speed =
			((const struct vfio_region_info_cap_nvlink2_lnkspd *)header)->link_speed;
			break;
		}
		at = header->next;
	}
	CHECKF(!at, "the chain ends with %u and not with 0", at);
}

/*
 * One question with one length. The client asks again with the length it got, and walks when
 * the answer has a chain; it walks here also where the kernel had no room.
 */
static bool ask(int fd, uint32_t index, uint32_t argsz, struct found *found)
{
	uint8_t *buf = room_end - argsz;
	struct vfio_region_info *info = (struct vfio_region_info *)buf;
	uint8_t short_buf[sizeof(*info)];
	unsigned int i;

	memset(buf - BEFORE, ASTRAY, BEFORE + argsz);
	memset(found, 0, sizeof(*found));
	if (argsz < sizeof(*info)) {
		/* Refused, and not a byte written; argsz and index need 12. */
		memset(short_buf, ASTRAY, sizeof(short_buf));
		info = (struct vfio_region_info *)short_buf;
		info->argsz = argsz;
		info->index = index;
		CHECK_ERR(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info), EINVAL);
		CHECK_EQ(info->argsz, argsz);
		for (i = 12; i < sizeof(short_buf); i++)
			CHECK_EQ(short_buf[i], ASTRAY);
		return false;
	}
	info->argsz = argsz;
	info->index = index;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
		/* Only a graphics card has that one. */
		CHECKF(index == VFIO_PCI_VGA_REGION_INDEX && errno == EINVAL,
		       "region %u, %u bytes: %s", index, argsz, strerror(errno));
		return false;
	}
	for (i = 1; i <= BEFORE; i++)
		CHECKF(buf[-(int)i] == ASTRAY, "the kernel wrote before the buffer");
	/* Then the offset is not looked at, and not written. */
	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return false;
	if (!info->cap_offset)
		CHECKF(info->argsz > argsz, "region %u has a chain in %u bytes, and none came",
		       index, argsz);
	walk(info, argsz, found);
	return found->records;
}

/* Every length for a region; the chain is whole from some length on, and not there before. */
static struct found every_length(int fd, uint32_t index)
{
	struct found found, whole = { 0 };
	uint32_t argsz, from = 0;

	for (argsz = 0; argsz <= MAX_ARGSZ; argsz++) {
		/* The kernel reads and writes words. */
		if (!ask(fd, index, argsz, &found)) {
			CHECKF(!from, "region %u: a chain in %u bytes and none in %u", index, from,
			       argsz);
			continue;
		}
		if (!from) {
			from = argsz;
			whole = found;
		}
		CHECKF(!memcmp(&found, &whole, sizeof(found)),
		       "region %u: another chain in %u bytes than in %u", index, argsz, from);
	}
	return whole;
}

/* Every region of a device; what was found in ours, the last. */
static struct found every_region(const char *bdf)
{
	int fd = device_open(bdf);
	uint32_t index, count = device_num_regions(fd);
	struct found found = { 0 };

	CHECK_EQ(count, REGION + 1);
	for (index = 0; index < count; index++) {
		found = every_length(fd, index);
		if (index < REGION)
			CHECK(!found.ssatgt && !found.lnkspd);
	}
	device_close(fd);
	return found;
}

static void must_be_gpu(const struct found *found)
{
	CHECK_EQ(found->records, 2);
	CHECK(found->type && found->ssatgt && !found->lnkspd);
	CHECK_EQ(found->kind, VFIO_NVLINK2_REGION_TYPE_NVIDIA);
	CHECK_EQ(found->subtype, VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM);
	CHECK_EQ(found->tgt, GPU_TGT);
}

static void must_be_bridge(const struct found *found, uint32_t speed)
{
	CHECK_EQ(found->records, 3);
	CHECK(found->type && found->ssatgt && found->lnkspd);
	CHECK_EQ(found->kind, VFIO_NVLINK2_REGION_TYPE_IBM);
	CHECK_EQ(found->subtype, VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD);
	CHECK_EQ(found->tgt, GPU_TGT);
	CHECK_EQ(found->link_speed, speed);
}

static void gpu(void)
{
	struct found found;

	sim_load_default(NULL);
	make_room();
	found = every_region(slots[0].bdf[0]);
	must_be_gpu(&found);
}

/* The last of three bridges: with few registers it is the one that goes short. */
static void bridge(const char *how, uint32_t speed)
{
	struct found found;

	sim_load_default(how);
	make_room();
	found = every_region(slots[0].bdf[3]);
	must_be_bridge(&found, speed);
}

static void bridge_with_atsd(void)
{
	bridge(NULL, 8);
}

static void bridge_without_atsd(void)
{
	bridge("atsd_count=0", 8);
}

static void bridge_that_shares_atsd(void)
{
	bridge("atsd_count=2", 8);
}

static void bridge_of_unknown_speed(void)
{
	bridge("flaw=speed-missing", VFIO_NVLINK2_SPEED_UNKNOWN);
}

/* A function without NVLink2 properties has vfio-pci's own regions only. */
static void plain_function(void)
{
	const char *bdf;
	uint32_t index;
	int fd;

	sim_load_default(NULL);
	machine_need(2, 1);
	bdf = slots[1].bdf[0];
	make_room();
	fd = device_open(bdf);
	CHECK_EQ(device_num_regions(fd), REGION);
	for (index = 0; index < REGION; index++)
		CHECK(!every_length(fd, index).ssatgt);
}

const struct test walker_tests[] = {
	TEST(walker, gpu),
	TEST(walker, bridge_with_atsd),
	TEST(walker, bridge_without_atsd),
	TEST(walker, bridge_that_shares_atsd),
	TEST(walker, bridge_of_unknown_speed),
	TEST(walker, plain_function),
	{ NULL, NULL }
};
