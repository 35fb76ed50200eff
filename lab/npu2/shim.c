// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into an unmodified qemu-system-ppc64: gives chip 0 of a powernv9 machine what its
 * firmware needs to bring up an NPU2.
 *
 *  - The registers of the NPU2, reachable by SCOM and by MMIO. They store what is written, and a
 *    few tell at once that something is done. Nothing else happens: no link trains, no address is
 *    translated, nothing is invalidated, no interrupt comes.
 *  - NVIDIA's id on the functions named gpu0, gpu1 and so on: the firmware looks for it.
 *  - RAM where the firmware puts that of the GPUs, backed by files of the host.
 *
 * What reaches the XTS (who may translate for which partition) and the ATSD registers
 * (invalidations) is written to a log, a line for each access. That is what tests look at.
 *
 * Environment:
 *   NPU2_LOG  the file of the log (not set: no log)
 *   NPU2_RAM  a folder; its file ram<N> becomes the RAM of the GPU of group N, whole
 *
 * An emulator that lacks a function used here is stopped by the loader, which names it. What cannot
 * be set up stops it too: a machine without its NPU2 only dies later, of a machine check.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
/* Bits are counted from the most significant one, as the manuals of POWER do. */
#define PPC_BIT(bit) (1ULL << (63 - (bit)))

/* What QEMU exports for the modules it loads: the part of its interface that is used here. */
struct notifier {
	void (*notify)(struct notifier *notifier, void *data);
	void *next;
	void **previous;
};

struct region_ops {
	uint64_t (*read)(void *opaque, uint64_t at, unsigned int size);
	void (*write)(void *opaque, uint64_t at, uint64_t value, unsigned int size);
	void *read_with_attrs;
	void *write_with_attrs;
	int endianness;
	struct {
		unsigned int min_size, max_size;
		bool unaligned;
		void *accepts;
	} valid;
	struct {
		unsigned int min_size, max_size;
		bool unaligned;
	} impl;
};

#define BIG_ENDIAN_DEVICE 1
/* No less than a MemoryRegion of any version has; QEMU fills it in. */
#define REGION_ROOM 4096

void qemu_add_machine_init_done_notifier(struct notifier *notifier);
void *object_resolve_path(const char *path, bool *ambiguous);
void memory_region_init_io(void *region, void *owner, const struct region_ops *ops, void *opaque,
			   const char *name, uint64_t size);
void memory_region_init_ram_ptr(void *region, void *owner, const char *name, uint64_t size,
				void *memory);
void memory_region_add_subregion_overlap(void *parent, uint64_t at, void *region, int priority);
void *get_system_memory(void);
uint32_t pci_default_read_config(void *device, uint32_t at, int size);

