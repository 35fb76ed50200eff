// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU 7.2, unmodified, with GPUs and bridges assigned to a pseries machine whose processor is
 * emulated and stopped. What a test does without QEMU's region info kept has `as_it_is` in its
 * name, what needs it `info_kept`.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"
#include "qemu.h"

#define GPU	slots[0].bdf[0]
#define OTHER	slots[1].bdf[0]
#define DEVICE	"anon_inode:[vfio-device]"
#define OFFSET	((uint64_t)REGION << 40)	/* of the region in the device's file */
/* The second GPU's window does not follow the first one's, nor does its target address. */
#define OTHER_BASE	0x88000000ULL
#define OTHER_TGT	0x2468ac000000ULL

static void stopped_machine(void)
{
	qemu_begin("pseries,accel=tcg");
	qemu_add("-S");
	qemu_add("-m");
	qemu_add("256M");
	qemu_add("-gdb");
	qemu_add("unix:/tmp/gdb,server=on,wait=off");
}

/*
 * QEMU as it is gets its devices when its machine is there, and is not reset with them: a reset
 * follows the properties, and may lead anywhere.
 */
static void start_with(enum qemu_info info, void (*assign)(void))
{
	stopped_machine();
	qemu_add("-device");
	qemu_add("spapr-pci-host-bridge,index=1");
	if (info == QEMU_INFO_KEPT)
		assign();
	qemu_start(info);
	if (info == QEMU_AS_IT_IS)
		assign();
}

static void assign_one_gpu(void)
{
	qemu_assign(0, 0, 3);
}

/* One GPU with three bridges of three speeds. */
static void one_gpu(enum qemu_info info)
{
	sim_load_default("speed=8,9,3");
	start_with(info, assign_one_gpu);
}

/* QEMU gives the ATSD registers of one group only to a host bridge. */
static void assign_two_groups(void)
{
	qemu_assign(0, 0, 2);
	qemu_assign(1, 1, 1);
}

/* Two GPUs in two groups, with two bridges and with one. */
static void two_groups(enum qemu_info info)
{
	machine_need(2, 3);
	sim_load("gpu=%s,%s bridge=%s@0,%s@0,%s@1 base=%#llx,%#llx size=%#llx tgt=%#llx,%#llx speed=8,8,9 atsd_base=%#llx",
		 GPU, OTHER, slots[0].bdf[1], slots[0].bdf[2], slots[1].bdf[1], GPU_BASE,
		 OTHER_BASE, GPU_SIZE, GPU_TGT, OTHER_TGT, ATSD_BASE);
	start_with(info, assign_two_groups);
}

static void must_say_gpu(const char *bdf, uint64_t tgt)
{
	CHECK_EQ(qemu_log_count("vfio_pci_nvidia_gpu_setup_quirk %s tgt=%#llx size=%#llx", bdf,
			   (unsigned long long)tgt, GPU_SIZE), 1);
}

static void must_say_bridge(const char *bdf, uint64_t tgt, unsigned int speed)
{
	CHECK_EQ(qemu_log_count("vfio_pci_nvlink2_setup_quirk_ssatgt %s tgt=%#llx size=%#llx", bdf,
			   (unsigned long long)tgt, ATSD_SIZE), 1);
	CHECK_EQ(qemu_log_count("vfio_pci_nvlink2_setup_quirk_lnkspd %s link_speed=%#x", bdf, speed),
		 1);
}

static void must_say_one_gpu(void)
{
	must_say_gpu(GPU, GPU_TGT);
	must_say_bridge(slots[0].bdf[1], GPU_TGT, 8);
	must_say_bridge(slots[0].bdf[2], GPU_TGT, 9);
	must_say_bridge(slots[0].bdf[3], GPU_TGT, 3);
}

