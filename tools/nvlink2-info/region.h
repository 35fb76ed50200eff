/* SPDX-License-Identifier: GPL-2.0-only */
/* What the buffer of a region says. */
#ifndef NVLINK2_INFO_REGION_H
#define NVLINK2_INFO_REGION_H

#include "device.h"

void info_decode(struct info_region *region);

#endif /* NVLINK2_INFO_REGION_H */
