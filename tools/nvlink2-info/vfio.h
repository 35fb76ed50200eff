/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens devices and asks for their regions. */
#ifndef NVLINK2_INFO_VFIO_H
#define NVLINK2_INFO_VFIO_H

#include "device.h"

void info_open_devices(const struct info_options *options, struct info_report *report);

#endif /* NVLINK2_INFO_VFIO_H */
