// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's platform code for the NPU2 (kernel/powernv), on a machine whose firmware has made
 * one. Whose page tables serve a GPU is read from the NPU2's own tables, as firmware has filled
 * them in: the registers are real to it, and store what it writes.
 */

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "npu2.h"
#include "nvtest.h"

#define DEVICES		"/sys/bus/pci/devices/"
#define FAIL		"/sys/kernel/debug/fail_function/"

/* Places of the NPU2's registers, which MMIO reaches as SCOM does. */
#define RING		0x0006030200000000ULL
#define ATSD_LPARID(n)	(RING + 0x710100 + (n) * 8)
#define BDF_MAP(n)	(RING + 0x714000 + (n) * 8)
#define PID_MAP(n)	(RING + 0x718000 + (n) * 0x20)
#define ENTRIES		16

#define BDF_VALID	(1ULL << 63)
#define BDF_OF(map)	((map) >> 32 & 0xffff)
#define LPID_OF(map)	((map) & 0xfff)
/* The rights of a context: those of the host have HV. */
#define PID_NONE	0ULL
#define PID_HOST	0xe000005a00000000ULL
#define PID_GUEST	0xe000004a00000000ULL
#define PID_RIGHTS	0xffffffff00000000ULL
#define ATSD_HV		0x1000ULL

enum { NOBODY, HOST, VM };

static const char * const owners[] = { "nobody", "the host", "a VM" };

static uint64_t ring(uint64_t at)
{
	return be64toh(phys_read(at));
}

/* Firmware's entry for a GPU. */
static unsigned int entry_of(const char *bdf)
{
	unsigned int bus, device, function, i;

	CHECK_EQ(sscanf(bdf, "%*x:%x:%x.%x", &bus, &device, &function), 3);
	for (i = 0; i < ENTRIES; i++)
		if (BDF_OF(ring(BDF_MAP(i))) == (bus << 8 | device << 3 | function))
			return i;
	fail_at(__FILE__, __LINE__, "firmware has no entry for %s", bdf);
}

/* The first of a GPU's links, by its number on the NPU2: they are numbered as the functions are. */
static unsigned int first_link(const struct slot *slot)
{
	unsigned int i, k, before = 0;

	for (i = 0; i < nr_slots; i++)
		for (k = 1; k < slots[i].functions; k++)
			before += strcmp(slots[i].bdf[k], slot->bdf[1]) < 0;
	return before;
}

/* Whose page tables serve a GPU; of a VM, its partition. All three tables have to agree. */
static int owner_of(const struct slot *slot, uint64_t *lpid)
{
	unsigned int entry = entry_of(slot->bdf[0]);
	uint64_t map = ring(BDF_MAP(entry)), atsd = ring(ATSD_LPARID(first_link(slot)));
	uint64_t rights = ring(PID_MAP(entry)) & PID_RIGHTS;

	*lpid = LPID_OF(map);
	if (!(map & BDF_VALID) && rights == PID_NONE && !*lpid && atsd == ATSD_HV)
		return NOBODY;
	if (map & BDF_VALID && rights == PID_HOST && !*lpid && atsd == ATSD_HV)
		return HOST;
	if (map & BDF_VALID && rights == PID_GUEST && *lpid && atsd == *lpid)
		return VM;
	fail_at(__FILE__, __LINE__,
		"%s is between two owners: BDF_MAP %#llx, PID_MAP %#llx, ATSD_LPARID %#llx",
		slot->bdf[0], (unsigned long long)map, (unsigned long long)rights,
		(unsigned long long)atsd);
}

static void owner_is(const struct slot *slot, int want)
{
	uint64_t lpid;
	int owner = owner_of(slot, &lpid);

	CHECKF(owner == want, "%s serves %s (partition %llu), not %s", slot->bdf[0], owners[owner],
	       (unsigned long long)lpid, owners[want]);
}

static void all_are(int want)
{
	unsigned int i;

	for (i = 0; i < nr_slots; i++)
		owner_is(&slots[i], want);
}

static void find_and_be_the_hosts(void)
{
	npu2_find();
	all_are(HOST);
}

