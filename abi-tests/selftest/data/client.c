// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that reads the answers of a driver: as a VMM does, with struct casts (CAST), or with
 * the generated decoder.
 *
 * client FILE...: reads the answers in turn, as if it had asked with a buffer of each file's
 * length, until one has a chain; then says what it found. A buffer is as long as its file, so
 * that a byte read behind it is an error of the sanitizer. AGE counts the versions after the
 * released ones. A field that a newer version appended and that is 0 counts as not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef AGE
#define AGE 0
#endif

#ifdef CAST
#include <linux/vfio.h>
#ifdef OWN_HEADER
#include <linux/vfio_nvlink2.h>
#endif
#else
#include "vfio_nvlink2_decode.h"
#endif

struct found {
	int has_tgt, has_speed, has_state, unknown;
	unsigned long long tgt, owner, count;
	unsigned int type, subtype, speed, lanes, errors, state;
};

#ifdef CAST
static const struct vfio_info_cap_header *cap_of(const unsigned char *buf, size_t len, unsigned int id,
						 struct found *found)
{
	const struct vfio_region_info *info = (const void *)buf;
	size_t at;

	for (at = info->cap_offset; at && at + sizeof(struct vfio_info_cap_header) <= len;) {
		const struct vfio_info_cap_header *head = (const void *)(buf + at);

		if (head->id == id)
			return head;
		if (found && (head->id < 2 || head->id > (AGE ? 6 : 5)))
			found->unknown++;
		at = head->next;
	}
	return NULL;
}

static int look(const unsigned char *buf, size_t len, struct found *found)
{
	const struct vfio_region_info *info = (const void *)buf;
	const struct vfio_region_info_cap_type *type;
	const struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt;
	const struct vfio_region_info_cap_nvlink2_lnkspd *lnkspd;

	if (len < sizeof(*info))
		return -1;
	/* Nothing is looked at before the whole answer is there. */
	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS) || info->argsz > len)
		return 1;
	type = (const void *)cap_of(buf, len, VFIO_REGION_INFO_CAP_TYPE, NULL);
	if (type) {
		found->type = type->type;
		found->subtype = type->subtype;
	}
	ssatgt = (const void *)cap_of(buf, len, VFIO_REGION_INFO_CAP_NVLINK2_SSATGT, NULL);
	if (ssatgt) {
		found->has_tgt = 1;
		found->tgt = ssatgt->tgt;
	}
	lnkspd = (const void *)cap_of(buf, len, VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD, NULL);
	if (lnkspd) {
		found->has_speed = 1;
		found->speed = lnkspd->link_speed;
#if AGE >= 1
		/* What a record has depends on its version. */
		if (lnkspd->header.version >= 2) {
			found->lanes = lnkspd->lanes;
			found->errors = lnkspd->errors;
			found->owner = lnkspd->owner;
		}
#endif
	}
#if AGE >= 1
	{
		const struct vfio_region_info_cap_nvlink2_health *health;

		health = (const void *)cap_of(buf, len, VFIO_REGION_INFO_CAP_NVLINK2_HEALTH, NULL);
		if (health) {
			found->has_state = 1;
			found->state = health->state;
#if AGE >= 2
			if (health->header.version >= 2)
				found->count = health->count;
#endif
		}
	}
#endif
	cap_of(buf, len, 0xffff, found);
	return 0;
}
#else
static int look(const unsigned char *buf, size_t len, struct found *found)
{
	struct vfio_nvlink2_region region;
	enum vfio_nvlink2_status status = vfio_nvlink2_decode(buf, len, &region);

	if (status == VFIO_NVLINK2_E_TRUNCATED)
		return 1;
	if (status != VFIO_NVLINK2_OK)
		return -1;
	found->type = region.type;
	found->subtype = region.subtype;
	found->has_tgt = region.has_ssatgt;
	found->tgt = region.tgt;
	found->has_speed = region.has_lnkspd;
	found->speed = region.link_speed;
	found->unknown = region.unknown_caps;
#if AGE >= 1
	found->lanes = region.lanes;
	found->errors = region.errors;
	found->owner = region.owner;
	found->has_state = region.has_health;
	found->state = region.state;
#endif
#if AGE >= 2
	found->count = region.count;
#endif
	return 0;
}
#endif

int main(int argc, char **argv)
{
	struct found found;
	int n, status = -1;

	memset(&found, 0, sizeof(found));
	for (n = 1; n < argc; n++) {
		FILE *file = fopen(argv[n], "rb");
		unsigned char *buf;
		size_t len;

		if (!file || fseek(file, 0, SEEK_END))
			return 2;
		len = ftell(file);
		rewind(file);
		buf = malloc(len ? len : 1);
		if (!buf || fread(buf, 1, len, file) != len || fclose(file))
			return 2;
		status = look(buf, len, &found);
		free(buf);
		if (status <= 0)
			break;
	}
	if (status) {
		printf("%s\n", status > 0 ? "ask again" : "invalid");
		return 0;
	}
	printf("type=%x/%x", found.type, found.subtype);
	if (found.has_tgt)
		printf(" tgt=%llx", found.tgt);
	if (found.has_speed)
		printf(" link_speed=%x", found.speed);
	if (found.lanes)
		printf(" lanes=%x", found.lanes);
	if (found.errors)
		printf(" errors=%x", found.errors);
	if (found.owner)
		printf(" owner=%llx", found.owner);
	if (found.has_state)
		printf(" state=%x", found.state);
	if (found.count)
		printf(" count=%llx", found.count);
	printf(" unknown=%d\n", found.unknown);
	return 0;
}
