// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU RAM that is still registered for DMA when its owner has closed the GPU:
 * nobody opens it until that is over (D5), and nothing warns (D6).
 */

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nvtest.h"

#define RAM_IOVA	0x800000ULL

static const char *gpu;

static void gpu_load(void)
{
	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
}

static int gpu_open(void)
{
	gpu_load();
	return device_open(gpu);
}

static void expect_quarantine(void)
{
	unsigned int i, lines, matches;

	log_mark();
	for (i = 0; i < 5; i++)
		CHECK_ERR(device_try_open(gpu), EBUSY);
	lines = log_count("still registered for DMA", gpu, "earlier owner",
			  &matches);
	CHECK_EQ(lines, 1);
	CHECK_EQ(matches, 1);
	/* Bridges have no RAM. */
	device_close(device_open(slots[0].bdf[1]));
}

static void expect_open(void)
{
	volatile uint64_t *ram;
	int fd = device_open(gpu);

	ram = map_region(fd, 0, GPU_SIZE);
	ram[1] = 0x51;
	CHECK_EQ(phys_read(GPU_BASE + 8), 0x51);
	unmap((void *)ram, GPU_SIZE);
	device_close(fd);
}

/*
 * The same when the owner has ended and the kernel has lost a reference. Whoever
 * still looks at the address space, as khugepaged does that has just come to it,
 * delays the end.
 */
static void expect_open_soon(void)
{
	unsigned int tries;
	int fd = -1;

	for (tries = 0; fd < 0 && tries < 600; tries++) {
		fd = device_try_open(gpu);
		if (fd < 0) {
			CHECK_EQ(errno, EBUSY);
			usleep(100000);
		}
	}
	CHECKF(fd >= 0, "still in quarantine a minute after its owner's end");
	if (tries > 1)
		note("open after %u tries", tries);
	device_close(fd);
	expect_open();
}

