// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is believed of the firmware's numbers, at every edge. That the messages
 * name node and property is the end-to-end tests' matter.
 */

#include <kunit/test.h>
#include <linux/sizes.h>

#include "nvlink2_contract.h"
#include "range.h"

static void expect_flaw(struct kunit *test, u64 hpa, u64 size, const char *word)
{
	const char *flaw = nvlink2_window_flaw(hpa, size);

	if (!word) {
		KUNIT_EXPECT_NULL_MSG(test, flaw, "%llx + %llx: %s", hpa, size,
				      flaw);
		return;
	}
	KUNIT_ASSERT_NOT_NULL_MSG(test, flaw, "%llx + %llx", hpa, size);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(flaw, word), "%llx + %llx: %s",
				  hpa, size, flaw);
}

static void test_window_whole_ones(struct kunit *test)
{
	static const u64 places[] = {
		SZ_64K, SZ_2G, 0x3e000000000, 0x6000000000000,
	};
	static const u64 sizes[] = {
		SZ_64K, SZ_2G, SZ_64G, 2 * SZ_64G, NVLINK2_WINDOW_MAX,
	};
	int i, k;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		for (k = 0; k < ARRAY_SIZE(sizes); k++)
			expect_flaw(test, places[i], sizes[k], NULL);
}

static void test_window_size_edges_D27(struct kunit *test)
{
	expect_flaw(test, SZ_2G, 0, "size is zero");
	expect_flaw(test, SZ_2G, 1, "size is not a multiple");
	expect_flaw(test, SZ_2G, SZ_4K, "size is not a multiple");
	expect_flaw(test, SZ_2G, SZ_64K - 1, "size is not a multiple");
	expect_flaw(test, SZ_2G, SZ_64K + 1, "size is not a multiple");
	expect_flaw(test, SZ_2G, NVLINK2_WINDOW_MAX - SZ_64K, NULL);
	expect_flaw(test, SZ_2G, NVLINK2_WINDOW_MAX + SZ_64K, "over 1 TiB");
	expect_flaw(test, SZ_64K, -(u64)SZ_64K, "over 1 TiB");
}

static void test_window_address_edges_D27(struct kunit *test)
{
	expect_flaw(test, 0, SZ_64K, "address is zero");
	expect_flaw(test, 1, SZ_64K, "address is not a multiple");
	expect_flaw(test, SZ_4K, SZ_64K, "address is not a multiple");
	expect_flaw(test, SZ_64K - 1, SZ_64K, "address is not a multiple");
	expect_flaw(test, SZ_64K + 1, SZ_64K, "address is not a multiple");
	expect_flaw(test, U64_MAX, SZ_64K, "address is not a multiple");
}

static void test_window_wraps_D27(struct kunit *test)
{
	u64 last = -(u64)SZ_64K;

	/* Ends with the address space: its end is 0, which is a wrap. */
	expect_flaw(test, last, SZ_64K, "wraps");
	expect_flaw(test, last, 2 * SZ_64K, "wraps");
	expect_flaw(test, last - SZ_64K, SZ_64K, NULL);
	expect_flaw(test, -NVLINK2_WINDOW_MAX, NVLINK2_WINDOW_MAX, "wraps");
	expect_flaw(test, -NVLINK2_WINDOW_MAX - SZ_64K, NVLINK2_WINDOW_MAX,
		    NULL);
}

static struct kunit_case nvlink2_topology_cases[] = {
	KUNIT_CASE(test_window_whole_ones),
	KUNIT_CASE(test_window_size_edges_D27),
	KUNIT_CASE(test_window_address_edges_D27),
	KUNIT_CASE(test_window_wraps_D27),
	{}
};

static struct kunit_suite nvlink2_topology_suite = {
	.name = "nvlink2_topology",
	.test_cases = nvlink2_topology_cases,
};

kunit_test_suite(nvlink2_topology_suite);
