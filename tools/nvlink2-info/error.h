/* SPDX-License-Identifier: GPL-2.0-only */
/* What every part of nvlink2-info stands on: its name, its exit statuses, texts and errors. */
#ifndef NVLINK2_INFO_ERROR_H
#define NVLINK2_INFO_ERROR_H

#include <stddef.h>

#define INFO_NAME		"nvlink2-info"
/* INFO_VERSION comes from the file VERSION, by the Makefile. */
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

void *info_alloc(void *old, size_t nr, size_t size);
char *info_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void info_fail(struct info_error *error, char *cause, char *cure);

#endif /* NVLINK2_INFO_ERROR_H */
