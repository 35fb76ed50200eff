/* SPDX-License-Identifier: GPL-2.0-only */
/* What VFIO's errno values mean. */
#ifndef NVLINK2_INFO_EXPLAIN_H
#define NVLINK2_INFO_EXPLAIN_H

#include "device.h"

void info_explain_open(struct info_error *error, const char *path, int group, int err);
void info_explain_container(struct info_error *error, const char *path, int err);
void info_explain_iommu(struct info_error *error, int group, int err);
void info_explain_device(struct info_error *error, const struct info_device *device, int err);

#endif /* NVLINK2_INFO_EXPLAIN_H */
