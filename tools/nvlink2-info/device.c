// SPDX-License-Identifier: GPL-2.0-only
/* The lists of a report, and which devices belong together. */

#include "device.h"

/* The argument is copied; what it points to is taken over. */
void info_add_device(struct info_report *report, const struct info_device *device)
{
	report->devices = info_alloc(report->devices, report->nr_devices + 1, sizeof(*device));
	report->devices[report->nr_devices++] = *device;
}

/* The name has to last as long as the report. */
void info_add_file(struct info_report *report, const char *name)
{
	report->files = info_alloc(report->files, report->nr_files + 1, sizeof(*report->files));
	report->files[report->nr_files++] = (struct info_file){ .name = name };
}

/* The argument is copied; its buffer is taken over. */
void info_add_region(struct info_device *device, const struct info_region *region)
{
	device->regions = info_alloc(device->regions, device->nr_regions + 1, sizeof(*region));
	device->regions[device->nr_regions++] = *region;
}

/* The region that makes a device an end of a link; NULL when it has none. */
const struct info_region *info_link_region(const struct info_device *device)
{
	size_t n;

	for (n = 0; n < device->nr_regions; n++)
		if (device->regions[n].decoded.kind != VFIO_NVLINK2_KIND_NONE)
			return &device->regions[n];
	return NULL;
}

enum info_role info_device_role(const struct info_device *device)
{
	const struct info_region *region = info_link_region(device);

	if (!region)
		return INFO_OTHER;
	return region->decoded.kind == VFIO_NVLINK2_KIND_GPU_RAM ? INFO_GPU : INFO_BRIDGE;
}

/* Whether both ends carry the same target address, by which they are a pair. */
int info_same_link(const struct info_device *gpu, const struct info_device *bridge)
{
	const struct info_region *ram = info_link_region(gpu);
	const struct info_region *atsd = info_link_region(bridge);

	return info_device_role(gpu) == INFO_GPU && info_device_role(bridge) == INFO_BRIDGE &&
	       ram->decoded.has_ssatgt && atsd->decoded.has_ssatgt &&
	       ram->decoded.tgt == atsd->decoded.tgt;
}
