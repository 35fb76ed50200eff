// SPDX-License-Identifier: GPL-2.0-only
/* Chains that no kernel writes: every value of every link. */

#include "decoder.h"

#define FIRST	32
#define SECOND	48
#define THIRD	64
#define END	80

static const uint32_t far_away[] = {
	0x7ffffff8, 0x7fffffff, 0x80000000, 0x80000020, 0xffffffc0, 0xffffffe0, 0xfffffff0,
	0xfffffff7, 0xfffffff8, 0xfffffff9, 0xffffffff,
};

static enum vfio_nvlink2_status with_link(size_t record, uint32_t next,
					  struct vfio_nvlink2_region *region)
{
	struct buf buf;

	start_atsd(&buf);
	put32(&buf, record + 4, next);
	return decode_exactly(&buf, region);
}

/* What a link has to lead to, that of a record at `from`. */
static enum vfio_nvlink2_status expected(size_t from, uint64_t next)
{
	if (next == 0)
		return VFIO_NVLINK2_OK;
	if (next <= from)
		return VFIO_NVLINK2_E_CYCLE;
	/* So near that the record itself has no room; that is seen first. */
	if (next < END && next - from >= 8 && next - from < 16)
		return VFIO_NVLINK2_E_RECORD;
	if (next + 8 > END)
		return VFIO_NVLINK2_E_OFFSET;
	return next % 8 ? VFIO_NVLINK2_E_ALIGN : VFIO_NVLINK2_OK;
}

static void test_chain_every_next_of_every_record(void **state)
{
	static const size_t records[] = { FIRST, SECOND, THIRD };
	struct vfio_nvlink2_region region;
	uint32_t next;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(records); n++)
		for (next = 0; next < 2 * END; next++) {
			enum vfio_nvlink2_status status = with_link(records[n], next, &region);

			/* What is in the middle of a record is read as one; see the model. */
			if (expected(records[n], next) != VFIO_NVLINK2_OK || next % 16 == 0)
				assert_int_equal(status, expected(records[n], next));
		}
}

static void test_chain_next_near_4g(void **state)
{
	struct vfio_nvlink2_region region;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(far_away); n++) {
		assert_int_equal(with_link(FIRST, far_away[n], &region), VFIO_NVLINK2_E_OFFSET);
		assert_true(region.has_type && !region.has_ssatgt);
		assert_int_equal(region.kind, VFIO_NVLINK2_KIND_ATSD);
	}
}

static void test_chain_to_itself(void **state)
{
	struct vfio_nvlink2_region region;

	(void)state;
	assert_int_equal(with_link(FIRST, FIRST, &region), VFIO_NVLINK2_E_CYCLE);
	assert_true(region.has_type && !region.has_ssatgt);
	assert_int_equal(with_link(THIRD, THIRD, &region), VFIO_NVLINK2_E_CYCLE);
	assert_true(region.has_type && region.has_ssatgt && region.has_lnkspd);
}

static void test_chain_in_a_ring(void **state)
{
	struct vfio_nvlink2_region region;

	(void)state;
	assert_int_equal(with_link(THIRD, FIRST, &region), VFIO_NVLINK2_E_CYCLE);
	assert_int_equal(with_link(THIRD, SECOND, &region), VFIO_NVLINK2_E_CYCLE);
	assert_int_equal(with_link(SECOND, FIRST, &region), VFIO_NVLINK2_E_CYCLE);
	assert_true(region.has_ssatgt && !region.has_lnkspd);
}

/* In order of the chain they would be fine; the kernel never writes that. */
static void test_chain_backwards(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;

	(void)state;
	start_atsd(&buf);
	put32(&buf, 12, THIRD);
	put32(&buf, THIRD + 4, SECOND);
	put32(&buf, SECOND + 4, FIRST);
	put32(&buf, FIRST + 4, 0);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_E_CYCLE);
	assert_true(region.has_lnkspd && !region.has_ssatgt);
}

static void test_chain_into_the_header(void **state)
{
	struct vfio_nvlink2_region region;
	uint32_t next;

	(void)state;
	for (next = 1; next < HEAD; next++)
		assert_int_equal(with_link(FIRST, next, &region), VFIO_NVLINK2_E_CYCLE);
}

