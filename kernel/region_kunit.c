// SPDX-License-Identifier: GPL-2.0-only
/* The generated table and its capability chains, record by record. */

#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "region.h"

#define GPU_TGT	0x600000000000ULL

KUNIT_DEFINE_ACTION_WRAPPER(free_chain, kfree, const void *);

/* The chain of a region with these values; freed with the test. */
static struct vfio_info_cap chain_of(struct kunit *test,
				     enum nvlink2_region_id id,
				     const struct nvlink2_cap_values *values)
{
	struct vfio_info_cap caps = {};

	KUNIT_ASSERT_EQ(test, nvlink2_region_add_caps(id, values, &caps), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_chain, caps.buf), 0);
	return caps;
}

static const struct vfio_info_cap_header *
record(struct kunit *test, const struct vfio_info_cap *caps, size_t offset)
{
	KUNIT_ASSERT_LE(test, offset + sizeof(struct vfio_info_cap_header),
			caps->size);
	KUNIT_ASSERT_EQ(test, offset % 8, 0);
	return (void *)caps->buf + offset;
}

static void test_region_gpu_ram_chain(struct kunit *test)
{
	const struct nvlink2_cap_values values = { .tgt = GPU_TGT };
	const struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt;
	struct vfio_info_cap caps =
		chain_of(test, NVLINK2_REGION_GPU_RAM, &values);
	const struct vfio_info_cap_header *header = record(test, &caps, 0);

	KUNIT_EXPECT_EQ(test, caps.size, sizeof(*ssatgt));
	KUNIT_EXPECT_EQ(test, header->id,
			VFIO_REGION_INFO_CAP_NVLINK2_SSATGT);
	KUNIT_EXPECT_EQ(test, header->version, 1);
	KUNIT_EXPECT_EQ(test, header->next, 0);
	ssatgt = (const void *)header;
	KUNIT_EXPECT_EQ(test, ssatgt->tgt, GPU_TGT);
}

static void test_region_atsd_chain(struct kunit *test)
{
	const struct nvlink2_cap_values values = {
		.tgt = GPU_TGT, .link_speed = 9,
	};
	const struct vfio_region_info_cap_nvlink2_lnkspd *lnkspd;
	const struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt;
	struct vfio_info_cap caps = chain_of(test, NVLINK2_REGION_ATSD,
					     &values);
	const struct vfio_info_cap_header *header = record(test, &caps, 0);

	KUNIT_EXPECT_EQ(test, caps.size, sizeof(*ssatgt) + sizeof(*lnkspd));
	KUNIT_EXPECT_EQ(test, header->id,
			VFIO_REGION_INFO_CAP_NVLINK2_SSATGT);
	ssatgt = (const void *)header;
	KUNIT_EXPECT_EQ(test, ssatgt->tgt, GPU_TGT);
	KUNIT_EXPECT_EQ(test, header->next, sizeof(*ssatgt));

	header = record(test, &caps, header->next);
	KUNIT_EXPECT_EQ(test, header->id,
			VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD);
	KUNIT_EXPECT_EQ(test, header->version, 1);
	KUNIT_EXPECT_EQ(test, header->next, 0);
	lnkspd = (const void *)header;
	KUNIT_EXPECT_EQ(test, lnkspd->link_speed, 9);
	/* The padding goes to user space too. */
	KUNIT_EXPECT_EQ(test, lnkspd->__pad, 0);
}

/* Appended to what is there, as vfio-pci's own TYPE record is. */
static void test_region_chain_is_appended(struct kunit *test)
{
	const struct nvlink2_cap_values values = { .tgt = GPU_TGT };
	struct vfio_info_cap_header first = { .id = 99, .version = 1 };
	const struct vfio_info_cap_header *header;
	struct vfio_info_cap caps = {};

	KUNIT_ASSERT_EQ(test, vfio_info_add_capability(&caps, &first,
						       sizeof(first)), 0);
	KUNIT_ASSERT_EQ(test, nvlink2_region_add_caps(NVLINK2_REGION_GPU_RAM,
						      &values, &caps), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_chain, caps.buf), 0);
	header = record(test, &caps, 0);
	KUNIT_EXPECT_EQ(test, header->id, 99);
	header = record(test, &caps, header->next);
	KUNIT_EXPECT_EQ(test, header->id,
			VFIO_REGION_INFO_CAP_NVLINK2_SSATGT);
}

static void test_region_empty_has_no_access_D1(struct kunit *test)
{
	const u32 access = VFIO_REGION_INFO_FLAG_READ |
			   VFIO_REGION_INFO_FLAG_WRITE |
			   VFIO_REGION_INFO_FLAG_MMAP;
	int id;

	for (id = 0; id < NVLINK2_REGION_COUNT; id++) {
		KUNIT_EXPECT_EQ(test, nvlink2_region_flags(id, 0) & access, 0);
		KUNIT_EXPECT_EQ(test, nvlink2_region_flags(id, 1) & access,
				access);
	}
}

static void test_region_unknown_id(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, nvlink2_region_desc(NVLINK2_REGION_COUNT));
	KUNIT_EXPECT_NULL(test, nvlink2_region_desc(-1));
	KUNIT_EXPECT_NOT_NULL(test, nvlink2_region_desc(NVLINK2_REGION_ATSD));
}

static struct kunit_case nvlink2_region_cases[] = {
	KUNIT_CASE(test_region_gpu_ram_chain),
	KUNIT_CASE(test_region_atsd_chain),
	KUNIT_CASE(test_region_chain_is_appended),
	KUNIT_CASE(test_region_empty_has_no_access_D1),
	KUNIT_CASE(test_region_unknown_id),
	{}
};

static struct kunit_suite nvlink2_region_suite = {
	.name = "nvlink2_region",
	.test_cases = nvlink2_region_cases,
};

kunit_test_suite(nvlink2_region_suite);
