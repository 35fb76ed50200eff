// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of ranges at every edge, against an oracle that reasons another
 * way: by overflow-checked sums.
 */

#include <kunit/test.h>
#include <linux/overflow.h>
#include <linux/sizes.h>

#include "range.h"

#define EDGES_MAX	64

/* Sizes of regions: pages, a register block, windows, and the whole offset space. */
static const u64 sizes[] = {
	0, 1, SZ_4K, SZ_64K, SZ_2M, SZ_64M, 2 * SZ_64G, 1ULL << 40, U64_MAX,
};

struct edges {
	u64 at[EDGES_MAX];
	unsigned int nr;
};

/* @value and what lies a byte, and a page of either size, to each side of it. */
static void add_edges(struct edges *edges, u64 value)
{
	static const u64 steps[] = { 0, 1, SZ_4K, SZ_64K };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		edges->at[edges->nr++] = value + steps[i];
		edges->at[edges->nr++] = value - steps[i];
	}
}

/* Places worth asking about in a region of @size; the sums wrap, as they may. */
static struct edges edges_of(u64 size)
{
	struct edges edges = {};

	add_edges(&edges, 0);
	add_edges(&edges, size);
	add_edges(&edges, size / 2);
	add_edges(&edges, 1ULL << 32);
	add_edges(&edges, 1ULL << 40);
	add_edges(&edges, 0 - size);
	return edges;
}

static bool inside(u64 pos, u64 len, u64 size)
{
	u64 end;

	return len && !check_add_overflow(pos, len, &end) && end <= size;
}

static void test_range_ok_edges(struct kunit *test)
{
	unsigned int s, i, k, yes = 0;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct edges edges = edges_of(sizes[s]);

		for (i = 0; i < edges.nr; i++) {
			for (k = 0; k < edges.nr; k++) {
				bool want = inside(edges.at[i], edges.at[k],
						   sizes[s]);
				bool ok = nvlink2_range_ok(edges.at[i],
							   edges.at[k], sizes[s]);

				yes += want;
				KUNIT_ASSERT_EQ_MSG(test, ok, want,
						    "pos %llx len %llx size %llx",
						    edges.at[i], edges.at[k], sizes[s]);
			}
		}
	}
	/* Neither side of the rule may have gone unasked. */
	KUNIT_EXPECT_GT(test, yes, 1000);
}

/* All of a small region, every position and every length, wraps included. */
static void test_range_ok_exhaustive(struct kunit *test)
{
	u64 pos, len, size;

	for (size = 0; size <= 24; size++)
		for (pos = -26ULL; pos != 26; pos++)
			for (len = -26ULL; len != 26; len++)
				KUNIT_ASSERT_EQ_MSG(test, nvlink2_range_ok(pos, len, size),
						    inside(pos, len, size),
						    "pos %llx len %llx size %llx",
						    pos, len, size);
}

/* Each page of a window, as a fault asks for it, up to the end of the offsets. */
static void test_range_ok_pages(struct kunit *test)
{
	static const u64 pages[] = { SZ_4K, SZ_64K };
	u64 size = SZ_64M, pos;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		for (pos = 0; pos < size; pos += pages[i])
			KUNIT_ASSERT_TRUE(test, nvlink2_range_ok(pos, pages[i],
								 size));
		for (; pos < (1ULL << 40); pos = pos * 2 + pages[i])
			KUNIT_ASSERT_FALSE(test, nvlink2_range_ok(pos, pages[i],
								  size));
		pos = (1ULL << 40) - pages[i];
		KUNIT_EXPECT_FALSE(test, nvlink2_range_ok(pos, pages[i], size));
		KUNIT_EXPECT_TRUE(test, nvlink2_range_ok(pos, pages[i], 1ULL << 40));
	}
}

static void test_range_clip_edges(struct kunit *test)
{
	unsigned int s, i, k;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct edges edges = edges_of(sizes[s]);

		for (i = 0; i < edges.nr; i++) {
			for (k = 0; k < edges.nr; k++) {
				u64 pos = edges.at[i], len = edges.at[k];
				u64 got = nvlink2_range_clip(pos, len, sizes[s]);

				/* What is left is inside, and as much as can be. */
				KUNIT_ASSERT_LE(test, got, len);
				if (got)
					KUNIT_ASSERT_TRUE(test, inside(pos, got, sizes[s]));
				if (got < len)
					KUNIT_ASSERT_FALSE(test, inside(pos, got + 1, sizes[s]));
			}
		}
	}
}

static void tile(struct kunit *test, u64 pos, u64 len, u64 step)
{
	u64 end = pos + len, piece;
	unsigned int pieces = 0;

	while (pos < end) {
		piece = nvlink2_range_piece(pos, end - pos, step);
		KUNIT_ASSERT_GT(test, piece, 0);
		KUNIT_ASSERT_LE(test, piece, end - pos);
		KUNIT_ASSERT_EQ(test, pos / step, (pos + piece - 1) / step);
		/* Each but the first starts on a boundary: none is split. */
		if (pieces++)
			KUNIT_ASSERT_EQ(test, pos % step, 0);
		pos += piece;
	}
	KUNIT_ASSERT_EQ(test, pos, end);
}

