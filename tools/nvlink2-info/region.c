// SPDX-License-Identifier: GPL-2.0-only
/* Decodes the buffer of one region, and says where a broken one is broken. */

#include "region.h"

#include <stdlib.h>
#include <string.h>

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

/**
 * info_decode() - decode what the buffer of a region holds
 * @region: with buf and len; status, decoded and error are set
 */
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