/* How often a range of a device is mapped in QEMU's address space. */
static unsigned int mappings(uint64_t offset, uint64_t size)
{
	char path[64], *line, *save = NULL;
	unsigned long start, end;
	unsigned long long at;
	unsigned int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", qemu_pid());
	for (line = strtok_r(read_text(path), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		count += strstr(line, "vfio-device") &&
			 sscanf(line, "%lx-%lx %*s %llx", &start, &end, &at) == 3 &&
			 at == offset && end - start == size;
	return count;
}

static unsigned int descriptors(const char *what)
{
	char path[300], link[64];
	struct dirent *entry;
	unsigned int count = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", qemu_pid());
	dir = opendir(path);
	CHECKF(dir, "%s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", qemu_pid(), entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		link[len > 0 ? len : 0] = 0;
		count += !strcmp(link, what);
	}
	closedir(dir);
	return count;
}

/* How often all of a GPU's RAM was registered for DMA, or unregistered. */
static unsigned int registered(const char *verb)
{
	char start[64], size[64];

	snprintf(start, sizeof(start), "vfio_prereg_%s va=", verb);
	snprintf(size, sizeof(size), " size=%#llx ret=0", GPU_SIZE);
	return qemu_lines(start, size);
}

/* QEMU has gone: nothing is registered, open or bound any more, and nobody uses the modules. */
static void nothing_is_left(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		device_open(slots[0].bdf[i]);
	device_open(OTHER);
	devices_close();
	driver_unload();
}

/* With the devices on the command line, as people start it. */
static void starts_with_gpu_and_bridges(void)
{
	sim_load_default("speed=8,9,3");
	stopped_machine();
	assign_one_gpu();
	if (!qemu_try_start(QEMU_AS_IT_IS))
		note("QEMU 7.2 ended by itself at the reset of its machine: it uses freed memory");
	must_say_one_gpu();
}

static void reads_gpu_and_bridges(void)
{
	one_gpu(QEMU_AS_IT_IS);
	must_say_one_gpu();
	CHECK_EQ(mappings(OFFSET, GPU_SIZE), 1);
	CHECK_EQ(mappings(OFFSET, ATSD_SIZE), 3);
}

static void ends_and_starts_again(void)
{
	one_gpu(QEMU_AS_IT_IS);
	qemu_quit();
	nothing_is_left();

	one_gpu(QEMU_AS_IT_IS);
	must_say_one_gpu();
	qemu_kill();
	nothing_is_left();

	one_gpu(QEMU_AS_IT_IS);
	must_say_one_gpu();
}

static void reads_two_groups(void)
{
	two_groups(QEMU_AS_IT_IS);
	must_say_gpu(GPU, GPU_TGT);
	must_say_bridge(slots[0].bdf[1], GPU_TGT, 8);
	must_say_bridge(slots[0].bdf[2], GPU_TGT, 8);
	must_say_gpu(OTHER, OTHER_TGT);
	must_say_bridge(slots[1].bdf[1], OTHER_TGT, 9);
}

/* All of GPU RAM as one range, which only a driver that has registered it makes possible. */
static void registers_gpu_ram(void)
{
	one_gpu(QEMU_INFO_KEPT);
	must_say_one_gpu();
	CHECK_EQ(registered("register"), 1);
	CHECK_EQ(registered("unregister"), 0);
	qemu_quit();
	nothing_is_left();
}

/* The guest's physical memory at @gpa is the host's at @hpa, both ways, from end to end. */
static void same_memory(uint64_t gpa, uint64_t hpa, uint64_t size)
{
	const uint64_t places[] = { 0, 8, size / 2, size - 8 };
	uint64_t value = gpa ^ 0x5a5a123400000000ULL;
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(places); i++) {
		value += 0x1111;
		gpa_store(gpa + places[i], value);
		CHECK_EQ(phys_read(hpa + places[i]), value);
		value += 0x1111;
		phys_write(hpa + places[i], value);
		CHECK_EQ(gpa_load(gpa + places[i]), value);
	}
}

static void shows_gpu_ram_to_the_guest(void)
{
	const char *tree;

	one_gpu(QEMU_INFO_KEPT);
	tree = hmp("info mtree -f");
	CHECKF(strstr(tree, "0000400000000000-0000400003ffffff (prio 0, ram): nvlink2-mr"), "%s",
	       tree);
	CHECKF(strstr(tree, "0000800000000000-000080000000ffff (prio 0, ramd): nvlink2-atsd-mr"),
	       "%s", tree);
	same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
	same_memory(QEMU_ATSD(0), ATSD_BASE, ATSD_SIZE);
	same_memory(QEMU_ATSD(0) + ATSD_SIZE, ATSD_BASE + ATSD_SIZE, ATSD_SIZE);
}

/* Beyond the window is nothing, for the guest; in the host it is another GPU's. */
static void stays_in_the_window(void)
{
	one_gpu(QEMU_INFO_KEPT);
	phys_write(GPU_BASE + GPU_SIZE, 0xfeed);
	CHECK(strstr(hmp("xp /1gx 0x400004000000"), "Cannot access memory"));
}

/* The devices are reset, GPU RAM is registered anew each time, and none of it adds up. */
static void resets_leave_nothing_behind(void)
{
	unsigned int i;

	one_gpu(QEMU_INFO_KEPT);
	CHECK_EQ(registered("register"), 1);
	for (i = 1; i <= 3; i++) {
		gpa_store(QEMU_GPU_RAM(0), i);
		qemu_reset();
		CHECK_EQ(registered("register"), 1 + i);
		CHECK_EQ(registered("unregister"), i);
		CHECK_EQ(mappings(OFFSET, GPU_SIZE), 1);
		CHECK_EQ(mappings(OFFSET, ATSD_SIZE), 3);
		CHECK_EQ(descriptors(DEVICE), 4);
		CHECK_EQ(descriptors("/dev/vfio/vfio"), 1);
		/* What the mapping lost in the reset comes back with the next touch. */
		CHECK_EQ(phys_read(GPU_BASE), i);
		same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
	}
	qemu_quit();
	nothing_is_left();
}

/* A rule of QEMU's own; what was asked of it changes nothing. */
static void refuses_to_unplug(void)
{
	const char *answer;

	one_gpu(QEMU_INFO_KEPT);
	answer = hmp("device_del gpu0");
	CHECKF(strstr(answer, "Cannot unplug NVLink2 devices"), "%s", answer);
	answer = hmp("device_del npu0-1");
	CHECKF(strstr(answer, "Cannot unplug NVLink2 devices"), "%s", answer);
	qemu_reset();
	same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
	CHECK_EQ(descriptors(DEVICE), 4);
	qemu_quit();
	nothing_is_left();
}

/*
 * Of a function it does not know for a GPU, as its vendor is another one, QEMU maps nothing but
 * the BAR, and unplugs it: at the next reset, as its guest is not there to agree.
 */
static void unplugs_a_plain_function(void)
{
	unsigned int left;

	sim_load_default(NULL);
	stopped_machine();
	qemu_add("-device");
	qemu_add("vfio-pci,host=%s,id=plain", GPU);
	qemu_start(QEMU_AS_IT_IS);
	CHECK_EQ(mappings(OFFSET, GPU_SIZE), 0);
	CHECK_EQ(descriptors(DEVICE), 1);
	qmp("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"plain\"}}");
	qemu_reset();
	CHECK(!strstr(hmp("info pci"), "id \"plain\""));
	/* Memory regions go later, in a thread of QEMU's own, and with them the device. */
	for (left = 1000; left && descriptors(DEVICE); left--)
		usleep(10000);
	CHECKF(left, "QEMU has unplugged the GPU and still has it open");
	qemu_quit();
	nothing_is_left();
}

/* Unbinding a GPU in the host waits for QEMU, which gets the request and goes on using it. */
static void unbinding_waits_for_qemu(void)
{
	char driver[128];
	unsigned int left;
	pid_t child;
	int status;

	one_gpu(QEMU_INFO_KEPT);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		snprintf(driver, sizeof(driver), "/sys/bus/pci/drivers/%s/unbind",
			 driver_name());
		write_text(driver, GPU);
		_exit(0);
	}
	for (left = 3000; left && !qemu_lines(GPU, "Cannot unplug NVLink2 devices"); left--)
		usleep(10000);
	CHECKF(left, "QEMU was not asked to let go of the GPU");
	CHECK_EQ(waitpid(child, &status, WNOHANG), 0);
	same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
	qemu_quit();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "unbinding ended with status %#x", status);
	snprintf(driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver", GPU);
	CHECK(access(driver, F_OK));
	driver_unload();
}

