// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a device's DMA goes. The functions are NVMe controllers behind real
 * tables of translations: one gets the command to identify itself into GPU RAM, and what
 * it wrote is looked up at the physical address.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "nvtest.h"

/* Registers of BAR 0, from the NVMe specification. */
#define NVME_CC		0x14
#define NVME_CSTS	0x1c
#define NVME_AQA	0x24
#define NVME_ASQ	0x28
#define NVME_ACQ	0x30
#define NVME_DOORBELL	0x1000
#define NVME_CC_ON	(1 | 6 << 16 | 4 << 20)	/* entries of 64 and 16 bytes */

#define IDENTIFY	6
#define CONTROLLER	1
#define VENDOR		0x1b36

/* I/O addresses: queues, then GPU RAM. */
#define QUEUE_IOVA	0x100000ULL
#define RAM_IOVA	0x800000ULL
#define COMPLETIONS	4096

struct nvme {
	int fd, container;
	uint64_t registers;	/* file offset of BAR 0 */
	uint8_t *queues;
	uint64_t queue_iova;
};

static uint64_t region_at(int fd, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	CHECK(!ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	return info.offset;
}

static void put32(struct nvme *nvme, unsigned int at, uint32_t value)
{
	CHECK_EQ(pwrite(nvme->fd, &value, 4, nvme->registers + at), 4);
}

static void put64(struct nvme *nvme, unsigned int at, uint64_t value)
{
	put32(nvme, at, value);
	put32(nvme, at + 4, value >> 32);
}

static uint32_t get32(struct nvme *nvme, unsigned int at)
{
	uint32_t value;

	CHECK_EQ(pread(nvme->fd, &value, 4, nvme->registers + at), 4);
	return value;
}

static void wait_ready(struct nvme *nvme, uint32_t ready)
{
	unsigned int tries;

	for (tries = 0; (get32(nvme, NVME_CSTS) & 1) != ready; tries++) {
		CHECKF(tries < 1000, "the controller is not ready: CSTS %#x",
		       get32(nvme, NVME_CSTS));
		usleep(1000);
	}
}

/* Plain memory of this process, for DMA. */
static void *plain_memory(int container, uint64_t iova, size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	CHECK(at != MAP_FAILED);
	memory_register(container, at, len);
	dma_map(container, iova, at, len);
	return at;
}

/* Starts the controller with its admin queues at an I/O address. */
static void nvme_start(struct nvme *nvme, int fd, int container, void *queues,
		       uint64_t iova)
{
	uint64_t config = region_at(fd, VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	*nvme = (struct nvme) {
		.fd = fd, .container = container, .queues = queues,
		.registers = region_at(fd, VFIO_PCI_BAR0_REGION_INDEX),
		.queue_iova = iova,
	};
	CHECK_EQ(pwrite(fd, &command, 2, config + PCI_COMMAND), 2);
	memset(queues, 0, 2 * COMPLETIONS);
	put32(nvme, NVME_CC, 0);
	wait_ready(nvme, 0);
	put32(nvme, NVME_AQA, 3 << 16 | 3);
	put64(nvme, NVME_ASQ, iova);
	put64(nvme, NVME_ACQ, iova + COMPLETIONS);
	put32(nvme, NVME_CC, NVME_CC_ON);
	wait_ready(nvme, 1);
}

/* 4096 bytes about the controller, written by it to an I/O address. */
static void nvme_identify(struct nvme *nvme, uint64_t iova)
{
	volatile uint32_t *completion = (void *)(nvme->queues + COMPLETIONS);
	uint32_t command[16] = { [0] = IDENTIFY, [10] = CONTROLLER };
	unsigned int tries;

	memcpy(&command[6], &iova, sizeof(iova));
	memcpy(nvme->queues, command, sizeof(command));
	put32(nvme, NVME_DOORBELL, 1);
	/* The phase bit turns when the command has ended. */
	for (tries = 0; !(completion[3] & 1 << 16); tries++) {
		CHECKF(tries < 1000, "the controller does not answer: CSTS %#x",
		       get32(nvme, NVME_CSTS));
		usleep(1000);
	}
	CHECKF(!(completion[3] >> 17), "the command failed: %#x",
	       completion[3] >> 17);
}

/* What the controller writes first: vendor, subsystem vendor, serial number. */
static void expect_identity(uint64_t hpa)
{
	CHECKF((phys_read(hpa) & 0xffff) == VENDOR,
	       "at %#llx is %#llx, which no controller wrote",
	       (unsigned long long)hpa, (unsigned long long)phys_read(hpa));
	CHECK_EQ(phys_read(hpa) >> 32 & 0xffff, 's' | '0' << 8);
}

#define PATTERN	0x6e6f6e6520746f75ULL

static int gpu_open(void)
{
	int fd;

	sim_load_default(NULL);
	fd = device_open(slots[0].bdf[0]);
	return fd;
}

/* A mapping that starts inside the window: DMA goes there, not to the start. */
static void offset_mapping_D13(void)
{
	uint64_t pos = 5 * 65536;
	int container, fd = gpu_open();
	size_t page = page_size();
	struct nvme nvme;
	void *ram;

	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, pos, 2 * page);
	phys_write(GPU_BASE, PATTERN);
	phys_write(GPU_BASE + page, PATTERN);
	phys_write(GPU_BASE + pos, PATTERN);
	phys_write(GPU_BASE + pos + page, PATTERN);

	memory_register(container, ram, 2 * page);
	dma_map(container, RAM_IOVA, ram, 2 * page);
	nvme_start(&nvme, fd, container,
		   plain_memory(container, QUEUE_IOVA, 2 * 65536), QUEUE_IOVA);
	nvme_identify(&nvme, RAM_IOVA + page);
	expect_identity(GPU_BASE + pos + page);
	CHECK_EQ(phys_read(GPU_BASE), PATTERN);
	CHECK_EQ(phys_read(GPU_BASE + page), PATTERN);
	CHECK_EQ(phys_read(GPU_BASE + pos), PATTERN);

	dma_unmap(container, RAM_IOVA, 2 * page);
	memory_unregister(container, ram, 2 * page);
}

/* And from there: the controller fetches its commands out of GPU RAM. */
static void out_of_gpu_ram(void)
{
	uint64_t pos = 9 * 65536;
	int container, fd = gpu_open();
	struct nvme nvme;
	void *ram;

	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, pos, 2 * 65536);
	memory_register(container, ram, 2 * 65536);
	dma_map(container, RAM_IOVA, ram, 2 * 65536);
	nvme_start(&nvme, fd, container, ram, RAM_IOVA);
	nvme_identify(&nvme, RAM_IOVA + 65536);
	expect_identity(GPU_BASE + pos + 65536);
	dma_unmap(container, RAM_IOVA, 2 * 65536);
	memory_unregister(container, ram, 2 * 65536);
}

