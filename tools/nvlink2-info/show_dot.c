// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report as a picture, in the language of graphviz: GPUs and bridges by their IOMMU groups,
 * and the links between them with their speeds.
 */

#include "show.h"

#include <stdio.h>

#include "units.h"

/* Addresses are as sysfs writes them, hexadecimal digits, colons and a dot: nothing to escape. */
static void print_node(const struct info_device *device, const char *indent)
{
	static const char * const roles[] = { "PCI function", "GPU", "bridge" };
	enum info_role role = info_device_role(device);
	const struct info_region *region = info_link_region(device);

	printf("%s\"%s\" [label=\"%s\\n%s", indent, device->address,
	       roles[role ? role : device->tree_role], device->address);
	if (!region) {
		printf("\\n%s\", style=dashed];\n",
		       device->error.cause ? "not read" : "no NVLink2 region");
		return;
	}
	printf("\\n%s ", role == INFO_GPU ? "GPU RAM" : "ATSD");
	if (region->decoded.size)
		info_print_size(region->decoded.size);
	else
		printf("none");
	if (region->decoded.has_ssatgt)
		printf("\\ntgt %#llx", (unsigned long long)region->decoded.tgt);
	printf("\"%s];\n", role == INFO_GPU ? ", style=bold" : "");
}

/* A device of a group that none before it belongs to draws all of the group. */
static void print_group(const struct info_report *report, size_t first)
{
	const struct info_device *devices = report->devices;
	int group = devices[first].group;
	size_t n;

	if (group < 0) {
		print_node(&devices[first], "\t");
		return;
	}
	for (n = 0; n < first; n++)
		if (devices[n].group == group)
			return;
	printf("\tsubgraph cluster_%d {\n\t\tlabel=\"IOMMU group %d\";\n", group, group);
	for (n = first; n < report->nr_devices; n++)
		if (devices[n].group == group)
			print_node(&devices[n], "\t\t");
	printf("\t}\n");
}

static void print_links(const struct info_report *report, const struct info_device *gpu)
{
	const struct info_device *bridge;
	const struct info_region *region;
	size_t n;

	for (n = 0; n < report->nr_devices; n++) {
		bridge = &report->devices[n];
		if (!info_same_link(gpu, bridge))
			continue;
		region = info_link_region(bridge);
		printf("\t\"%s\" -- \"%s\"", gpu->address, bridge->address);
		if (region->decoded.has_lnkspd) {
			printf(" [label=\"");
			info_print_speed(region->decoded.link_speed);
			printf("\"]");
		}
		printf(";\n");
	}
}

void info_show_dot(const struct info_report *report)
{
	size_t n;

	printf("graph nvlink2 {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (n = 0; n < report->nr_devices; n++)
		print_group(report, n);
	for (n = 0; n < report->nr_devices; n++)
		print_links(report, &report->devices[n]);
	printf("}\n");
}
