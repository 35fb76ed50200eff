// SPDX-License-Identifier: GPL-2.0-only
/* The report for people. */

#include "show.h"

#include <stdio.h>

#include "units.h"

static void print_size(unsigned long long size)
{
	if (!size) {
		printf("size 0");
		return;
	}
	info_print_size(size);
	printf(" (%#llx)", size);
}

static const char *core_region(unsigned int index)
{
	static const char * const names[] = {
		[VFIO_PCI_BAR0_REGION_INDEX] = "BAR 0",
		[VFIO_PCI_BAR1_REGION_INDEX] = "BAR 1",
		[VFIO_PCI_BAR2_REGION_INDEX] = "BAR 2",
		[VFIO_PCI_BAR3_REGION_INDEX] = "BAR 3",
		[VFIO_PCI_BAR4_REGION_INDEX] = "BAR 4",
		[VFIO_PCI_BAR5_REGION_INDEX] = "BAR 5",
		[VFIO_PCI_ROM_REGION_INDEX] = "ROM",
		[VFIO_PCI_CONFIG_REGION_INDEX] = "config space",
		[VFIO_PCI_VGA_REGION_INDEX] = "VGA",
	};

	return index < sizeof(names) / sizeof(*names) ? names[index] : NULL;
}

static void print_kind(const struct info_region *region)
{
	const struct vfio_nvlink2_region *decoded = &region->decoded;

	if (decoded->kind == VFIO_NVLINK2_KIND_GPU_RAM)
		printf("GPU RAM");
	else if (decoded->kind == VFIO_NVLINK2_KIND_ATSD)
		printf("ATSD registers");
	else if (decoded->has_type)
		printf("type %#x subtype %u", decoded->type, decoded->subtype);
	else
		printf("%s", core_region(region->index) ? core_region(region->index) : "no type");
}

static void print_access(__u32 flags)
{
	if (!(flags & (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		       VFIO_REGION_INFO_FLAG_MMAP)))
		printf("  no access\n");
	else
		printf(" %s%s%s\n", flags & VFIO_REGION_INFO_FLAG_READ ? " read" : "",
		       flags & VFIO_REGION_INFO_FLAG_WRITE ? " write" : "",
		       flags & VFIO_REGION_INFO_FLAG_MMAP ? " mmap" : "");
}

/* Records that are not NVLink2's, so that nothing of the buffer goes unsaid. */
static void print_other_caps(const struct info_region *region)
{
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_cap cap;

	for (status = vfio_nvlink2_cap_first(region->buf, region->len, &cap);
	     status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(region->buf, region->len, &cap)) {
		struct vfio_nvlink2_region scratch = { 0 };

		if (vfio_nvlink2_decode_cap(&cap, &scratch) == VFIO_NVLINK2_OK &&
		    scratch.unknown_caps)
			printf("        capability %u version %u, not decoded\n", cap.id,
			       cap.version);
	}
}

static void print_region(const struct info_region *region)
{
	const struct vfio_nvlink2_region *decoded = &region->decoded;

	printf("    region %u  ", region->index);
	if (!region->len || region->status == VFIO_NVLINK2_E_SHORT) {
		printf("not read\n");
		return;
	}
	print_kind(region);
	printf("  ");
	print_size(decoded->size);
	print_access(decoded->flags);
	if (decoded->kind == VFIO_NVLINK2_KIND_ATSD && !decoded->size)
		printf("        this link has no ATSD register set\n");
	if (decoded->has_ssatgt)
		printf("        target address %#llx\n", (unsigned long long)decoded->tgt);
	if (decoded->has_lnkspd) {
		printf("        link speed ");
		info_print_speed(decoded->link_speed);
		putchar('\n');
	}
	print_other_caps(region);
	if (region->error.cause)
		printf("        broken: the rest could not be decoded\n");
}

static void print_bridges(const struct info_report *report, const struct info_device *gpu)
{
	const struct info_region *region;
	size_t n, found = 0;

	for (n = 0; n < report->nr_devices; n++) {
		if (!info_same_link(gpu, &report->devices[n]))
			continue;
		region = info_link_region(&report->devices[n]);
		printf("%s%s", found++ ? ", " : "    bridges   ", report->devices[n].address);
		if (region->decoded.has_lnkspd) {
			printf(" (");
			info_print_speed(region->decoded.link_speed);
			printf(")");
		}
	}
	printf("%s\n", found ? "" : "    bridges   none here");
}

static void print_gpus(const struct info_report *report, const struct info_device *bridge)
{
	size_t n, found = 0;

	for (n = 0; n < report->nr_devices; n++)
		if (info_same_link(&report->devices[n], bridge))
			printf("%s%s", found++ ? ", " : "    GPU       ",
			       report->devices[n].address);
	printf("%s\n", found ? "" : "    GPU       none here with this target address");
}

static void print_device(const struct info_options *options, const struct info_report *report,
			 const struct info_device *device)
{
	static const char * const roles[] = { "PCI function", "GPU", "bridge" };
	enum info_role role = info_device_role(device);
	size_t n;

	printf("%s", device->address);
	if (device->vendor)
		printf("  %04x:%04x  %s", device->vendor, device->device,
		       roles[role ? role : device->tree_role]);
	if (device->driver)
		printf("  driver %s", device->driver);
	if (device->group >= 0)
		printf("  group %d", device->group);
	putchar('\n');
	if (device->error.cause && !device->nr_regions) {
		printf("    not read\n");
		return;
	}
	for (n = 0; n < device->nr_regions; n++)
		/* Most functions have BARs that they do not use. */
		if (device->regions[n].index >= VFIO_PCI_NUM_REGIONS ||
		    device->regions[n].error.cause || device->regions[n].decoded.size)
			print_region(&device->regions[n]);
	if (role == INFO_GPU)
		print_bridges(report, device);
	else if (role == INFO_BRIDGE)
		print_gpus(report, device);
	else if (device->tree_role != INFO_OTHER && !device->error.cause)
		printf("    no NVLink2 region, because %s does not serve them; %s does\n",
		       device->driver ? device->driver : "its driver", INFO_DRIVER);
	else if (!device->nr_regions)
		printf("    no regions besides those of every PCI function%s\n",
		       options->all ? "" : " (--all shows them)");
}

void info_show_text(const struct info_options *options, const struct info_report *report)
{
	size_t n;

	for (n = 0; n < report->nr_devices; n++)
		print_device(options, report, &report->devices[n]);
	for (n = 0; n < report->nr_files; n++) {
		printf("%s\n", report->files[n].name);
		if (report->files[n].error.cause)
			printf("    not read\n");
		else
			print_region(&report->files[n].region);
	}
}