/* The number of a function's IOMMU group. */
static int group_of(const char *bdf)
{
	char path[128], link[300];
	ssize_t len;

	snprintf(path, sizeof(path), DEVICES "%s/iommu_group", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	CHECKF(len > 0, "%s has no IOMMU group", bdf);
	link[len] = 0;
	CHECK(strrchr(link, '/'));
	return atoi(strrchr(link, '/') + 1);
}

static unsigned int members(const char *bdf)
{
	struct dirent *entry;
	unsigned int count = 0;
	char path[300];
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "%s/iommu_group/devices", bdf);
	dir = opendir(path);
	CHECKF(dir, "%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void one_group_of_all(void)
{
	unsigned int i, k, all = 0;

	npu2_find();
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++, all++)
			CHECK_EQ(group_of(slots[i].bdf[k]), group_of(slots[0].bdf[0]));
	CHECK(all > nr_slots);
	CHECK_EQ(members(slots[0].bdf[0]), all);
}

/* What nvlink2-info says of all functions that VFIO has. */
static const char *info(void)
{
	static char said[16384];
	size_t len = 0;
	int ends[2], status;
	ssize_t part;
	pid_t child;

	CHECK(!pipe(ends));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/nvlink2-info", "nvlink2-info", NULL);
		_exit(127);
	}
	close(ends[1]);
	while ((part = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += part;
	said[len] = 0;
	close(ends[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "nvlink2-info ended with status %#x, and said '%s'", status, said);
	return said;
}

static void must_say(const char *said, const char *fmt, ...)
{
	char want[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(want, sizeof(want), fmt, args);
	va_end(args);
	CHECKF(strstr(said, want), "nvlink2-info does not say '%s' but '%s'", want, said);
}

/* Each GPU with its RAM and its bridges, in one line with the speed that firmware gives. */
static void info_shows_what_firmware_says(void)
{
	const char *said;
	unsigned int i, k;
	uint32_t tgt[2];

	npu2_find();
	said = info();
	for (i = 0; i < nr_slots; i++) {
		must_say(said, "%s", slots[i].bdf[0]);
		CHECK_EQ(npu2_cells(slots[i].bdf[1], "ibm,device-tgt-addr", tgt, 2), 2);
		must_say(said, "%#llx", (unsigned long long)tgt[0] << 32 | tgt[1]);
		must_say(said, "    bridges   %s (", slots[i].bdf[1]);
		for (k = 2; k < slots[i].functions; k++)
			must_say(said, "), %s (", slots[i].bdf[k]);
	}
	must_say(said, "128 GiB");
	CHECK(!strstr(said, "none here"));
}

/* A VM has the GPU it opens; of the others of its group, nobody's page tables are used. */
static void vm_has_gpu_until_close(void)
{
	uint64_t lpid, other;
	unsigned int i;
	int fd;

	find_and_be_the_hosts();
	vm_with(slots[0].bdf[0]);
	all_are(NOBODY);
	fd = device_open(slots[0].bdf[0]);
	CHECK_EQ(owner_of(&slots[0], &lpid), VM);
	for (i = 1; i < nr_slots; i++)
		owner_is(&slots[i], NOBODY);
	for (i = 1; i < nr_slots; i++) {
		device_open(slots[i].bdf[0]);
		CHECK_EQ(owner_of(&slots[i], &other), VM);
		CHECK_EQ(other, lpid);
	}
	device_close(fd);
	owner_is(&slots[0], NOBODY);
	for (i = 1; i < nr_slots; i++)
		owner_is(&slots[i], VM);
	kept_close();
	devices_close();
	all_are(HOST);
}

/* What firmware has no call for: if this fails, it has learned it, and docs/ac922.md is to say so. */
static void firmware_binds_atsd_of_first_link_alone(void)
{
	unsigned int link, first;
	uint64_t lpid;

	find_and_be_the_hosts();
	first = first_link(&slots[0]);
	vm_with(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	CHECK_EQ(owner_of(&slots[0], &lpid), VM);
	CHECK_EQ(ring(ATSD_LPARID(first)), lpid);
	for (link = first + 1; link < first + slots[0].functions - 1; link++)
		CHECK_EQ(ring(ATSD_LPARID(link)), 0);
}

static void owner_without_vm_has_no_translation(void)
{
	find_and_be_the_hosts();
	device_open(slots[0].bdf[0]);
	all_are(NOBODY);
	devices_close();
	all_are(HOST);
}

static void be_a_vm_with_all(void)
{
	unsigned int i, k;

	vm_with(slots[0].bdf[0]);
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++)
			device_open(slots[i].bdf[k]);
	all_are(VM);
}

static void vm_killed(void)
{
	find_and_be_the_hosts();
	in_child_killed(be_a_vm_with_all);
	all_are(HOST);
}

static void bind_or_unbind(const char *bdf, const char *verb)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver_name(), verb);
	write_text(path, bdf);
}

/* Functions one by one, then the module; and a VM after that. */
static void driver_unbound_and_unloaded(void)
{
	unsigned int i, k;

	find_and_be_the_hosts();
	in_child(be_a_vm_with_all);
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++)
			bind_or_unbind(slots[i].bdf[k], "unbind");
	all_are(HOST);
	driver_unload();
	all_are(HOST);
	npu2_find();
	in_child(be_a_vm_with_all);
	all_are(HOST);
}

static void remove_function(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/remove", bdf);
	write_text(path, "1");
}

/* What is found again takes its place in the group, and its driver. */
static void find_again(unsigned int slot, unsigned int first, unsigned int end)
{
	int group = group_of(slots[slot].bdf[first ? 0 : 1]);
	char path[128];
	unsigned int k;

	write_text("/sys/bus/pci/rescan", "1");
	for (k = first; k < end; k++) {
		CHECK_EQ(group_of(slots[slot].bdf[k]), group);
		snprintf(path, sizeof(path), DEVICES "%s/driver_override", slots[slot].bdf[k]);
		write_text(path, driver_name());
		write_text("/sys/bus/pci/drivers_probe", slots[slot].bdf[k]);
	}
	all_are(HOST);
	in_child(be_a_vm_with_all);
	all_are(HOST);
}

static void gpu_removed_and_found_again(void)
{
	unsigned int i, last, all;

	find_and_be_the_hosts();
	last = nr_slots - 1;
	all = members(slots[last].bdf[1]);
	remove_function(slots[last].bdf[0]);
	CHECK_EQ(members(slots[last].bdf[1]), all - 1);
	owner_is(&slots[last], NOBODY);
	for (i = 0; i < last; i++)
		owner_is(&slots[i], HOST);
	find_again(last, 0, 1);
}

static void bridges_removed_and_found_again(void)
{
	unsigned int k, all;

	find_and_be_the_hosts();
	all = members(slots[0].bdf[0]);
	/* The first one stands for the others; it goes first. */
	remove_function(slots[0].bdf[1]);
	CHECK_EQ(members(slots[0].bdf[0]), all - 1);
	all_are(HOST);
	for (k = 2; k < slots[0].functions; k++)
		remove_function(slots[0].bdf[k]);
	owner_is(&slots[0], NOBODY);
	find_again(0, 1, slots[0].functions);
}

/* What is removed while others of the group are a VM's, comes back as the VM's group. */
static void bridge_found_while_in_use(void)
{
	unsigned int k;

	find_and_be_the_hosts();
	k = slots[0].functions - 1;
	vm_with(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	remove_function(slots[0].bdf[k]);
	owner_is(&slots[0], VM);
	write_text("/sys/bus/pci/rescan", "1");
	CHECK_EQ(group_of(slots[0].bdf[k]), group_of(slots[0].bdf[0]));
	owner_is(&slots[0], VM);
	kept_close();
	devices_close();
	find_again(0, k, k + 1);
}

/*
 * A GPU goes and comes while another one of its group is in use: windows are open, which it must
 * not keep when it goes, and gets when it comes.
 */
static void gpu_removed_while_another_is_in_use(void)
{
	static uint64_t page[0x10000 / 8] __attribute__((aligned(0x10000)));
	unsigned int last;
	uint64_t iova;
	int container;

	find_and_be_the_hosts();
	last = nr_slots - 1;
	CHECKF(last, "this board has one GPU");
	container = device_container(slots[0].bdf[0]);
	device_open(slots[0].bdf[0]);
	memory_register(container, page, sizeof(page));
	iova = dma_window(container, sizeof(page));
	dma_map(container, iova, page, sizeof(page));
	remove_function(slots[last].bdf[0]);
	dma_unmap(container, iova, sizeof(page));
	dma_map(container, iova, page, sizeof(page));
	write_text("/sys/bus/pci/rescan", "1");
	CHECK_EQ(group_of(slots[last].bdf[0]), group_of(slots[0].bdf[0]));
	owner_is(&slots[last], NOBODY);
	dma_unmap(container, iova, sizeof(page));
	memory_unregister(container, page, sizeof(page));
	devices_close();
	find_again(last, 0, 1);
}

const struct test npu2_platform_tests[] = {
	TEST(npu2, one_group_of_all),
	TEST(npu2, info_shows_what_firmware_says),
	TEST(npu2, vm_has_gpu_until_close),
	TEST(npu2, firmware_binds_atsd_of_first_link_alone),
	TEST(npu2, owner_without_vm_has_no_translation),
	TEST(npu2, vm_killed),
	TEST(npu2, driver_unbound_and_unloaded),
	TEST(npu2, gpu_removed_and_found_again),
	TEST(npu2, bridges_removed_and_found_again),
	TEST(npu2, bridge_found_while_in_use),
	TEST(npu2, gpu_removed_while_another_is_in_use),
	{ NULL, NULL }
};

/* The size of a GPU's region of RAM, by a descriptor of its own. */
static uint64_t ram_of(const char *bdf)
{
	uint8_t buf[96];
	int fd = device_open(bdf);

	CHECK_EQ(region_info(fd, REGION, 64, buf, sizeof(buf)), 0);
	return region_size(fd);
}

/*
 * A kernel without that code: the GPUs have what firmware's tree says, the bridges are missing, and
 * whoever looks is told.
 */
static void stock_gpu_has_what_firmware_says(void)
{
	const char *said;
	unsigned int i;

	log_mark();
	npu2_find_gpus();
	CHECK(log_has("this machine has an NPU2, but this kernel has no code for it", NULL, NULL));
	for (i = 0; i < nr_slots; i++) {
		CHECK_EQ(members(slots[i].bdf[0]), 1);
		CHECK_EQ(ram_of(slots[i].bdf[0]), 128ULL << 30);
	}
	devices_close();
	said = info();
	for (i = 0; i < nr_slots; i++)
		must_say(said, "%s", slots[i].bdf[0]);
	must_say(said, "128 GiB");
	must_say(said, "    bridges   none here");
}

static void stock_vm_is_refused(void)
{
	npu2_find_gpus();
	vm_with(slots[0].bdf[0]);
	log_mark();
	CHECK_ERR(device_try_open(slots[0].bdf[0]), ENODEV);
	CHECK(log_has(slots[0].bdf[0], "no NPU2 platform code to bind it", NULL));
}

const struct test npu2_stock_tests[] = {
	TEST(npu2, stock_gpu_has_what_firmware_says),
	TEST(npu2, stock_vm_is_refused),
	{ NULL, NULL }
};

/* The machine goes down while a VM has its GPUs; the log of registers tells what it left. */
static void reboot_while_a_vm_has_them(void)
{
	find_and_be_the_hosts();
	be_a_vm_with_all();
	note("rebooting");
	fflush(NULL);
	reboot(RB_AUTOBOOT);
	fail_at(__FILE__, __LINE__, "the machine did not reboot: %s", strerror(errno));
}

const struct test npu2_reboot_tests[] = {
	TEST(npu2, reboot_while_a_vm_has_them),
	{ NULL, NULL }
};

/*
 * Firmware refuses, one call after the other: the kernel's function that makes the call is made to
 * return an error of firmware's. Needs the debug kernel (fail_function).
 */
#define HARDWARE	"0xfffffffffffffffa"	/* OPAL_HARDWARE (-6), which is EIO */

static void refuse(const char *call, unsigned int nth)
{
	char path[128], text[64];

	CHECKF(!access(FAIL "inject", F_OK), "this kernel has no fail_function");
	snprintf(text, sizeof(text), "pnv_npu2_opal_%s", call);
	write_text(FAIL "inject", text);
	snprintf(path, sizeof(path), FAIL "%s/retval", text);
	write_text(path, HARDWARE);
	write_text(FAIL "probability", "100");
	write_text(FAIL "interval", "1");
	write_text(FAIL "verbose", "0");
	snprintf(text, sizeof(text), "%u", nth);
	write_text(FAIL "space", text);
	write_text(FAIL "times", "1");
}

/* Whether the call was refused that often already. */
static bool was_refused(void)
{
	return !atoi(read_text(FAIL "times"));
}

static void refuse_nothing(void)
{
	write_text(FAIL "inject", "");
}

/* A VM takes the group, a GPU of it, and gives all back; 0 or the errno of what failed. */
static int use(bool *has_group)
{
	const char *gpu = slots[0].bdf[0];
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_iommu_spapr_tce_create window = {
		.argsz = sizeof(window), .page_shift = 16, .window_size = 1 << 30, .levels = 1,
	};
	int group, container, fd, err = 0;
	char name[64];

	snprintf(name, sizeof(name), "/dev/vfio/%d", group_of(gpu));
	group = open(name, O_RDWR | O_CLOEXEC);
	CHECKF(group >= 0, "%s: %s", name, strerror(errno));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	CHECK(container >= 0);
	CHECK(!ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	CHECK(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	*has_group = false;
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU) ||
	    ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &window)) {
		err = errno;
	} else {
		*has_group = true;
		vm_with_group(group);
		fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, gpu);
		if (fd < 0) {
			err = errno;
			/* At once, not only when the group goes as well. */
			owner_is(&slots[0], NOBODY);
		} else {
			close(fd);
		}
	}
	kept_close();
	close(container);
	close(group);
	return err;
}

