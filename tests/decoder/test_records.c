// SPDX-License-Identifier: GPL-2.0-only
/* Records that are unknown, newer, short, double or in another order. */

#include "decoder.h"

static const unsigned char junk[64] = { 0xde, 0xad, 0xbe, 0xef };

static void check_atsd(const struct vfio_nvlink2_region *region)
{
	assert_int_equal(region->kind, VFIO_NVLINK2_KIND_ATSD);
	assert_true(region->has_type && region->has_ssatgt && region->has_lnkspd);
	assert_true(region->tgt == 0x400000000ULL);
	assert_int_equal(region->link_speed, 8);
}

static void add_known(struct buf *buf, unsigned int which)
{
	if (which == 0)
		add_type(buf, 0x1014);
	else if (which == 1)
		add_tgt(buf, 0x400000000ULL);
	else
		add_speed(buf, 8);
}

static void test_record_unknown_in_every_position(void **state)
{
	static const unsigned int ids[] = { 0, 1, 3, 6, 0x7fff, 0x8000, 0xffff };
	struct vfio_nvlink2_region region;
	unsigned int position, which;
	size_t n, len;
	struct buf buf;

	(void)state;
	for (n = 0; n < COUNT(ids); n++)
		for (position = 0; position < 4; position++)
			for (len = 0; len <= 64; len += 8) {
				start(&buf, 0x10000);
				for (which = 0; which < 4; which++) {
					if (which == position)
						add(&buf, ids[n], 1, junk, len);
					if (which < 3)
						add_known(&buf, which);
				}
				assert_int_equal(decode_exactly(&buf, &region),
						 VFIO_NVLINK2_OK);
				check_atsd(&region);
				assert_int_equal(region.unknown_caps, 1);
			}
}

static void test_record_in_every_order(void **state)
{
	struct vfio_nvlink2_region region;
	unsigned int first, second;
	struct buf buf;

	(void)state;
	for (first = 0; first < 3; first++)
		for (second = 0; second < 3; second++) {
			if (second == first)
				continue;
			start(&buf, 0x10000);
			add_known(&buf, first);
			add_known(&buf, second);
			add_known(&buf, 3 - first - second);
			assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
			check_atsd(&region);
		}
}

/* A newer version only appends, so that what is known of it is where it was. */
static void test_record_of_newer_versions(void **state)
{
	static const unsigned int versions[] = { 2, 3, 0x7fff, 0xffff };
	struct vfio_nvlink2_region region;
	size_t n, offset, extra;
	struct buf buf;

	(void)state;
	for (n = 0; n < COUNT(versions); n++)
		for (extra = 0; extra <= 32; extra += 8) {
			start(&buf, 0x10000);
			add_type(&buf, 0x1014);
			offset = add(&buf, 4, versions[n], junk, 8 + extra);
			put64(&buf, offset + 8, 0x400000000ULL);
			offset = add(&buf, 5, versions[n], junk, 8 + extra);
			put32(&buf, offset + 8, 8);
			assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
			check_atsd(&region);
			assert_int_equal(region.unknown_caps, 0);
		}
}

static void test_record_of_version_0_is_unknown(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t offset;

	(void)state;
	for (offset = 32; offset < 80; offset += 16) {
		start_atsd(&buf);
		put16(&buf, offset + 2, 0);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
		assert_int_equal(region.unknown_caps, 1);
		assert_int_equal(region.has_type, offset != 32);
		assert_int_equal(region.has_ssatgt, offset != 48);
		assert_int_equal(region.has_lnkspd, offset != 64);
	}
}

/* A known record with room for its header only, in the middle and at the end. */
static void test_record_too_short(void **state)
{
	static const unsigned int ids[] = { 2, 4, 5 };
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(ids); n++) {
		start(&buf, 0x10000);
		add(&buf, ids[n], 1, "", 0);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_E_RECORD);
		add(&buf, 77, 1, junk, 8);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_E_RECORD);
		assert_false(region.has_type || region.has_ssatgt || region.has_lnkspd);
	}
}

static void test_record_twice_the_first_counts(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	start_atsd(&buf);
	add_type(&buf, 0x10de);
	add_tgt(&buf, 1);
	add_speed(&buf, 3);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	check_atsd(&region);
}

static void test_record_values_at_their_limits(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x80000000, 0xffffffff, 1ULL << 32,
					   0x240000000000ULL, 1ULL << 63, ~0ULL };
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(values); n++) {
		start(&buf, values[n]);
		put64(&buf, 24, ~values[n]);
		add_tgt(&buf, values[n]);
		add_speed(&buf, values[n] & 0xffffffff);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
		assert_true(region.size == values[n]);
		assert_true(region.offset == ~values[n]);
		assert_true(region.tgt == values[n]);
		assert_int_equal(region.link_speed, values[n] & 0xffffffff);
		assert_int_equal(region.kind, VFIO_NVLINK2_KIND_NONE);
	}
}

/* Type and subtype together make the kind; both vendors use subtype 1. */
static void test_record_kind(void **state)
{
	static const struct {
		uint32_t type, subtype;
		enum vfio_nvlink2_kind kind;
	} cases[] = {
		{ 0x800010de, 1, VFIO_NVLINK2_KIND_GPU_RAM },
		{ 0x80001014, 1, VFIO_NVLINK2_KIND_ATSD },
		{ 0x800010de, 0, VFIO_NVLINK2_KIND_NONE },
		{ 0x800010de, 2, VFIO_NVLINK2_KIND_NONE },
		{ 0x80001014, 2, VFIO_NVLINK2_KIND_NONE },
		{ 0x000010de, 1, VFIO_NVLINK2_KIND_NONE },
		{ 0x00001014, 1, VFIO_NVLINK2_KIND_NONE },
		{ 0x80008086, 1, VFIO_NVLINK2_KIND_NONE },
		{ 0, 0, VFIO_NVLINK2_KIND_NONE },
	};
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(cases); n++) {
		start(&buf, 1);
		add_type(&buf, 0);
		put32(&buf, 40, cases[n].type);
		put32(&buf, 44, cases[n].subtype);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
		assert_int_equal(region.kind, cases[n].kind);
		assert_int_equal(region.type, cases[n].type);
	}
}

int run_records(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_unknown_in_every_position),
		cmocka_unit_test(test_record_in_every_order),
		cmocka_unit_test(test_record_of_newer_versions),
		cmocka_unit_test(test_record_of_version_0_is_unknown),
		cmocka_unit_test(test_record_too_short),
		cmocka_unit_test(test_record_twice_the_first_counts),
		cmocka_unit_test(test_record_values_at_their_limits),
		cmocka_unit_test(test_record_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
