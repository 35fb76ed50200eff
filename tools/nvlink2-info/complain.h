/* SPDX-License-Identifier: GPL-2.0-only */
/* What went wrong, on standard error. */
#ifndef NVLINK2_INFO_COMPLAIN_H
#define NVLINK2_INFO_COMPLAIN_H

#include "device.h"

int info_complain(const struct info_report *report);

#endif /* NVLINK2_INFO_COMPLAIN_H */
