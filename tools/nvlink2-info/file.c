// SPDX-License-Identifier: GPL-2.0-only
/* Buffers of regions in files: reads saved ones, and saves them. */

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "region.h"

/* A saved buffer has some hundred bytes; a larger file is something else. */
#define MAX_FILE	(1UL << 20)

/* All of a descriptor, but for what no buffer of a region can be; returns 0 or the errno. */
static int read_all(int fd, struct info_region *region)
{
	ssize_t got;

	do {
		region->buf = info_alloc(region->buf, region->len + 4096, 1);
		got = read(fd, region->buf + region->len, 4096);
		if (got < 0)
			return errno;
		region->len += got;
		if (region->len > MAX_FILE)
			return EFBIG;
	} while (got);
	return 0;
}

static void explain_file(struct info_file *file, int err)
{
	switch (err) {
	case EFBIG:
		info_fail(&file->error, info_format("longer than %lu bytes: this is no saved "
						    "region information", MAX_FILE),
			  info_format("'%s --save DIR' saves some", INFO_NAME));
		break;
	case EISDIR:
		info_fail(&file->error, info_format("is a folder"),
			  info_format("name one of the files in it"));
		break;
	case ENOENT:
		info_fail(&file->error, info_format("there is no such file"),
			  info_format("'%s --save DIR' makes some", INFO_NAME));
		break;
	default:
		info_fail(&file->error, info_format("%s", strerror(err)), NULL);
	}
}

void info_read_file(struct info_file *file)
{
	int from_stdin = !strcmp(file->name, "-");
	int fd = from_stdin ? STDIN_FILENO : open(file->name, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? errno : read_all(fd, &file->region);

	if (fd >= 0 && !from_stdin)
		close(fd);
	if (err) {
		explain_file(file, err);
		return;
	}
	info_decode(&file->region);
	file->region.index = file->region.decoded.index;
}

/* Returns 0 or the errno; a short write is taken for a full disk. */
static int write_file(const char *path, const void *buf, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), err = 0;
	ssize_t written;

	if (fd < 0)
		return errno;
	written = write(fd, buf, len);
	if (written < 0)
		err = errno;
	else if ((size_t)written != len)
		err = ENOSPC;
	if (close(fd) && !err)
		err = errno;
	return err;
}

/* Writes the buffer of each region that gave one to FOLDER/ADDRESS-INDEX.bin. */
void info_save(const char *folder, struct info_device *device)
{
	int err = mkdir(folder, 0777) && errno != EEXIST ? errno : 0;
	char *path = info_format("%s", folder);
	size_t n;

	for (n = 0; n < device->nr_regions && !err; n++) {
		if (!device->regions[n].len)
			continue;
		free(path);
		path = info_format("%s/%s-%u.bin", folder, device->address,
				   device->regions[n].index);
		err = write_file(path, device->regions[n].buf, device->regions[n].len);
	}
	if (err)
		info_fail(&device->error, info_format("saving to %s: %s", path, strerror(err)),
			  info_format("--save needs a folder that can be written to, or a name "
				      "to make one of"));
	free(path);
}
