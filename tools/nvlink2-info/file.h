/* SPDX-License-Identifier: GPL-2.0-only */
/* Saved buffers of regions. */
#ifndef NVLINK2_INFO_FILE_H
#define NVLINK2_INFO_FILE_H

#include "device.h"

void info_read_file(struct info_file *file);
void info_save(const char *folder, struct info_device *device);

#endif /* NVLINK2_INFO_FILE_H */
