// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of resets and of everything else that blocks GPU RAM begin with
 * and ask for.
 */

#include "nvtest.h"
#include "two_gpus.h"

const char *gpu, *bridge, *other;	/* functions */
int fd, other_fd;
volatile uint64_t *ram, *other_ram;
size_t page;

/* Two GPUs in two slots, both open and mapped. */
void two_gpus(void)
{
	machine_need(2, 4);
	sim_load("gpu=%s,%s bridge=%s@0,%s@0,%s@0,%s@1 base=%#llx,%#llx size=%#llx,%#llx",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[0].bdf[2], slots[0].bdf[3], slots[1].bdf[1],
		 GPU_BASE, GPU_BASE + GPU_SIZE, GPU_SIZE, GPU_SIZE);
	gpu = slots[0].bdf[0];
	bridge = slots[0].bdf[1];
	other = slots[1].bdf[0];
	page = page_size();
	fd = device_open(gpu);
	other_fd = device_open(other);
	ram = map_region(fd, 0, GPU_SIZE);
	other_ram = map_region(other_fd, 0, GPU_SIZE);
}

volatile uint64_t *word(volatile uint64_t *at, unsigned int nr)
{
	return at + nr * BLOCK / 8;
}

/* A word that must be there. */
uint64_t get(volatile uint64_t *at)
{
	uint64_t value;

	CHECKF(load_word(at, &value), "a touch got SIGBUS");
	return value;
}

void put(volatile uint64_t *at, uint64_t value)
{
	get(at);
	*at = value;
}

/* Nobody gets at the GPU's RAM, in whatever way. */
void check_blocked(int gpu_fd, volatile uint64_t *at)
{
	uint64_t value;

	CHECK(!load_word(word(at, MINE), &value));
	CHECK_ERR(region_read(gpu_fd, &value, 8, 0), EIO);
	value = 0xbad;
	CHECK_ERR(region_write(gpu_fd, &value, 8, 0), EIO);
}

void check_open(int gpu_fd, volatile uint64_t *at)
{
	uint64_t value;

	CHECK(load_word(word(at, MINE), &value));
	CHECK_EQ(region_write(gpu_fd, &value, 8, 0), 8);
	CHECK_EQ(region_read(gpu_fd, &value, 8, 0), 8);
}
