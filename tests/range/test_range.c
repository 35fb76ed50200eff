// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel/range.h as it is, in user space under the sanitizers, against an
 * oracle in 128 bits, where nothing wraps. The KUnit suite beside it asks the
 * same of it where it runs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "range.h"

typedef unsigned __int128 wide;

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))
#define MAX_EDGES	128

static const u64 sizes[] = {
	0, 1, 2, 4095, 4096, 65536, 1 << 21, 1 << 26, 1ULL << 37, 1ULL << 40,
	UINT64_MAX - 1, UINT64_MAX,
};

static u64 edges[MAX_EDGES];
static size_t nr_edges;

static void add_edges(u64 at)
{
	static const u64 steps[] = { 0, 1, 2, 4096, 65536 };
	size_t i;

	for (i = 0; i < COUNT(steps); i++) {
		edges[nr_edges++] = at + steps[i];
		edges[nr_edges++] = at - steps[i];
	}
}

static void edges_of(u64 size)
{
	nr_edges = 0;
	add_edges(0);
	add_edges(size);
	add_edges(0 - size);
	add_edges(1ULL << 32);
	add_edges(1ULL << 40);
	add_edges(1ULL << 63);
}

static bool inside(u64 pos, u64 len, u64 size)
{
	return len && (wide)pos + len <= size;
}

static void test_ok_at_every_edge(void **state)
{
	size_t s, i, k, yes = 0;

	(void)state;
	for (s = 0; s < COUNT(sizes); s++) {
		edges_of(sizes[s]);
		for (i = 0; i < nr_edges; i++) {
			for (k = 0; k < nr_edges; k++) {
				bool want = inside(edges[i], edges[k], sizes[s]);

				yes += want;
				assert_int_equal(nvlink2_range_ok(edges[i], edges[k], sizes[s]),
						 want);
			}
		}
	}
	assert_true(yes > 1000);
}

static void test_clip_is_the_most_that_fits(void **state)
{
	size_t s, i, k;

	(void)state;
	for (s = 0; s < COUNT(sizes); s++) {
		edges_of(sizes[s]);
		for (i = 0; i < nr_edges; i++) {
			for (k = 0; k < nr_edges; k++) {
				u64 got = nvlink2_range_clip(edges[i], edges[k], sizes[s]);

				assert_true(got <= edges[k]);
				assert_true(!got || inside(edges[i], got, sizes[s]));
				if (got < edges[k])
					assert_false(inside(edges[i], got + 1, sizes[s]));
			}
		}
	}
}

static void test_pieces_tile_the_range(void **state)
{
	static const u64 steps[] = { 4096, 65536, 1 << 21 };
	static const u64 places[] = { 0, 1, 4095, 4096, 65537, (1 << 21) - 1, 1ULL << 40 };
	static const u64 lengths[] = { 1, 2, 4095, 4096, 4097, 65536, 100000, (5 << 21) + 7 };
	size_t s, i, k;

	(void)state;
	for (s = 0; s < COUNT(steps); s++) {
		for (i = 0; i < COUNT(places); i++) {
			for (k = 0; k < COUNT(lengths); k++) {
				u64 pos = places[i], end = pos + lengths[k];

				while (pos < end) {
					u64 piece = nvlink2_range_piece(pos, end - pos, steps[s]);

					assert_true(piece && piece <= end - pos);
					assert_int_equal(pos / steps[s],
							 (pos + piece - 1) / steps[s]);
					/* It ends at a boundary, or with the range. */
					assert_true((pos + piece) % steps[s] == 0 ||
						    pos + piece == end);
					pos += piece;
				}
				assert_int_equal(pos, end);
			}
		}
	}
}

/*
 * Every page of mappings and regions around a block's edges: the span is exactly
 * those pages of the block that are in both.
 */
static void check_span(u64 start, u64 end, u64 pos, u64 size, u64 page)
{
	u64 addr, at, in, first = ~0ULL, behind = 0;
	struct nvlink2_span span;

	for (addr = start; addr < end; addr += page) {
		u64 touched = pos + (addr - start);

		if (touched >= size)
			break;
		first = ~0ULL;
		for (in = 0; in < NVLINK2_BLOCK; in += page) {
			at = (addr & ~(NVLINK2_BLOCK - 1)) + in;
			/* In 128 bits, as what lies below the region is negative. */
			__int128 place = (__int128)touched + at - addr;

			if (at < start || at >= end || place < 0 || place >= size)
				continue;
			if (first == ~0ULL)
				first = at;
			behind = at + page;
		}
		span = nvlink2_fault_span(addr, start, end, touched, size);
		assert_int_equal(span.start, first);
		assert_int_equal(span.start + span.len, behind);
	}
}

