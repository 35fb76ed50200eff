/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings and faults as the driver's tracepoints show them. */
#ifndef NVLINK2_INFO_WATCH_H
#define NVLINK2_INFO_WATCH_H

#include "device.h"

void info_watch(const struct info_options *options, struct info_report *report);

#endif /* NVLINK2_INFO_WATCH_H */
