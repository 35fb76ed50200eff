// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of some version: answers VFIO_DEVICE_GET_REGION_INFO with its generated marshalling.
 *
 * driver REGION SIZE ARGSZ NAME=NUMBER...: writes the ARGSZ bytes of the caller's buffer as the
 * ioctl leaves them. Exit status 22 is -EINVAL. VALUES lists the names this version knows.
 */
#include <stdio.h>

#include "caps.h"

/* What the vfio core of Linux 6.12 does with a finished chain. */
static void answer(unsigned char *user, struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	const size_t needed = sizeof(*info) + caps->size;

	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < needed) {
		info->argsz = needed;
		info->cap_offset = 0;
	} else {
		shift_chain(caps);
		memcpy(user + sizeof(*info), caps->buf, caps->size);
		info->cap_offset = sizeof(*info);
	}
	memcpy(user, info, sizeof(*info));
}

static void take(struct nvlink2_cap_values *values, const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals)
		exit(2);
#define VALUE(name) \
	if (!strncmp(word, #name "=", sizeof(#name))) \
		values->name = strtoull(equals + 1, NULL, 0);
	VALUES
#undef VALUE
}

int main(int argc, char **argv)
{
	struct nvlink2_cap_values values;
	struct vfio_info_cap caps = { NULL, 0 };
	struct vfio_region_info info;
	unsigned char *user;
	unsigned long argsz;
	int id, n;

	if (argc < 4)
		return 2;
	id = atoi(argv[1]);
	memset(&values, 0, sizeof(values));
	for (n = 4; n < argc; n++)
		take(&values, argv[n]);
	memset(&info, 0, sizeof(info));
	info.size = strtoull(argv[2], NULL, 0);
	argsz = strtoul(argv[3], NULL, 0);
	if (argsz < sizeof(info))
		return EINVAL;

	/* Exactly as long as the caller says: a byte behind it is an error of the sanitizer. */
	user = malloc(argsz);
	if (!user)
		return 3;
	memset(user, 0xee, argsz);
	info.argsz = argsz;
	info.index = 9;
	info.offset = (__u64)info.index << 40;
	info.flags = nvlink2_region_flags(id, info.size != 0);
	put_type(&caps, nvlink2_region_desc(id));
	if (nvlink2_region_add_caps(id, &values, &caps))
		return 3;
	answer(user, &info, &caps);
	fwrite(user, 1, argsz, stdout);
	free(caps.buf);
	free(user);
	return 0;
}