/* After munmap a translation still leads to GPU RAM, and can be taken down. */
static void after_munmap(void)
{
	size_t len = 2 * 65536;
	uint64_t pos = 3 * len;
	int container, fd = gpu_open();
	struct nvme nvme;
	void *ram;

	container = device_container(slots[0].bdf[0]);
	ram = map_region(fd, pos, len);
	memory_register(container, ram, len);
	dma_map(container, RAM_IOVA, ram, len);
	nvme_start(&nvme, fd, container,
		   plain_memory(container, QUEUE_IOVA, len), QUEUE_IOVA);
	phys_write(GPU_BASE + pos + 65536, PATTERN);
	unmap(ram, len);
	nvme_identify(&nvme, RAM_IOVA + 65536);
	expect_identity(GPU_BASE + pos + 65536);
	dma_unmap(container, RAM_IOVA, len);
	memory_unregister(container, ram, len);
}

static void strict_align_refuses_D3(void)
{
	size_t page = page_size();
	int fd = gpu_open();
	void *at;

	write_text(STRICT_ALIGN, "0");
	at = place(GPU_SIZE, GPU_SIZE, page);
	CHECK(map_region_at(fd, at, 0, GPU_SIZE) == at);
	CHECK(!munmap(at, GPU_SIZE));

	write_text(STRICT_ALIGN, "1");
	log_mark();
	CHECK_ERR((long)map_region_at(fd, at, 0, GPU_SIZE), EINVAL);
	CHECK(log_has(slots[0].bdf[0], "strict_align", "0x4000000"));
	/* An odd page of the window has an alignment of one page. */
	CHECK(map_region_at(fd, at, page, page) == at);
	CHECK(!munmap(at, page));
	at = place(GPU_SIZE, GPU_SIZE, 0);
	CHECK(map_region_at(fd, at, 0, GPU_SIZE) == at);
	CHECK(!munmap(at, GPU_SIZE));
	write_text(STRICT_ALIGN, "0");
}

/* What strict_align lets through can be translated by 2 MiB pages. */
static void large_pages_under_strict_align_D3(void)
{
	int container, fd = gpu_open();
	struct nvme nvme;
	uint64_t window;
	void *ram;

	container = device_container(slots[0].bdf[0]);
	nvme_start(&nvme, fd, container,
		   plain_memory(container, QUEUE_IOVA, 2 * 65536), QUEUE_IOVA);
	window = dma_window(container, LARGE);

	write_text(STRICT_ALIGN, "1");
	ram = place(2 * LARGE, LARGE, 0);
	CHECK(map_region_at(fd, ram, LARGE, 2 * LARGE) == ram);
	write_text(STRICT_ALIGN, "0");
	memory_register(container, ram, 2 * LARGE);
	dma_map(container, window, ram, 2 * LARGE);
	phys_write(GPU_BASE + 2 * LARGE + 65536, PATTERN);
	nvme_identify(&nvme, window + LARGE + 65536);
	expect_identity(GPU_BASE + 2 * LARGE + 65536);
	dma_unmap(container, window, 2 * LARGE);
	memory_unregister(container, ram, 2 * LARGE);
	CHECK(!munmap(ram, 2 * LARGE));
}

const struct test dma_tests[] = {
	TEST(dma_into_an, offset_mapping_D13),
	TEST(dma, out_of_gpu_ram),
	TEST(dma_goes_on, after_munmap),
	TEST(map, strict_align_refuses_D3),
	TEST(dma, large_pages_under_strict_align_D3),
	{ NULL, NULL }
};
