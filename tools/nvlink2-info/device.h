/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of this machine, and what follows from it. The flow: sysfs names the devices,
 * VFIO gives each region's raw buffer, the generated decoder reads it, and one of text, JSON and
 * graphviz shows it.
 */
#ifndef NVLINK2_INFO_DEVICE_H
#define NVLINK2_INFO_DEVICE_H

#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>

#include "error.h"
#include "vfio_nvlink2_decode.h"

struct info_region {
	unsigned int index;		/* the one that was asked for */
	unsigned char *buf;		/* as GET_REGION_INFO filled it */
	size_t len;
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_region decoded;
	struct info_error error;
};

/* Which end of a link a device is. */
enum info_role { INFO_OTHER, INFO_GPU, INFO_BRIDGE };

struct info_device {
	char address[24];		/* of the PCI function, as sysfs writes it */
	unsigned int vendor, device;	/* PCI ids, 0 when sysfs has none */
	char *driver;			/* NULL when it has none */
	int group;			/* IOMMU group, -1 when it has none */
	int is_vfio;
	enum info_role tree_role;	/* what the device tree says it is */
	unsigned int num_regions;
	struct info_region *regions;
	size_t nr_regions;
	struct info_error error;
};

struct info_file {
	const char *name;
	struct info_region region;
	struct info_error error;	/* the file could not be read at all */
};

struct info_report {
	struct info_device *devices;
	size_t nr_devices;
	struct info_file *files;
	size_t nr_files;
	struct info_error error;	/* about all of it */
};

struct info_options {
	const char *sysfs, *dev;	/* where these two are mounted */
	const char *save;		/* folder, or NULL */
	int all, json, dot, watch;
};

void info_add_device(struct info_report *report, const struct info_device *device);
void info_add_file(struct info_report *report, const char *name);
void info_add_region(struct info_device *device, const struct info_region *region);
enum info_role info_device_role(const struct info_device *device);
const struct info_region *info_link_region(const struct info_device *device);
int info_same_link(const struct info_device *gpu, const struct info_device *bridge);

#endif /* NVLINK2_INFO_DEVICE_H */