static void test_range_pieces_tile(struct kunit *test)
{
	static const u64 steps[] = { SZ_4K, SZ_64K, SZ_2M };
	static const u64 places[] = { 0, 1, SZ_4K - 1, SZ_2M - 1, SZ_2M + 1 };
	static const u64 lengths[] = {
		1, 2, SZ_4K - 1, SZ_4K, SZ_4K + 1, SZ_2M - 1, SZ_2M, SZ_2M + 1,
		5 * SZ_2M + 3,
	};
	unsigned int i, k, s;

	for (s = 0; s < ARRAY_SIZE(steps); s++)
		for (i = 0; i < ARRAY_SIZE(places); i++)
			for (k = 0; k < ARRAY_SIZE(lengths); k++)
				tile(test, places[i], lengths[k], steps[s]);
}

/* Both page sizes, each page of a mapping that begins and ends inside of a block. */
static void test_range_fault_span(struct kunit *test)
{
	static const u64 pages[] = { SZ_4K, SZ_64K };
	const u64 block = NVLINK2_BLOCK, size = 3 * block;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		u64 page = pages[i], start = block + 3 * page, addr;
		u64 end = 3 * block - 5 * page;

		for (addr = start; addr < end; addr += page) {
			struct nvlink2_span span =
				nvlink2_fault_span(addr, start, end,
						   addr - start + page, size);
			u64 first = max(addr & ~(block - 1), start);
			u64 behind = min((addr | (block - 1)) + 1, end);

			KUNIT_ASSERT_EQ(test, span.start, first);
			KUNIT_ASSERT_EQ(test, span.start + span.len, behind);
		}
	}
}

/* Behind the window is another GPU, before it who knows what. */
static void test_range_fault_span_in_the_window(struct kunit *test)
{
	struct nvlink2_span span;

	span = nvlink2_fault_span(SZ_4M + SZ_64K, 0, SZ_16M, SZ_4K, SZ_2M);
	KUNIT_EXPECT_EQ(test, span.start, SZ_4M + SZ_64K - SZ_4K);
	span = nvlink2_fault_span(SZ_4M, 0, SZ_16M, SZ_2M, SZ_2M + SZ_64K);
	KUNIT_EXPECT_EQ(test, span.start, SZ_4M);
	KUNIT_EXPECT_EQ(test, span.len, SZ_64K);
}

static void test_range_meet(struct kunit *test)
{
	u64 a, b, a_len, b_len;

	for (a = 0; a < 8; a++)
		for (a_len = 0; a_len < 6; a_len++)
			for (b = 0; b < 8; b++)
				for (b_len = 0; b_len < 6; b_len++) {
					bool met = nvlink2_range_meet(a, a_len, b, b_len);

					KUNIT_ASSERT_EQ(test, met, a_len && b_len &&
							a + a_len > b && b + b_len > a);
				}
	KUNIT_EXPECT_TRUE(test, nvlink2_range_meet(0, U64_MAX, SZ_2G, SZ_64M));
	KUNIT_EXPECT_TRUE(test, nvlink2_range_meet(U64_MAX, 1, 1, U64_MAX));
}

static void test_range_align_D3(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, nvlink2_range_align(SZ_2G, SZ_64M), SZ_64M);
	KUNIT_EXPECT_EQ(test, nvlink2_range_align(SZ_2G, 2 * SZ_64G), SZ_1G);
	KUNIT_EXPECT_EQ(test, nvlink2_range_align(SZ_2G + SZ_64K, SZ_64M),
			SZ_64K);
	KUNIT_EXPECT_EQ(test, nvlink2_range_align(SZ_2G, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, nvlink2_range_align(SZ_2M, SZ_2M), SZ_2M);
}

/* Vectors of real machines: the last one's aperture, and two of other chips. */
static void test_range_tgt_vectors(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, nvlink2_tgt_compress(0x6000000000000),
			0x600000000000);
	KUNIT_EXPECT_EQ(test, nvlink2_tgt_compress(0x42000000000),
			0x42000000000);
	KUNIT_EXPECT_EQ(test, nvlink2_tgt_compress(0x2040000000000),
			0x240000000000);
}

/* Where each bit goes; those that all GPU RAM shares go nowhere. */
static void test_range_tgt_bits(struct kunit *test)
{
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		u64 want = 0;

		if (bit <= 42)
			want = 1ULL << bit;
		else if (bit == 45 || bit == 46)
			want = 1ULL << (bit - 2);
		else if (bit == 49 || bit == 50)
			want = 1ULL << (bit - 4);
		KUNIT_EXPECT_EQ_MSG(test, nvlink2_tgt_compress(1ULL << bit),
				    want, "bit %u", bit);
	}
	/* No two windows in one place: the bits do not meet. */
	KUNIT_EXPECT_EQ(test, nvlink2_tgt_compress(U64_MAX), (1ULL << 47) - 1);
}

static struct kunit_case nvlink2_range_cases[] = {
	KUNIT_CASE(test_range_ok_edges),
	KUNIT_CASE(test_range_ok_exhaustive),
	KUNIT_CASE(test_range_ok_pages),
	KUNIT_CASE(test_range_clip_edges),
	KUNIT_CASE(test_range_pieces_tile),
	KUNIT_CASE(test_range_fault_span),
	KUNIT_CASE(test_range_fault_span_in_the_window),
	KUNIT_CASE(test_range_meet),
	KUNIT_CASE(test_range_align_D3),
	KUNIT_CASE(test_range_tgt_vectors),
	KUNIT_CASE(test_range_tgt_bits),
	{}
};

static struct kunit_suite nvlink2_range_suite = {
	.name = "nvlink2_range",
	.test_cases = nvlink2_range_cases,
};

kunit_test_suite(nvlink2_range_suite);