/*
 * Each call of one kind that a VM's coming and going makes. What was refused on the way in is the
 * VM's error, and undone; on the way out there is nobody to tell, and the next use mends it.
 */
static void each_refused(const char *call, unsigned int at_least)
{
	unsigned int nth, errors = 0, i;
	bool refused, has_group;
	uint64_t lpid;
	int err;

	find_and_be_the_hosts();
	finally(refuse_nothing);
	for (nth = 1; ; nth++) {
		refuse(call, nth);
		err = use(&has_group);
		refused = was_refused();
		refuse_nothing();
		if (!refused)
			break;
		CHECKF(!err || err == EIO, "refusing %s %u: %s", call, nth, strerror(err));
		errors += !!err;
		for (i = 0; i < nr_slots; i++)
			CHECKF(owner_of(&slots[i], &lpid) != VM, "%s %u left a GPU with a VM",
			       call, nth);
		/* Who did not get the group did not take it from the host. */
		if (err)
			all_are(HOST);
		CHECK_EQ(use(&has_group), 0);
		all_are(HOST);
	}
	CHECK_EQ(err, 0);
	note("%u calls of %s refused, %u of them were errors of the VM", nth - 1, call, errors);
	CHECK(nth - 1 >= at_least && errors);
}

static void map_lpar_refused(void)
{
	each_refused("map_lpar", 4);
}