static FILE *log_file;

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *format, ...)
{
	va_list args;

	fputs("npu2 shim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	/* Not exit(): that would run the emulator's own ends, half set up. */
	fflush(stderr);
	_exit(1);
}

static void *zeroed(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die("no memory for %zu bytes", size);
	return memory;
}

/* Over what the emulator has there itself. */
static void add_registers(void *parent, uint64_t at, uint64_t size, const struct region_ops *ops,
			  void *opaque, const char *name)
{
	void *region = zeroed(REGION_ROOM);

	memory_region_init_io(region, NULL, ops, opaque, name, size);
	memory_region_add_subregion_overlap(parent, at, region, 1);
}

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
#define BLOCK_XTS	0x71
#define BLOCK_MISC	0x72
#define MISC_FENCE	0x0b0
#define STACK_ATSD	0x8
#define ATSD_UNITS	8

static uint64_t ring[MMIO_SIZE / 8];

/* What the log calls a place; NULL: it is not logged. */
static const char *name_of(uint64_t place)
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
	if (PLACE_STACK(place) == STACK_ATSD && (PLACE_BLOCK(place) & 0xf) < ATSD_UNITS)
		return at / 8 < ARRAY_SIZE(atsd) ? atsd[at / 8] : "ATSD";
	return NULL;
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

static uint64_t ring_read(uint64_t place, unsigned int size)
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

static void ring_write(uint64_t place, uint64_t value, unsigned int size)
{
	uint64_t mask = mask_of(size) << shift_of(place, size);
	uint64_t *word = &ring[place / 8];

	*word = (*word & ~mask) | (value << shift_of(place, size) & mask);
	ring_react(place);
}

static uint64_t mmio_read(void *opaque, uint64_t at, unsigned int size)
{
	const char *name = name_of(at);
	uint64_t value = ring_read(at, size);

	(void)opaque;
	if (log_file && name)
		fprintf(log_file, "MMIO rd %07llx/%u %s = %016llx\n", (unsigned long long)at, size,
			name, (unsigned long long)value);
	return value;
}

static void mmio_write(void *opaque, uint64_t at, uint64_t value, unsigned int size)
{
	const char *name = name_of(at);

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
	const char *name = name_of(place);

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

static void add_npu(void)
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
	add_registers(get_system_memory(), RING_MMIO, MMIO_SIZE, &mmio_ops, NULL, "npu2-mmio");
}

/*
 * The GPUs: any PCI function does, once it says it is a V100. QEMU has no call that changes an id,
 * so the pointer to the function's configuration space is looked for in its state.
 */
#define GPU_ID		0x1db110deu
/* A 3D controller. */
#define GPU_CLASS	0x0302
#define AT_ID		0x00
#define AT_CLASS	0x0a
#define STATE_ROOM	2048

/* Reads what may not be there, without a fault. */
static bool peek(const void *from, void *to, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)(uintptr_t)from, size };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Where the emulator reads an id that was written there: that settles it. */
static bool set_gpu_id(void *device, uint8_t *config, uint32_t old)
{
	uint32_t id = GPU_ID;
	uint16_t class = GPU_CLASS;

	memcpy(config + AT_ID, &id, sizeof(id));
	if (pci_default_read_config(device, AT_ID, sizeof(id)) != id) {
		memcpy(config + AT_ID, &old, sizeof(old));
		return false;
	}
	config[AT_CLASS - 1] = 0;
	memcpy(config + AT_CLASS, &class, sizeof(class));
	return true;
}

static void make_gpu(uint8_t *device, unsigned int number)
{
	uint32_t old = pci_default_read_config(device, AT_ID, sizeof(old));
	unsigned int at;

	for (at = 0; at < STATE_ROOM; at += sizeof(void *)) {
		uint8_t *config;
		uint32_t id;

		if (!peek(device + at, &config, sizeof(config)))
			break;
		if (peek(config, &id, sizeof(id)) && id == old &&
		    set_gpu_id(device, config, old))
			return;
	}
	die("gpu%u: its configuration space is not where this emulator should have it", number);
}

static void make_gpus(void)
{
	unsigned int number;

	for (number = 0; ; number++) {
		char path[64];
		void *device;

		snprintf(path, sizeof(path), "/machine/peripheral/gpu%u", number);
		device = object_resolve_path(path, NULL);
		if (!device)
			return;
		make_gpu(device, number);
	}
}

/* Each group of links has 128 GiB for its GPU's RAM, from here downwards. */
#define GPU_RAM_TOP	0x3e000000000ULL
#define GPU_RAM_STEP	0x2000000000ULL
#define GPU_GROUPS	3

static void add_gpu_ram(unsigned int group, const char *folder)
{
	char path[4096], name[32];
	void *region, *memory;
	off_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/ram%u", folder, group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	memory = size > 0 ? mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			  : MAP_FAILED;
	if (memory == MAP_FAILED)
		die("cannot map %s, of %lld bytes", path, (long long)size);
	close(fd);

	region = zeroed(REGION_ROOM);
	snprintf(name, sizeof(name), "npu2-ram%u", group);
	memory_region_init_ram_ptr(region, NULL, name, (uint64_t)size, memory);
	memory_region_add_subregion_overlap(get_system_memory(),
					    GPU_RAM_TOP - group * GPU_RAM_STEP, region, 1);
}

static void machine_is_made(struct notifier *notifier, void *data)
{
	const char *folder = getenv("NPU2_RAM");
	unsigned int group;

	(void)notifier;
	(void)data;
	add_npu();
	make_gpus();
	for (group = 0; folder && group < GPU_GROUPS; group++)
		add_gpu_ram(group, folder);
}

static struct notifier made = { .notify = machine_is_made };

__attribute__((constructor))
static void begin(void)
{
	const char *path = getenv("NPU2_LOG");

	log_file = path ? fopen(path, "w") : NULL;
	if (path && !log_file)
		die("cannot write the log %s", path);
	/* The emulator is killed at the end: what is not written by then is lost. */
	if (log_file)
		setvbuf(log_file, NULL, _IOLBF, 0);
	qemu_add_machine_init_done_notifier(&made);
}
