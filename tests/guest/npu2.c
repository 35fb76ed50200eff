// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared by the tests of the NPU2's platform code. The owner of a GPU's page tables is read from the
 * NPU2's own tables, as firmware has filled them in: the registers are real to it, and store what it
 * writes.
 */

#include <dirent.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "npu2.h"
#include "nvtest.h"

#define DEVICES		"/sys/bus/pci/devices/"

/* Places of the NPU2's registers, which MMIO reaches as SCOM does. */
#define RING		0x0006030200000000ULL
#define ATSD_LPARID(n)	(RING + 0x710100 + (n) * 8)
#define BDF_MAP(n)	(RING + 0x714000 + (n) * 8)
#define PID_MAP(n)	(RING + 0x718000 + (n) * 0x20)
#define ENTRIES		16
/* An indexed table; what firmware wrote to it last can be read. */
#define ATS_TABLE_DATA	(RING + 0x700110)

#define BDF_VALID	(1ULL << 63)
#define BDF_OF(map)	((map) >> 32 & 0xffff)
#define LPID_OF(map)	((map) & 0xfff)
/* The rights of a context: those of the host have HV. */
#define PID_NONE	0ULL
#define PID_HOST	0xe000005a00000000ULL
#define PID_GUEST	0xe000004a00000000ULL
#define PID_RIGHTS	0xffffffff00000000ULL
#define ATSD_HV		0x1000ULL

static const char * const owners[] = {
	[NPU2_NOBODY] = "nobody", [NPU2_HOST] = "the host", [NPU2_VM] = "a VM",
};

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
unsigned int npu2_first_link(const struct slot *slot)
{
	unsigned int i, k, before = 0;

	for (i = 0; i < nr_slots; i++)
		for (k = 1; k < slots[i].functions; k++)
			before += strcmp(slots[i].bdf[k], slot->bdf[1]) < 0;
	return before;
}

/* The partition that a link's ATSD registers serve, as NPU2's register has it. */
uint64_t npu2_atsd_lparid(unsigned int link)
{
	return ring(ATSD_LPARID(link));
}

/* The window of links that was opened or closed last, as firmware describes it to the NPU2. */
uint64_t npu2_link_window(void)
{
	return ring(ATS_TABLE_DATA);
}

void npu2_remove_window(int container, uint64_t start)
{
	struct vfio_iommu_spapr_tce_remove window = {
		.argsz = sizeof(window), .start_addr = start,
	};

	CHECKF(!ioctl(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &window),
	       "VFIO_IOMMU_SPAPR_TCE_REMOVE: %s", strerror(errno));
}

/* Whose page tables serve a GPU; of a VM, its partition. All three tables have to agree. */
int npu2_owner_of(const struct slot *slot, uint64_t *lpid)
{
	unsigned int entry = entry_of(slot->bdf[0]);
	uint64_t map = ring(BDF_MAP(entry)), atsd = npu2_atsd_lparid(npu2_first_link(slot));
	uint64_t rights = ring(PID_MAP(entry)) & PID_RIGHTS;

	*lpid = LPID_OF(map);
	if (!(map & BDF_VALID) && rights == PID_NONE && !*lpid && atsd == ATSD_HV)
		return NPU2_NOBODY;
	if (map & BDF_VALID && rights == PID_HOST && !*lpid && atsd == ATSD_HV)
		return NPU2_HOST;
	if (map & BDF_VALID && rights == PID_GUEST && *lpid && atsd == *lpid)
		return NPU2_VM;
	fail_at(__FILE__, __LINE__,
		"%s is between two owners: BDF_MAP %#llx, PID_MAP %#llx, ATSD_LPARID %#llx",
		slot->bdf[0], (unsigned long long)map, (unsigned long long)rights,
		(unsigned long long)atsd);
}

void npu2_owner_is(const struct slot *slot, int want)
{
	uint64_t lpid;
	int owner = npu2_owner_of(slot, &lpid);

	CHECKF(owner == want, "%s serves %s (partition %llu), not %s", slot->bdf[0], owners[owner],
	       (unsigned long long)lpid, owners[want]);
}

void npu2_all_are(int want)
{
	unsigned int i;

	for (i = 0; i < nr_slots; i++)
		npu2_owner_is(&slots[i], want);
}

void npu2_find_and_be_the_hosts(void)
{
	npu2_find();
	npu2_all_are(NPU2_HOST);
}

/* The number of a function's IOMMU group. */
int npu2_group_of(const char *bdf)
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

unsigned int npu2_group_size(const char *bdf)
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

/* The output of nvlink2-info for all functions that VFIO has. */
const char *npu2_info(void)
{
	static char output[16384];

	run_program((char *[]){ "/bin/nvlink2-info", NULL }, output, sizeof(output));
	return output;
}

void npu2_info_must_have(const char *output, const char *fmt, ...)
{
	char want[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(want, sizeof(want), fmt, args);
	va_end(args);
	CHECKF(strstr(output, want), "nvlink2-info does not print '%s' but '%s'", want, output);
}

void npu2_be_a_vm_with_all(void)
{
	unsigned int i, k;

	vm_with(slots[0].bdf[0]);
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++)
			device_open(slots[i].bdf[k]);
	npu2_all_are(NPU2_VM);
}

void npu2_remove(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/remove", bdf);
	write_text(path, "1");
}

/* A function that is found again takes its place in the group, and its driver. */
void npu2_find_again(unsigned int slot, unsigned int first, unsigned int end)
{
	int group = npu2_group_of(slots[slot].bdf[first ? 0 : 1]);
	char path[128];
	unsigned int k;

	write_text("/sys/bus/pci/rescan", "1");
	for (k = first; k < end; k++) {
		CHECK_EQ(npu2_group_of(slots[slot].bdf[k]), group);
		snprintf(path, sizeof(path), DEVICES "%s/driver_override", slots[slot].bdf[k]);
		write_text(path, driver_name());
		write_text("/sys/bus/pci/drivers_probe", slots[slot].bdf[k]);
	}
	npu2_all_are(NPU2_HOST);
	in_child(npu2_be_a_vm_with_all);
	npu2_all_are(NPU2_HOST);
}
