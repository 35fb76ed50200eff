// SPDX-License-Identifier: GPL-2.0-only
/* The golden buffers, whole and cut off at every byte. */

#include "decoder.h"

static const char * const names[] = { "gpu_ram.bin", "atsd.bin", "atsd_empty.bin" };

static void check_common(const struct vfio_nvlink2_region *region)
{
	assert_int_equal(region->index, 9);
	assert_true(region->offset == 9ULL << 40);
	assert_true(region->has_type && region->has_ssatgt);
	assert_int_equal(region->subtype, 1);
	assert_true(region->tgt == 0x400000000ULL);
	assert_int_equal(region->unknown_caps, 0);
}

static void test_golden_gpu_ram(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	load_golden(&buf, "gpu_ram.bin");
	assert_int_equal(buf.len, 64);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	check_common(&region);
	assert_int_equal(region.kind, VFIO_NVLINK2_KIND_GPU_RAM);
	assert_int_equal(region.type, 0x800010de);
	assert_int_equal(region.flags, 0xf);
	assert_true(region.size == 0x4000000);
	assert_false(region.has_lnkspd);
	assert_int_equal(region.link_speed, 0);
}

static void test_golden_atsd(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	load_golden(&buf, "atsd.bin");
	assert_int_equal(buf.len, 80);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	check_common(&region);
	assert_int_equal(region.kind, VFIO_NVLINK2_KIND_ATSD);
	assert_int_equal(region.type, 0x80001014);
	assert_int_equal(region.flags, 0xf);
	assert_true(region.size == 0x10000);
	assert_true(region.has_lnkspd);
	assert_int_equal(region.link_speed, 8);
}

static void test_golden_atsd_empty(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	load_golden(&buf, "atsd_empty.bin");
	assert_int_equal(buf.len, 80);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	check_common(&region);
	assert_int_equal(region.kind, VFIO_NVLINK2_KIND_ATSD);
	assert_int_equal(region.flags, 8);
	assert_true(region.size == 0);
	assert_int_equal(region.link_speed, 8);
}

static void test_golden_chain_record_by_record(void **state)
{
	static const struct {
		unsigned int id;
		size_t offset;
	} expected[] = { { 2, 32 }, { 4, 48 }, { 5, 64 } };
	struct vfio_nvlink2_cap cap;
	struct buf buf;
	size_t n;

	(void)state;
	load_golden(&buf, "atsd.bin");
	assert_int_equal(vfio_nvlink2_cap_first(buf.data, buf.len, &cap), VFIO_NVLINK2_OK);
	for (n = 0; n < COUNT(expected); n++) {
		assert_int_equal(cap.id, expected[n].id);
		assert_int_equal(cap.version, 1);
		assert_int_equal(cap.offset, expected[n].offset);
		assert_int_equal(cap.room, 16);
		assert_int_equal(vfio_nvlink2_cap_next(buf.data, buf.len, &cap),
				 n + 1 < COUNT(expected) ? VFIO_NVLINK2_OK : VFIO_NVLINK2_END);
	}
	/* The end stays the end, and the last record stays in cap. */
	assert_int_equal(vfio_nvlink2_cap_next(buf.data, buf.len, &cap), VFIO_NVLINK2_END);
	assert_int_equal(cap.id, 5);
}

/* The buffer is shorter than argsz says: the header's fields are there from 32 bytes on. */
static void test_golden_every_truncation(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n, whole;

	(void)state;
	for (n = 0; n < COUNT(names); n++) {
		load_golden(&buf, names[n]);
		whole = buf.len;
		for (buf.len = 0; buf.len < whole; buf.len++) {
			assert_int_equal(decode_exactly(&buf, &region),
					 buf.len < HEAD ? VFIO_NVLINK2_E_SHORT :
					 VFIO_NVLINK2_E_TRUNCATED);
			assert_int_equal(region.index, buf.len < HEAD ? 0 : 9);
			assert_int_equal(region.kind, VFIO_NVLINK2_KIND_NONE);
		}
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	}
}

/*
 * argsz says less than there is: what lies behind it is not read. Records have 16 bytes
 * each, so that of the last one there is its header or not even that.
 */
static void test_golden_every_argsz(void **state)
{
	struct vfio_nvlink2_region region;
	enum vfio_nvlink2_status expected;
	struct buf buf;
	uint32_t argsz;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(names); n++) {
		load_golden(&buf, names[n]);
		for (argsz = 0; argsz < buf.len; argsz++) {
			if (argsz < HEAD)
				expected = VFIO_NVLINK2_E_SHORT;
			else if (argsz % 16 < 8)
				expected = VFIO_NVLINK2_E_OFFSET;
			else
				expected = VFIO_NVLINK2_E_RECORD;
			put32(&buf, 0, argsz);
			assert_int_equal(decode_exactly(&buf, &region), expected);
			assert_int_equal(region.has_type, argsz >= 48);
			assert_int_equal(region.has_ssatgt, argsz >= 64);
		}
	}
}

static void test_golden_argsz_lies(void **state)
{
	static const uint32_t more[] = { 81, 88, 4096, 0x7fffffff, 0x80000000, 0xfffffff8,
					 0xffffffff };
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n;

	(void)state;
	load_golden(&buf, "atsd.bin");
	for (n = 0; n < COUNT(more); n++) {
		put32(&buf, 0, more[n]);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_E_TRUNCATED);
		assert_true(region.size == 0x10000);
		assert_false(region.has_type);
	}
}

/* A kernel leaves argsz alone when more room was given than is needed. */
static void test_golden_with_room_to_spare(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	load_golden(&buf, "atsd.bin");
	memset(buf.data + buf.len, 0xa5, sizeof(buf.data) - buf.len);
	buf.len = sizeof(buf.data);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	put32(&buf, 0, buf.len);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	check_common(&region);
	assert_int_equal(region.link_speed, 8);
}

int run_golden(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_gpu_ram),
		cmocka_unit_test(test_golden_atsd),
		cmocka_unit_test(test_golden_atsd_empty),
		cmocka_unit_test(test_golden_chain_record_by_record),
		cmocka_unit_test(test_golden_every_truncation),
		cmocka_unit_test(test_golden_every_argsz),
		cmocka_unit_test(test_golden_argsz_lies),
		cmocka_unit_test(test_golden_with_room_to_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