static void test_span_is_what_block_mapping_and_region_share(void **state)
{
	static const u64 skews[] = { 0, 1, 3, 31 };
	const u64 block = NVLINK2_BLOCK, page = 0x10000;
	size_t s, e, p, z;

	(void)state;
	for (s = 0; s < COUNT(skews); s++)
		for (e = 0; e < COUNT(skews); e++)
			for (p = 0; p < COUNT(skews); p++)
				for (z = 0; z < COUNT(skews); z++) {
					u64 start = 4 * block + skews[s] * page;
					u64 end = 7 * block - skews[e] * page;

					check_span(start, end, skews[p] * page,
						   3 * block - skews[z] * page, page);
					/* Smaller than a block. */
					check_span(start, start + (1 + skews[e]) * page,
						   block + skews[p] * page, 4 * block, page);
				}
	/* With the smallest pages, and where the address space ends. */
	check_span(block - 4096, 2 * block + 4096, 4096, 1ULL << 40, 4096);
	check_span(0 - block, 0 - (u64)page, 0, 1ULL << 40, page);
}

/* What comes before the page in the region cannot be had by any mapping. */
static void test_span_stays_in_the_region(void **state)
{
	const u64 block = NVLINK2_BLOCK;
	struct nvlink2_span span;

	(void)state;
	span = nvlink2_fault_span(block + 0x20000, 0, 4 * block, 0x10000, block);
	assert_int_equal(span.start, block + 0x10000);
	span = nvlink2_fault_span(block + 0x20000, 0, 4 * block, 0x10000, 0x30000);
	assert_int_equal(span.len, 0x30000);
	span = nvlink2_fault_span(block, 0, 4 * block, 0, UINT64_MAX);
	assert_int_equal(span.len, block);
}

static void test_meet_is_having_a_byte_in_common(void **state)
{
	u64 a, b, a_len, b_len;

	(void)state;
	for (a = 0; a < 9; a++)
		for (a_len = 0; a_len < 7; a_len++)
			for (b = 0; b < 9; b++)
				for (b_len = 0; b_len < 7; b_len++)
					assert_int_equal(
						nvlink2_range_meet(a, a_len, b, b_len),
						a_len && b_len && a < b + b_len && b < a + a_len);
	assert_true(nvlink2_range_meet(UINT64_MAX, 1, 1, UINT64_MAX));
	assert_false(nvlink2_range_meet(0, 1, 1, UINT64_MAX));
}

static void test_align_is_what_address_and_length_have(void **state)
{
	u64 shift, other;

	(void)state;
	for (shift = 12; shift < 50; shift++) {
		for (other = 12; other < 50; other++) {
			u64 least = shift < other ? shift : other;

			least = least < 30 ? least : 30;
			assert_int_equal(nvlink2_range_align(1ULL << shift, 3ULL << other),
					 1ULL << least);
		}
	}
}

static void test_tgt_of_real_machines(void **state)
{
	(void)state;
	assert_int_equal(nvlink2_tgt_compress(0x6000000000000), 0x600000000000);
	assert_int_equal(nvlink2_tgt_compress(0x42000000000), 0x42000000000);
	assert_int_equal(nvlink2_tgt_compress(0x2040000000000), 0x240000000000);
}

static void test_tgt_bit_by_bit(void **state)
{
	static const int dropped = -1;
	int to[64], bit;

	(void)state;
	for (bit = 0; bit < 64; bit++)
		to[bit] = bit <= 42 ? bit : dropped;
	to[45] = 43;
	to[46] = 44;
	to[49] = 45;
	to[50] = 46;
	for (bit = 0; bit < 64; bit++)
		assert_int_equal(nvlink2_tgt_compress(1ULL << bit),
				 to[bit] == dropped ? 0 : 1ULL << to[bit]);
	assert_int_equal(nvlink2_tgt_compress(UINT64_MAX), (1ULL << 47) - 1);
}

static void test_window_flaws_D27(void **state)
{
	static const struct {
		u64 hpa, size;
		const char *word;
	} windows[] = {
		{ 0x10000, 0x10000, NULL },
		{ 0x3e000000000, 1ULL << 37, NULL },
		{ 0x10000, 1ULL << 40, NULL },
		{ 0x10000, 0, "size is zero" },
		{ 0, 0x10000, "address is zero" },
		{ 0x1000, 0x10000, "address is not a multiple" },
		{ 0x10000, 0x11000, "size is not a multiple" },
		{ 0x10000, (1ULL << 40) + 0x10000, "over 1 TiB" },
		{ 0 - 0x10000ULL, 0x20000, "wraps" },
		{ 0 - 0x10000ULL, 0x10000, "wraps" },
		{ 0 - 0x20000ULL, 0x10000, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(windows); i++) {
		const char *flaw = nvlink2_window_flaw(windows[i].hpa, windows[i].size);

		assert_int_equal(!flaw, !windows[i].word);
		if (flaw)
			assert_non_null(strstr(flaw, windows[i].word));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok_at_every_edge),
		cmocka_unit_test(test_clip_is_the_most_that_fits),
		cmocka_unit_test(test_pieces_tile_the_range),
		cmocka_unit_test(test_span_is_what_block_mapping_and_region_share),
		cmocka_unit_test(test_span_stays_in_the_region),
		cmocka_unit_test(test_meet_is_having_a_byte_in_common),
		cmocka_unit_test(test_align_is_what_address_and_length_have),
		cmocka_unit_test(test_tgt_of_real_machines),
		cmocka_unit_test(test_tgt_bit_by_bit),
		cmocka_unit_test(test_window_flaws_D27),
	};

	return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
