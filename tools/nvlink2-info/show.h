/* SPDX-License-Identifier: GPL-2.0-only */
/* A report as text, as JSON, as a picture. */
#ifndef NVLINK2_INFO_SHOW_H
#define NVLINK2_INFO_SHOW_H

#include "device.h"

/* Of the JSON output; changes when a program that reads it has to. */
#define INFO_JSON_FORMAT	1

void info_show_text(const struct info_options *options, const struct info_report *report);
void info_show_json(const struct info_report *report);
void info_show_dot(const struct info_report *report);

#endif /* NVLINK2_INFO_SHOW_H */
