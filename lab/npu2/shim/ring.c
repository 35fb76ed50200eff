// SPDX-License-Identifier: GPL-2.0-only
/* The registers of the NPU2 proper, and the log of those that tests look at. */

#include "shim.h"

/*
 * The ring: the registers of the NPU2 proper. A place in it is stack, block and register (4, 4 and
 * 16 bits). Above its 16 MiB, MMIO alone reaches the windows of the links and of the PHYs.
 */
#define RING_MMIO	0x0006030200000000ULL
#define MMIO_SIZE	0x1720000u

#define PLACE_STACK(place)	((place) >> 20)
#define PLACE_BLOCK(place)	((place) >> 16)
#define PLACE_REGISTER(place)	((place) & 0xffff)

/* Of the three stacks with links: two bricks in each. */
#define LINK_STACKS	3
#define BRICK_0		0x9
#define BRICK_1		0xb
#define NTL_MISC_CFG1	0x0c0
#define NTL_FENCE	0x500
/* Of the stack that is there once. */
#define BLOCK_ATS	0x70
#define ATS_TCE_KILL	0x120
#define TCE_KILL_ALL	PPC_BIT(0)
#define BLOCK_XTS	0x71
#define BLOCK_MISC	0x72
#define MISC_FENCE	0x0b0
#define STACK_ATSD	0x8
#define ATSD_UNITS	8

static uint64_t ring[MMIO_SIZE / 8];

/* What the log calls a place; NULL: it is not logged. */
const char *ring_name(uint64_t place)
{
	static const char *const atsd[] = { "ATSD_LAUNCH", "ATSD_AVA", "ATSD_STATUS" };
	uint64_t at = PLACE_REGISTER(place);

	if (PLACE_BLOCK(place) == BLOCK_XTS) {
		if (at >= 0x100 && at < 0x140)
			return "XTS_ATSD_LPARID";
		if (at >= 0x4000 && at < 0x4080)
			return "XTS_BDF_MAP";
		if (at >= 0x8000 && at < 0xa000)
			return "XTS_PID_MAP";
		return "XTS";
	}
	if (PLACE_BLOCK(place) == BLOCK_ATS && at == ATS_TCE_KILL)
		return "ATS_TCE_KILL";
	if (PLACE_STACK(place) == STACK_ATSD && (PLACE_BLOCK(place) & 0xf) < ATSD_UNITS)
		return at / 8 < ARRAY_SIZE(atsd) ? atsd[at / 8] : "ATSD";
	return NULL;
}

/* As above. The TCE cache is mostly invalidated page by page: too many lines to log. */
const char *ring_name_of_write(uint64_t place, uint64_t value)
{
	if (PLACE_BLOCK(place) == BLOCK_ATS && !(value & TCE_KILL_ALL))
		return NULL;
	return ring_name(place);
}

/* How far the bytes of an access are from the low end of their register. */
static unsigned int shift_of(uint64_t place, unsigned int size)
{
	return 64 - 8 * ((place & 7) + size);
}

static uint64_t mask_of(unsigned int size)
{
	return size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

uint64_t ring_read(uint64_t place, unsigned int size)
{
	return ring[place / 8] >> shift_of(place, size) & mask_of(size);
}

/* What the firmware waits for after a write: the only registers that are more than storage. */
static void ring_react(uint64_t place)
{
	uint64_t at = PLACE_REGISTER(place) & ~7ULL;
	uint64_t block = PLACE_BLOCK(place) & 0xf;
	uint64_t value = ring[place / 8];

	/* A brick in reset is fenced: bits 8 and 9 of the one are bits 0 and 1 of the other. */
	if (PLACE_STACK(place) < LINK_STACKS && (block == BRICK_0 || block == BRICK_1) &&
	    at == NTL_MISC_CFG1)
		ring[((place & ~0xffffULL) + NTL_FENCE) / 8] =
			value << 8 & (PPC_BIT(0) | PPC_BIT(1));

	/* Ones written here clear what they name; nothing ever sets any. */
	if (PLACE_BLOCK(place) == BLOCK_MISC && at == MISC_FENCE)
		ring[place / 8] = 0;
}

void ring_write(uint64_t place, uint64_t value, unsigned int size)
{
	uint64_t mask = mask_of(size) << shift_of(place, size);
	uint64_t *word = &ring[place / 8];

	*word = (*word & ~mask) | (value << shift_of(place, size) & mask);
	ring_react(place);
}

static uint64_t mmio_read(void *opaque, uint64_t at, unsigned int size)
{
	const char *name = ring_name(at);
	uint64_t value = ring_read(at, size);

	(void)opaque;
	if (log_file && name)
		fprintf(log_file, "MMIO rd %07llx/%u %s = %016llx\n", (unsigned long long)at, size,
			name, (unsigned long long)value);
	return value;
}

static void mmio_write(void *opaque, uint64_t at, uint64_t value, unsigned int size)
{
	const char *name = ring_name_of_write(at, value);

	(void)opaque;
	if (log_file && name)
		fprintf(log_file, "MMIO wr %07llx/%u %s = %016llx\n", (unsigned long long)at, size,
			name, (unsigned long long)value);
	ring_write(at, value, size);
}

static const struct region_ops mmio_ops = {
	.read = mmio_read, .write = mmio_write, .endianness = BIG_ENDIAN_DEVICE,
	.valid = { .min_size = 1, .max_size = 8 }, .impl = { .min_size = 1, .max_size = 8 },
};

void add_ring(void)
{
	add_registers(get_system_memory(), RING_MMIO, MMIO_SIZE, &mmio_ops, NULL, "npu2-mmio");
}