static void init_context_refused(void)
{
	each_refused("init_context", 2);
}

static void destroy_context_refused(void)
{
	each_refused("destroy_context", 2);
}

static void map_window_refused(void)
{
	each_refused("map_window", 2);
}

/* A link that firmware gives no PE is there, and cannot be enabled; nothing else is lost. */
static void set_pe_refused(void)
{
	unsigned int k, other;

	find_and_be_the_hosts();
	finally(refuse_nothing);
	for (k = 1; k < slots[0].functions; k++)
		remove_function(slots[0].bdf[k]);
	owner_is(&slots[0], NOBODY);
	for (k = 1; k < slots[0].functions; k++) {
		refuse("set_pe", k);
		write_text("/sys/bus/pci/rescan", "1");
		CHECK(was_refused());
		refuse_nothing();
		CHECK_EQ(members(slots[0].bdf[0]), nr_slots * slots[0].functions - 1);
		for (other = 1; other < slots[0].functions; other++)
			remove_function(slots[0].bdf[other]);
		owner_is(&slots[0], NOBODY);
	}
	find_again(0, 1, slots[0].functions);
}

const struct test npu2_refused_tests[] = {
	TEST(npu2, map_lpar_refused),
	TEST(npu2, init_context_refused),
	TEST(npu2, destroy_context_refused),
	TEST(npu2, map_window_refused),
	TEST(npu2, set_pe_refused),
	{ NULL, NULL }
};
