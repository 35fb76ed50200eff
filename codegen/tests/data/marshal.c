// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generated marshalling, run outside of the kernel.
 *
 * marshal REGION TGT SPEED FAIL PRIOR: builds a chain as the vfio core does, PRIOR records
 * of others ahead of the TYPE record, and prints it in hex with `next` counting from the
 * start of struct vfio_region_info. Allocation number FAIL (from 1) fails.
 */
#include <stdio.h>

#include "caps.h"

static void print_chain(struct vfio_info_cap *caps)
{
	unsigned char *bytes = (void *)caps->buf;
	size_t n;

	shift_chain(caps);
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
