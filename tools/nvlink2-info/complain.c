// SPDX-License-Identifier: GPL-2.0-only
/* What went wrong, on standard error; the report itself goes to standard output. */

#include "complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const char *where, const char *colon, const struct info_error *error)
{
	fprintf(stderr, INFO_NAME ": %s%s%s\n", where, colon, error->cause);
	if (error->cure)
		fprintf(stderr, "%s\n", error->cure);
}

static int same_error(const struct info_device *left, const struct info_device *right)
{
	return left->error.cause && right->error.cause && left->group == right->group &&
	       !strcmp(left->error.cause, right->error.cause);
}

/* A fault of a whole group has one line, with all of its devices. */
static void complain_of_device(const struct info_report *report, size_t which)
{
	const struct info_device *devices = report->devices;
	char *names = info_format("%s", devices[which].address), *longer;
	size_t n;

	for (n = 0; n < report->nr_devices; n++) {
		if (n == which || !same_error(&devices[n], &devices[which]))
			continue;
		if (n < which) {
			free(names);
			return;
		}
		longer = info_format("%s, %s", names, devices[n].address);
		free(names);
		names = longer;
	}
	complain(names, ": ", &devices[which].error);
	free(names);
}

/**
 * info_complain() - say everything that went wrong
 * @report: of files and devices
 *
 * Return: the exit status, INFO_OK when nothing went wrong.
 */
int info_complain(const struct info_report *report)
{
	int status = INFO_OK;
	size_t n, r;

	if (report->error.cause) {
		complain("", "", &report->error);
		status = INFO_UNREADABLE;
	}
	for (n = 0; n < report->nr_devices; n++) {
		const struct info_device *device = &report->devices[n];

		if (device->error.cause) {
			complain_of_device(report, n);
			status = INFO_UNREADABLE;
		}
		for (r = 0; r < device->nr_regions; r++) {
			char *where = info_format("%s: region %u", device->address,
						  device->regions[r].index);

			if (device->regions[r].error.cause) {
				complain(where, ": ", &device->regions[r].error);
				status = INFO_UNREADABLE;
			}
			free(where);
		}
	}
	for (n = 0; n < report->nr_files; n++) {
		const struct info_file *file = &report->files[n];
		const struct info_error *error =
			file->error.cause ? &file->error : &file->region.error;

		if (error->cause) {
			complain(strcmp(file->name, "-") ? file->name : "standard input", ": ",
				 error);
			status = INFO_UNREADABLE;
		}
	}
	return status;
}