static void test_chain_every_cap_offset(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;
	uint32_t offset;

	(void)state;
	for (offset = 0; offset < 2 * END; offset++) {
		enum vfio_nvlink2_status status;

		start_atsd(&buf);
		put32(&buf, 12, offset);
		status = decode_exactly(&buf, &region);
		if (offset == 0)
			assert_int_equal(status, VFIO_NVLINK2_OK);
		else if (offset < HEAD || offset + 8 > END)
			assert_int_equal(status, VFIO_NVLINK2_E_OFFSET);
		else if (offset % 8)
			assert_int_equal(status, VFIO_NVLINK2_E_ALIGN);
		else if (offset % 16 == 0)
			assert_int_equal(status, VFIO_NVLINK2_OK);
		assert_int_equal(region.has_type, offset == FIRST);
		assert_true(region.size == 0x10000);
	}
}

static void test_chain_cap_offset_near_4g(void **state)
{
	struct vfio_nvlink2_region region;
	struct buf buf;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(far_away); n++) {
		start_atsd(&buf);
		put32(&buf, 12, far_away[n]);
		assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_E_OFFSET);
	}
}

/* Without the flag cap_offset means nothing, whatever it holds. */
static void test_chain_without_the_flag(void **state)
{
	struct vfio_nvlink2_region region;
	struct vfio_nvlink2_cap cap;
	struct buf buf;

	(void)state;
	start_atsd(&buf);
	put32(&buf, 4, 7);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
	assert_int_equal(region.kind, VFIO_NVLINK2_KIND_NONE);
	assert_int_equal(vfio_nvlink2_cap_first(buf.data, buf.len, &cap), VFIO_NVLINK2_END);
	put32(&buf, 12, 0xffffffff);
	assert_int_equal(decode_exactly(&buf, &region), VFIO_NVLINK2_OK);
}

/* As long as it gets: a header in every 8 bytes. */
static void test_chain_of_headers_only(void **state)
{
	static struct model model;
	struct buf buf;

	(void)state;
	start(&buf, 1);
	while (buf.len < MAX_BUF)
		add(&buf, 0x7777, 1, "", 0);
	check_against_model(buf.data, buf.len, &model);
	assert_int_equal(model.status, VFIO_NVLINK2_OK);
	assert_int_equal(model.nr_caps, (MAX_BUF - HEAD) / 8);
	assert_int_equal(model.region.unknown_caps, model.nr_caps);
}

/* A cap that the decoder did not make. */
static void test_chain_next_of_a_made_up_cap(void **state)
{
	static const size_t nowhere[] = { 0, 8, 31, END - 7, END, END + 8, (size_t)-8, (size_t)-1 };
	struct vfio_nvlink2_cap cap;
	unsigned char *copy;
	struct buf buf;
	size_t n;

	(void)state;
	start_atsd(&buf);
	copy = malloc(buf.len);
	assert_non_null(copy);
	memcpy(copy, buf.data, buf.len);
	for (n = 0; n < COUNT(nowhere); n++) {
		memset(&cap, 0, sizeof(cap));
		cap.offset = nowhere[n];
		assert_int_equal(vfio_nvlink2_cap_next(copy, buf.len, &cap),
				 VFIO_NVLINK2_E_OFFSET);
	}
	free(copy);
}

int run_chain(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain_every_next_of_every_record),
		cmocka_unit_test(test_chain_next_near_4g),
		cmocka_unit_test(test_chain_to_itself),
		cmocka_unit_test(test_chain_in_a_ring),
		cmocka_unit_test(test_chain_backwards),
		cmocka_unit_test(test_chain_into_the_header),
		cmocka_unit_test(test_chain_every_cap_offset),
		cmocka_unit_test(test_chain_cap_offset_near_4g),
		cmocka_unit_test(test_chain_without_the_flag),
		cmocka_unit_test(test_chain_of_headers_only),
		cmocka_unit_test(test_chain_next_of_a_made_up_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
