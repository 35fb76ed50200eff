/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pure arithmetic of ranges and addresses. Knows no kernel subsystem, so that
 * it can be tested exhaustively, in the kernel and outside of it.
 */
#ifndef NVLINK2_RANGE_H
#define NVLINK2_RANGE_H

#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "nvlink2_contract.h"

/*
 * What one touch of GPU RAM may make present: what one entry of a radix tree
 * above its pages covers, with 4 KiB pages as with 64 KiB ones.
 */
#define NVLINK2_BLOCK	(2ULL << 20)

/**
 * nvlink2_range_ok() - does an access lie whole inside a region?
 * @pos: first byte, counted from the start of the region
 * @len: length in bytes
 * @size: size of the region in bytes
 *
 * The one rule for read, write, mmap and fault. Written as two comparisons
 * that cannot wrap, because @pos and @len come from user space.
 *
 * Context: any.
 * Return: true when [@pos, @pos + @len) is not empty and lies in [0, @size).
 */
static inline bool nvlink2_range_ok(u64 pos, u64 len, u64 size)
{
	return len && pos < size && len <= size - pos;
}

/**
 * nvlink2_range_clip() - how much of an access a region can serve
 * @pos: first byte, counted from the start of the region
 * @len: wanted length in bytes
 * @size: size of the region in bytes
 *
 * Context: any.
 * Return: bytes, 0 when @pos is at or behind the end.
 */
static inline u64 nvlink2_range_clip(u64 pos, u64 len, u64 size)
{
	if (pos >= size)
		return 0;
	return min(len, size - pos);
}

/**
 * nvlink2_range_piece() - length up to the next boundary
 * @pos: first byte
 * @len: bytes that remain
 * @step: distance of the boundaries in bytes, a power of two
 *
 * Context: any.
 * Return: the largest piece of [@pos, @pos + @len) at its start that crosses no
 * multiple of @step.
 */
static inline u64 nvlink2_range_piece(u64 pos, u64 len, u64 step)
{
	u64 room = step - (pos & (step - 1));

	return min(len, room);
}

/**
 * struct nvlink2_span - a range of user addresses
 * @start: the first
 * @len: length in bytes
 */
struct nvlink2_span {
	u64 start;
	u64 len;
};

/**
 * nvlink2_fault_span() - what one fault may make present
 * @addr: user address of the page that was touched, inside the mapping
 * @start: first user address of the mapping
 * @end: first one behind it
 * @pos: what the page is in the region, inside of it
 * @size: size of the region in bytes
 *
 * The block of NVLINK2_BLOCK bytes around the address, clipped to the mapping
 * and to the region. All arguments are multiples of the page size.
 *
 * Context: any.
 * Return: the span; it has @addr in it.
 */
static inline struct nvlink2_span
nvlink2_fault_span(u64 addr, u64 start, u64 end, u64 pos, u64 size)
{
	u64 ahead = addr & (NVLINK2_BLOCK - 1);
	u64 behind = NVLINK2_BLOCK - ahead;

	ahead = min(ahead, min(addr - start, pos));
	behind = min(behind, min(end - addr, size - pos));
	return (struct nvlink2_span) {
		.start = addr - ahead,
		.len = ahead + behind,
	};
}

/**
 * nvlink2_range_meet() - do two ranges have a byte in common?
 * @a: first byte of the one
 * @a_len: its length, not reaching behind the end of the address space
 * @b: first byte of the other
 * @b_len: its length, likewise
 *
 * Context: any.
 * Return: true when they have.
 */
static inline bool nvlink2_range_meet(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b ? b - a < a_len && b_len : a - b < b_len && a_len;
}

/**
 * nvlink2_range_align() - the alignment by which a mapping has to start
 * @hpa: host physical address of what is mapped
 * @len: its length in bytes
 *
 * mm_iommu_do_alloc() (arch/powerpc/mm/book3s64/iommu_api.c) lets memory of a
 * device be translated by pages as large as address and length are multiples
 * of, and takes for granted that the user address is one too. TCE pages have up
 * to 1 GiB.
 *
 * Context: any.
 * Return: the alignment in bytes, a power of two.
 */
static inline u64 nvlink2_range_align(u64 hpa, u64 len)
{
	u64 bits = hpa | len | (1ULL << 30);

	return bits & -bits;
}

/**
 * nvlink2_tgt_compress() - the compressed address of GPU RAM ("tgt")
 * @hpa: host physical address
 *
 * The NPU2 talks to a GPU with 47 bits of address where the processor uses 51:
 * it leaves out the bits that are the same for all GPU RAM. The layout is
 * skiboot's (hw/npu2.c, "GPU memory map").
 *
 * Context: any.
 * Return: the address as the GPU sees it.
 */
static inline u64 nvlink2_tgt_compress(u64 hpa)
{
	return ((hpa >> 42) & 1) << 42 | ((hpa >> 45) & 3) << 43 |
	       ((hpa >> 49) & 3) << 45 | (hpa & ((1ULL << 43) - 1));
}

/**
 * nvlink2_window_flaw() - what is wrong with a window of physical memory?
 * @hpa: first host physical address
 * @size: size in bytes
 *
 * A window is only believed when it cannot be something else: a zero would be
 * the host's own first page, one that wraps or is implausibly large a misread
 * property.
 *
 * Context: any.
 * Return: the flaw in words, NULL when there is none.
 */
static inline const char *nvlink2_window_flaw(u64 hpa, u64 size)
{
	if (!size)
		return "size is zero";
	if (!hpa)
		return "address is zero";
	if (hpa & (NVLINK2_WINDOW_ALIGN - 1))
		return "address is not a multiple of 64 KiB";
	if (size & (NVLINK2_WINDOW_ALIGN - 1))
		return "size is not a multiple of 64 KiB";
	if (size > NVLINK2_WINDOW_MAX)
		return "size is over 1 TiB";
	if (hpa + size < hpa)
		return "wraps around the end of the address space";
	return NULL;
}

#endif /* NVLINK2_RANGE_H */