static void shows_two_groups_to_the_guest(void)
{
	two_groups(QEMU_INFO_KEPT);
	/* Each group has a container of its own, and either can reach both GPUs. */
	CHECK_EQ(registered("register"), 4);
	same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
	same_memory(QEMU_GPU_RAM(1), OTHER_BASE, GPU_SIZE);
	same_memory(QEMU_ATSD(0) + ATSD_SIZE, ATSD_BASE + ATSD_SIZE, ATSD_SIZE);
	same_memory(QEMU_ATSD(1), ATSD_BASE + 8 * ATSD_SIZE, ATSD_SIZE);
	qemu_reset();
	CHECK_EQ(registered("register"), 8);
	CHECK_EQ(registered("unregister"), 4);
	same_memory(QEMU_GPU_RAM(1), OTHER_BASE, GPU_SIZE);
	qemu_quit();
	nothing_is_left();
}

static void starts_again(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		one_gpu(QEMU_INFO_KEPT);
		CHECK_EQ(registered("register"), 1);
		same_memory(QEMU_GPU_RAM(0), GPU_BASE, GPU_SIZE);
		if (i)
			qemu_kill();
		else
			qemu_quit();
	}
	nothing_is_left();
}

const struct test qemu_tests[] = {
	TEST(qemu_as_it_is, starts_with_gpu_and_bridges),
	TEST(qemu_as_it_is, reads_gpu_and_bridges),
	TEST(qemu_as_it_is, ends_and_starts_again),
	TEST(qemu_as_it_is, reads_two_groups),
	TEST(qemu_as_it_is, unplugs_a_plain_function),
	TEST(qemu_info_kept, registers_gpu_ram),
	TEST(qemu_info_kept, shows_gpu_ram_to_the_guest),
	TEST(qemu_info_kept, stays_in_the_window),
	TEST(qemu_info_kept, resets_leave_nothing_behind),
	TEST(qemu_info_kept, refuses_to_unplug),
	TEST(qemu_info_kept, unbinding_waits_for_qemu),
	TEST(qemu_info_kept, shows_two_groups_to_the_guest),
	TEST(qemu_info_kept, starts_again),
	{ NULL, NULL }
};
