/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes and speeds as people read them. */
#ifndef NVLINK2_INFO_UNITS_H
#define NVLINK2_INFO_UNITS_H

#include <linux/types.h>

void info_print_size(unsigned long long size);
void info_print_speed(__u32 link_speed);

#endif /* NVLINK2_INFO_UNITS_H */
