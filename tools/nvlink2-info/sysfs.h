/* SPDX-License-Identifier: GPL-2.0-only */
/* What sysfs says of PCI functions, their drivers and groups. */
#ifndef NVLINK2_INFO_SYSFS_H
#define NVLINK2_INFO_SYSFS_H

#include "device.h"

int info_parse_address(const char *text, char *address, size_t room);
void info_read_device(const struct info_options *options, const char *address,
		      struct info_device *device);
int info_find_devices(const struct info_options *options, struct info_report *report);
void info_need_vfio(const struct info_options *options, struct info_device *device);
char *info_blockers(const struct info_options *options, int group);

#endif /* NVLINK2_INFO_SYSFS_H */
