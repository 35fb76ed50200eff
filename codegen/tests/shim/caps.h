/* SPDX-License-Identifier: GPL-2.0-only */
/* The vfio core's part of a capability chain, for generated marshalling outside of the kernel. */
#ifndef TESTS_CAPS_H
#define TESTS_CAPS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvlink2_regions.h"

/* How many records were asked for, and which of them, from 1, cannot be had. */
static unsigned long calls, fail_at;

/* The contract of the kernel's function of this name, in the words of its callers. */
struct vfio_info_cap_header *vfio_info_cap_add(struct vfio_info_cap *caps, size_t size, u16 id,
					       u16 version)
{
	size_t room = (size + 7) / 8 * 8, last = 0;
	struct vfio_info_cap_header *head;
	char *bytes = NULL;

	if (++calls != fail_at) {
		/* Always moves, so that a pointer kept over a call is noticed. */
		bytes = malloc(caps->size + room);
		if (!bytes)
			abort();
		memset(bytes, 0xa5, caps->size + room);
		if (caps->size)
			memcpy(bytes, caps->buf, caps->size);
	}
	if (caps->buf)
		memset(caps->buf, 0x5a, caps->size);
	free(caps->buf);
	caps->buf = (struct vfio_info_cap_header *)bytes;
	if (!bytes) {
		caps->size = 0;
		return ERR_PTR(-ENOMEM);
	}

	head = (struct vfio_info_cap_header *)(bytes + caps->size);
	memset(head, 0, room);
	head->id = id;
	head->version = version;
	if (caps->size) {
		for (;;) {
			struct vfio_info_cap_header *at = (void *)(bytes + last);

			if (!at->next) {
				at->next = caps->size;
				break;
			}
			last = at->next;
		}
	}
	caps->size += room;
	return head;
}

static void put_type(struct vfio_info_cap *caps, const struct nvlink2_region_desc *desc)
{
	struct vfio_region_info_cap_type *type;

	type = (void *)vfio_info_cap_add(caps, sizeof(*type), VFIO_REGION_INFO_CAP_TYPE, 1);
	if (IS_ERR(type))
		exit(3);
	type->type = desc->type;
	type->subtype = desc->subtype;
}

/* From offsets in the chain to offsets from the start of struct vfio_region_info. */
static void shift_chain(struct vfio_info_cap *caps)
{
	size_t at = 0;

	for (;;) {
		struct vfio_info_cap_header *head = (void *)((char *)caps->buf + at);

		at = head->next;
		if (!at)
			break;
		head->next += sizeof(struct vfio_region_info);
	}
}

#endif
