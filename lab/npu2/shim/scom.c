// SPDX-License-Identifier: GPL-2.0-only
/* What is reached by SCOM: the NPU2, and what the chip has around it. */

#include "shim.h"

/*
 * SCOM: a register has a number, and 8 bytes at eight times that number. The NPU2 has some there
 * itself, and a pair through which the ring is reached: the place goes into the one, and an access
 * to the other is one to the ring. Firmware uses nothing else before it has set up MMIO.
 */
#define NPU_SCOM	0x5011000
#define NPU_SCOM_COUNT	0x1000
#define RING_ADDRESS	0x68e
#define RING_DATA	0x68f
/* In the address: the place in the upper bits, below them how much is meant. */
#define ADDRESS_PLACE(address)	((address) >> 40)
#define ADDRESS_SIZE(address)	(((address) >> 38 & 3) == 2 ? 4u : 8u)

static uint64_t npu_scom[NPU_SCOM_COUNT];

static uint64_t npu_read(void *opaque, uint64_t at, unsigned int size)
{
	uint64_t address = npu_scom[RING_ADDRESS];
	unsigned int wanted = ADDRESS_SIZE(address);
	uint64_t place = ADDRESS_PLACE(address) & ~(uint64_t)(wanted - 1);

	(void)opaque;
	(void)size;
	if (at / 8 != RING_DATA)
		return npu_scom[at / 8];
	/* Four bytes come in the upper half. */
	return ring_read(place, wanted) << (64 - 8 * wanted);
}

static void npu_write(void *opaque, uint64_t at, uint64_t value, unsigned int size)
{
	uint64_t address = npu_scom[RING_ADDRESS];
	unsigned int wanted = ADDRESS_SIZE(address);
	uint64_t place = ADDRESS_PLACE(address) & ~(uint64_t)(wanted - 1);
	const char *name = ring_name_of_write(place, value);

	(void)opaque;
	(void)size;
	npu_scom[at / 8] = value;
	if (at / 8 != RING_DATA)
		return;
	if (log_file && name)
		fprintf(log_file, "SCOM wr ring %06llx %s = %016llx\n", (unsigned long long)place,
			name, (unsigned long long)value);
	ring_write(place, value >> (64 - 8 * wanted), wanted);
}

#define SCOM_OPS(what) {							\
	.read = what##_read, .write = what##_write, .endianness = BIG_ENDIAN_DEVICE,	\
	.valid = { .min_size = 8, .max_size = 8 }, .impl = { .min_size = 8, .max_size = 8 },	\
}

static const struct region_ops npu_ops = SCOM_OPS(npu);

/* Registers of the chip around the NPU2, which the emulator does not have: storage. */
struct bank {
	uint32_t first;
	uint32_t count;
	/* What a write starts ends at once: these bits are never seen set. */
	uint64_t done;
	uint64_t *words;
};

static struct bank banks[] = {
	/* Faults of the NPU2: three groups of registers. */
	{ .first = 0x5013c00, .count = 0xc0 },
	/* The table of the memory that caches may hold, which GPU RAM goes into: two banks. */
	{ .first = 0x301100d, .count = 1 },
	{ .first = 0x301140d, .count = 1 },
	/* Whether the lanes of a PHY are in use. */
	{ .first = 0x9000009, .count = 1 },
	{ .first = 0xc000009, .count = 1 },
	/* Before a reset of a GPU all caches are emptied: L2 and L3 of the first four cores. */
	{ .first = 0x1001080e, .count = 1 },
	{ .first = 0x10010c0e, .count = 1 },
	{ .first = 0x1001180e, .count = 1, .done = PPC_BIT(0) },
	{ .first = 0x10011c0e, .count = 1, .done = PPC_BIT(0) },
};

static uint64_t bank_read(void *opaque, uint64_t at, unsigned int size)
{
	const struct bank *bank = opaque;

	(void)size;
	return bank->words[at / 8];
}

static void bank_write(void *opaque, uint64_t at, uint64_t value, unsigned int size)
{
	const struct bank *bank = opaque;

	(void)size;
	bank->words[at / 8] = value & ~bank->done;
}

static const struct region_ops bank_ops = SCOM_OPS(bank);

/*
 * The PHYs, one for three links each: a register that reaches 2^20 others. What is written names
 * one of them in bits 12 to 31, and either asks for it (bit 0) or has its new value at the end;
 * what is then read has its value and says that it is the answer.
 */
#define PHY_REGISTERS	(1u << 20)
#define PHY_READ	PPC_BIT(0)
#define PHY_ANSWER	PPC_BIT(32)
/* The upper ten bits of a register's number say which, the lower ones which lane's. */
#define PHY_KIND(number)	((number) >> 10)

/* What a PHY says of work that it was given. It is done at once: nobody would ever do it here. */
static const struct {
	uint32_t kind;
	uint16_t value;
} phy_answers[] = {
	/* Receiver: started, and calibrated. */
	{ .kind = 0x0ca, .value = 0xc000 },
	/* Transmitter's impedance: calibrated, without an error, to two values that may be. */
	{ .kind = 0x3c1, .value = 0x2000 },
	{ .kind = 0x3c3, .value = 200 << 7 },
	{ .kind = 0x3c5, .value = 200 << 7 },
};

struct phy {
	uint32_t scom;
	uint32_t number;
	uint16_t *words;
};

static struct phy phys[] = { { .scom = 0x9010c3f }, { .scom = 0xc010c3f } };

static uint64_t phy_read(void *opaque, uint64_t at, unsigned int size)
{
	const struct phy *phy = opaque;
	uint64_t value = phy->words[phy->number];
	unsigned int i;

	(void)at;
	(void)size;
	for (i = 0; i < ARRAY_SIZE(phy_answers); i++)
		if (phy_answers[i].kind == PHY_KIND(phy->number))
			value = phy_answers[i].value;
	return (uint64_t)phy->number << 32 | PHY_ANSWER | value;
}

static void phy_write(void *opaque, uint64_t at, uint64_t value, unsigned int size)
{
	struct phy *phy = opaque;

	(void)at;
	(void)size;
	phy->number = value >> 32 & (PHY_REGISTERS - 1);
	if (!(value & PHY_READ))
		phy->words[phy->number] = (uint16_t)value;
}

static const struct region_ops phy_ops = SCOM_OPS(phy);

static void add_scom(void *scom, uint32_t first, uint32_t count, const struct region_ops *ops,
		     void *opaque, const char *name)
{
	add_registers(scom, (uint64_t)first * 8, (uint64_t)count * 8, ops, opaque, name);
}

void add_scom_registers(void)
{
	/* Of the two regions of that name the second holds the registers. */
	void *scom = object_resolve_path("/machine/chip[0]/xscom-0[1]", NULL);
	unsigned int i;

	if (!scom)
		die("the machine has no chip with SCOM registers: it is for powernv9");
	add_scom(scom, NPU_SCOM, NPU_SCOM_COUNT, &npu_ops, NULL, "npu2");
	for (i = 0; i < ARRAY_SIZE(banks); i++) {
		banks[i].words = zeroed(banks[i].count * sizeof(*banks[i].words));
		add_scom(scom, banks[i].first, banks[i].count, &bank_ops, &banks[i], "npu2-around");
	}
	for (i = 0; i < ARRAY_SIZE(phys); i++) {
		phys[i].words = zeroed(PHY_REGISTERS * sizeof(*phys[i].words));
		add_scom(scom, phys[i].scom, 1, &phy_ops, &phys[i], "npu2-phy");
	}
}
