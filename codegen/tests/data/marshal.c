// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generated marshalling, run outside of the kernel.
 *
 * marshal REGION TGT SPEED FAIL PRIOR: builds a chain as the vfio core does, PRIOR records
 * of others ahead of the TYPE record, and prints it in hex with `next` counting from the
 * start of struct vfio_region_info. Allocation number FAIL (from 1) fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvlink2_regions.h"

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

static void print_chain(struct vfio_info_cap *caps)
{
	unsigned char *bytes = (void *)caps->buf;
	size_t at = 0, n;

	for (;;) {
		struct vfio_info_cap_header *head = (void *)(bytes + at);

		at = head->next;
		if (!at)
			break;
		head->next += sizeof(struct vfio_region_info);
	}
	for (n = 0; n < caps->size; n++)
		printf("%02x", bytes[n]);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct nvlink2_cap_values values;
	struct vfio_info_cap caps = { NULL, 0 };
	const struct nvlink2_region_desc *desc;
	unsigned long before, prior;
	int id, ret;

	if (argc != 6)
		return 2;
	id = atoi(argv[1]);
	memset(&values, 0, sizeof(values));
	values.tgt = strtoull(argv[2], NULL, 0);
	values.link_speed = strtoul(argv[3], NULL, 0);
	fail_at = strtoul(argv[4], NULL, 0);

	for (prior = strtoul(argv[5], NULL, 0); prior; prior--)
		if (IS_ERR(vfio_info_cap_add(&caps, 16, 0x100 + prior, 1)))
			return 3;
	desc = nvlink2_region_desc(id);
	if (desc)
		put_type(&caps, desc);

	before = calls;
	ret = nvlink2_region_add_caps(id, &values, &caps);
	printf("ret=%d calls=%lu size=%zu buf=%s\n", ret, calls - before, caps.size,
	       caps.buf ? "yes" : "no");
	printf("flags=%x flags_empty=%x\n", nvlink2_region_flags(id, 1),
	       nvlink2_region_flags(id, 0));
	if (caps.buf)
		print_chain(&caps);
	free(caps.buf);
	return 0;
}