static void until_unregistered_D5(void)
{
	int container, fd = gpu_open();
	void *ram;

	container = device_container(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	memory_register(container, ram, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	device_close(fd);
	expect_quarantine();
	memory_unregister(container, ram, GPU_SIZE);
	expect_open();
}

/* A part of the window is enough. */
static void of_a_part_D5(void)
{
	int container, fd = gpu_open();
	size_t page = page_size();
	void *ram;

	container = device_container(gpu);
	ram = map_region(fd, 7 * page, 2 * page);
	memory_register(container, ram, 2 * page);
	unmap(ram, 2 * page);
	device_close(fd);
	expect_quarantine();
	memory_unregister(container, ram, 2 * page);
	expect_open();
}

/* The first registration is what lets a container map for DMA at all. */
static void *enable_dma(int container)
{
	void *plain = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	CHECK(plain != MAP_FAILED);
	memory_register(container, plain, page_size());
	return plain;
}

/* Translations point into it: they have to go first. */
static void until_not_translated_D6(void)
{
	int container, fd = gpu_open();
	size_t page = 65536;
	void *ram, *plain;

	container = device_container(gpu);
	plain = enable_dma(container);
	ram = map_region(fd, 0, 4 * page);
	dma_map(container, RAM_IOVA, ram, 4 * page);
	unmap(ram, 4 * page);
	device_close(fd);
	expect_quarantine();
	dma_unmap(container, RAM_IOVA, 4 * page);
	expect_open();
	memory_unregister(container, plain, page_size());
	CHECK(!munmap(plain, page_size()));
}

static void leave_it_registered(void)
{
	int fd = device_open(gpu);
	void *ram = map_region(fd, 0, GPU_SIZE);

	memory_register(device_container(gpu), ram, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	device_close(fd);
	expect_quarantine();
}

static void until_its_process_is_gone_D5(void)
{
	gpu_load();
	in_child_killed(leave_it_registered);
	expect_open();
}

/*
 * Once it is unregistered, what else its process registers there keeps nobody
 * out; not either when the kernel's record of it comes to lie where that of the
 * GPU RAM was.
 */
static void ignores_other_memory_D5(void)
{
	size_t len = 4 * page_size();
	unsigned int i;

	for (i = 0; i < 10; i++) {
		int container, fd = gpu_open();
		void *ram;

		container = device_container(gpu);
		ram = map_region(fd, 0, len);
		memory_register(container, ram, len);
		unmap(ram, len);
		device_close(fd);
		CHECK_ERR(device_try_open(gpu), EBUSY);
		memory_unregister(container, ram, len);
		/* The record is freed after a grace period. */
		usleep(50000);
		CHECK(mmap(ram, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE,
			   -1, 0) == ram);
		memory_register(container, ram, len);
		expect_open();
		memory_unregister(container, ram, len);
		CHECK(!munmap(ram, len));
	}
}

static void map_register_and_translate(void)
{
	int fd = device_open(gpu), container = device_container(gpu);
	void *ram = map_region(fd, 0, GPU_SIZE);

	memory_register(container, ram, GPU_SIZE);
	dma_map(container, RAM_IOVA, ram, GPU_SIZE);
}

/* A VMM that is killed. */
static void killed_owner_leaves_nothing_D5(void)
{
	gpu_load();
	in_child_killed(map_register_and_translate);
	expect_open();
}

static void unregister_while_translated(void)
{
	int fd = device_open(gpu), container = device_container(gpu);
	void *ram = map_region(fd, 0, GPU_SIZE);

	memory_register(container, ram, GPU_SIZE);
	dma_map(container, RAM_IOVA, ram, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	memory_unregister(container, ram, GPU_SIZE);
	device_close(fd);
	expect_quarantine();
	dma_unmap(container, RAM_IOVA, GPU_SIZE);
	CHECK_ERR(device_try_open(gpu), EBUSY);
}

/*
 * Unregistered while translations point into it: the kernel loses a reference
 * over that. The quarantine ends with the process all the same.
 */
static void unregistered_while_translated_D5(void)
{
	gpu_load();
	in_child(unregister_while_translated);
	expect_open_soon();
}

static void leave_two_at_the_same_place(void)
{
	int fd = device_open(gpu), container = device_container(gpu);
	size_t len = 4 * 65536;
	void *ram = map_region(fd, 0, len);

	memory_register(container, ram, len);
	unmap(ram, len);
	memory_unregister(container, ram, len);

	CHECK(mmap(ram, len, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		   region_offset(fd)) == ram);
	dma_map(container, RAM_IOVA, ram, len);
	CHECK(!munmap(ram, len));
	device_close(fd);
	expect_quarantine();
}

/*
 * Two mappings at the same place, one after the other: the first one was given
 * back and unregistered, the second one could not be, as it was translated when
 * it went. What is left of the first one must not end what the second one has.
 */
static void twice_at_the_same_place_D5(void)
{
	gpu_load();
	in_child(leave_two_at_the_same_place);
	expect_open_soon();
}

/* What management tools do between two owners does not lift it. */
static void outlives_unbinding_D5(void)
{
	int container, fd = gpu_open();
	char path[128];
	void *ram;

	container = device_container(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	memory_register(container, ram, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	device_close(fd);

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 gpu);
	write_text(path, gpu);
	write_text("/sys/bus/pci/drivers_probe", gpu);
	expect_quarantine();
	memory_unregister(container, ram, GPU_SIZE);
	expect_open();
}

/* Gives all functions of a slot to a driver, or to none. */
static void slot_to(const struct slot *slot, const char *driver)
{
	char path[128];
	unsigned int i;

	for (i = 0; i < slot->functions; i++) {
		snprintf(path, sizeof(path),
			 "/sys/bus/pci/devices/%s/driver/unbind", slot->bdf[i]);
		write_text(path, slot->bdf[i]);
		if (!driver)
			continue;
		snprintf(path, sizeof(path),
			 "/sys/bus/pci/devices/%s/driver_override",
			 slot->bdf[i]);
		write_text(path, driver);
		write_text("/sys/bus/pci/drivers_probe", slot->bdf[i]);
	}
}

/*
 * Unloading the driver ends it, with a warning. The container is one of another
 * group, whose driver stays: otherwise it would go with the driver.
 */
static void ends_with_the_module(void)
{
	int container, fd;
	void *ram;

	machine_need(2, 1);
	driver_load();
	slot_to(&slots[1], "vfio-pci");
	container = device_container(slots[1].bdf[0]);
	fd = gpu_open();
	ram = map_region(fd, 0, GPU_SIZE);
	memory_register(container, ram, GPU_SIZE);
	unmap(ram, GPU_SIZE);
	device_close(fd);
	CHECK_ERR(device_try_open(gpu), EBUSY);
	log_mark();
	driver_unload();
	CHECK(log_has("nvlink2-vfio-pci", "unloaded", "still registered for DMA"));
	memory_unregister(container, ram, GPU_SIZE);
	devices_close();
	slot_to(&slots[1], NULL);
	sim_load_default(NULL);
	expect_open();
}

static void unload_with_translations(void)
{
	int container = device_container(slots[1].bdf[0]);
	int fd = device_open(gpu);
	size_t len = 4 * 65536;
	void *ram;

	enable_dma(container);
	ram = map_region(fd, 0, len);
	dma_map(container, RAM_IOVA, ram, len);
	unmap(ram, len);
	device_close(fd);
	CHECK_ERR(device_try_open(gpu), EBUSY);
	driver_unload();
	dma_unmap(container, RAM_IOVA, len);
}

/*
 * The same while translations point into it, so that the driver cannot give its
 * registration back. It is nobody's then: that is for a process that ends.
 */
static void unload_while_translated_D6(void)
{
	machine_need(2, 1);
	driver_load();
	slot_to(&slots[1], "vfio-pci");
	gpu_load();
	in_child(unload_with_translations);
	CHECK(!module_loaded("nvlink2-vfio-pci"));
	slot_to(&slots[1], NULL);
	sim_load_default(NULL);
	expect_open_soon();
}

const struct test quarantine_tests[] = {
	TEST(quarantine, until_unregistered_D5),
	TEST(quarantine, of_a_part_D5),
	TEST(quarantine, until_not_translated_D6),
	TEST(quarantine, until_its_process_is_gone_D5),
	TEST(quarantine, ignores_other_memory_D5),
	TEST(quarantine, killed_owner_leaves_nothing_D5),
	TEST(quarantine, unregistered_while_translated_D5),
	TEST(quarantine, twice_at_the_same_place_D5),
	TEST(quarantine, outlives_unbinding_D5),
	{ NULL, NULL }
};

const struct test quarantine_unload_tests[] = {
	TEST(quarantine, ends_with_the_module),
	TEST(quarantine, unload_while_translated_D6),
	{ NULL, NULL }
};
