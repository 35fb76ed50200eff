// SPDX-License-Identifier: GPL-2.0-only
/* One region's buffer: decoded, read from a file, saved to one; and which ones belong together. */

#include "info.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* A saved buffer has some hundred bytes; a larger file is something else. */
#define MAX_FILE	(1UL << 20)

/* Up to where the chain is good, as a phrase. */
static char *last_good(const struct info_region *region)
{
	struct vfio_nvlink2_cap cap;
	size_t offset = 0;

	if (vfio_nvlink2_cap_first(region->buf, region->len, &cap) != VFIO_NVLINK2_OK)
		return info_format("at its first capability");
	do {
		offset = cap.offset;
	} while (vfio_nvlink2_cap_next(region->buf, region->len, &cap) == VFIO_NVLINK2_OK);
	return info_format("after the capability at offset %zu", offset);
}

/* The record that is too short is the last one the walk reaches that decoding does not. */
static char *broken_record(const struct info_region *region)
{
	struct vfio_nvlink2_region scratch;
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_cap cap;

	memset(&scratch, 0, sizeof(scratch));
	for (status = vfio_nvlink2_cap_first(region->buf, region->len, &cap);
	     status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(region->buf, region->len, &cap))
		if (vfio_nvlink2_decode_cap(&cap, &scratch) == VFIO_NVLINK2_E_RECORD)
			return info_format("capability %u at offset %zu has %zu bytes", cap.id,
					   cap.offset, cap.room);
	return info_format("the end of the buffer");
}

void info_decode(struct info_region *region)
{
	const char *what;
	char *where;

	region->status = vfio_nvlink2_decode(region->buf, region->len, &region->decoded);
	what = vfio_nvlink2_status_name(region->status);
	switch (region->status) {
	case VFIO_NVLINK2_OK:
		return;
	case VFIO_NVLINK2_E_SHORT:
		if (region->len < sizeof(struct vfio_region_info))
			where = info_format("%zu bytes, and at least %zu are needed", region->len,
					    sizeof(struct vfio_region_info));
		else
			where = info_format("its argsz is %u, and at least %zu is needed",
					    vfio_nvlink2_get32(region->buf, 0),
					    sizeof(struct vfio_region_info));
		break;
	case VFIO_NVLINK2_E_TRUNCATED:
		where = info_format("argsz is %u, the buffer has %zu bytes",
				    vfio_nvlink2_get32(region->buf, 0), region->len);
		break;
	case VFIO_NVLINK2_E_RECORD:
		where = broken_record(region);
		break;
	default:
		where = last_good(region);
	}
	info_fail(&region->error, info_format("%s (%s)", what, where), NULL);
	free(where);
}

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

/* The region that makes a device an end of a link; NULL when it has none. */
const struct info_region *info_link_region(const struct info_device *device)
{
	size_t n;

	for (n = 0; n < device->nr_regions; n++)
		if (device->regions[n].decoded.kind != VFIO_NVLINK2_KIND_NONE)
			return &device->regions[n];
	return NULL;
}

enum info_role info_device_role(const struct info_device *device)
{
	const struct info_region *region = info_link_region(device);

	if (!region)
		return INFO_OTHER;
	return region->decoded.kind == VFIO_NVLINK2_KIND_GPU_RAM ? INFO_GPU : INFO_BRIDGE;
}

/* Whether both ends carry the same target address, which is how they are told to be a pair. */
int info_same_link(const struct info_device *gpu, const struct info_device *bridge)
{
	const struct info_region *ram = info_link_region(gpu);
	const struct info_region *atsd = info_link_region(bridge);

	return info_device_role(gpu) == INFO_GPU && info_device_role(bridge) == INFO_BRIDGE &&
	       ram->decoded.has_ssatgt && atsd->decoded.has_ssatgt &&
	       ram->decoded.tgt == atsd->decoded.tgt;
}
