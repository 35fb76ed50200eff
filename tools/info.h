/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of nvlink2-info share. The flow: sysfs names the devices, VFIO gives
 * each region's raw buffer, the generated decoder reads it, text or JSON shows it.
 */
#ifndef NVLINK2_INFO_H
#define NVLINK2_INFO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stddef.h>

#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>

#include "vfio_nvlink2_decode.h"

#define INFO_NAME		"nvlink2-info"
/* INFO_VERSION comes from the file VERSION, by the Makefile. */
/* Of the JSON output; changes when a program that reads it has to. */
#define INFO_JSON_FORMAT	1
#define INFO_DRIVER		"nvlink2-vfio-pci"

/* Exit statuses. */
#define INFO_OK			0
#define INFO_UNREADABLE		1	/* something could not be read or is broken */
#define INFO_USAGE		2	/* or the tool itself failed */

/* What went wrong and what to do about it; cause is NULL when nothing did. */
struct info_error {
	char *cause;
	char *cure;			/* may be NULL; may have several lines */
};

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

struct info_options {
	const char *sysfs, *dev;	/* where these two are mounted */
	const char *save;		/* folder, or NULL */
	int all, json, dot, watch;
};

struct info_report {
	struct info_device *devices;
	size_t nr_devices;
	struct info_file *files;
	size_t nr_files;
	struct info_error error;	/* about all of it */
};

/* nvlink2-info.c */
void *info_alloc(void *old, size_t nr, size_t size);
char *info_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void info_fail(struct info_error *error, char *cause, char *cure);

/* info_sysfs.c */
int info_parse_address(const char *text, char *address, size_t room);
void info_read_device(const struct info_options *options, const char *address,
		      struct info_device *device);
int info_find_devices(const struct info_options *options, struct info_report *report);
void info_need_vfio(const struct info_options *options, struct info_device *device);
char *info_blockers(const struct info_options *options, int group);
char *info_how_to_bind(const struct info_options *options);

/* info_vfio.c */
void info_open_devices(const struct info_options *options, struct info_report *report);

/* info_explain.c */
void info_explain_open(struct info_error *error, const char *path, int group, int err);
void info_explain_container(struct info_error *error, const char *path, int err);
void info_explain_iommu(struct info_error *error, int group, int err);
void info_explain_device(struct info_error *error, const struct info_device *device, int err);

/* info_region.c */
void info_decode(struct info_region *region);
void info_read_file(struct info_file *file);
void info_save(const char *folder, struct info_device *device);
enum info_role info_device_role(const struct info_device *device);
const struct info_region *info_link_region(const struct info_device *device);
int info_same_link(const struct info_device *gpu, const struct info_device *bridge);

/* info_watch.c */
void info_watch(const struct info_options *options, struct info_report *report);

/* info_text.c, info_json.c, info_dot.c */
void info_print_size(unsigned long long size);
void info_print_speed(__u32 link_speed);
void info_print_text(const struct info_options *options, const struct info_report *report);
void info_print_json(const struct info_report *report);
void info_print_dot(const struct info_report *report);

#endif /* NVLINK2_INFO_H */
