// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the generated decoder for C says of buffers, to be compared with what the one for Python
 * says. Standard input: buffers, each behind its length in 4 bytes, all little endian. A line each:
 * the status, and of what was decoded every number.
 */
#include <stdio.h>

#define VFIO_NVLINK2_DECODE_LE
#include "vfio_nvlink2_decode.h"

int main(void)
{
	static unsigned char buf[65536];
	struct vfio_nvlink2_region r;
	unsigned char len[4];

	while (fread(len, 1, 4, stdin) == 4) {
		size_t n = vfio_nvlink2_get32(len, 0);
		int status;

		if (n > sizeof(buf) || fread(buf, 1, n, stdin) != n)
			return 2;
		status = vfio_nvlink2_decode(buf, n, &r);
		printf("%d %u %u %llu %llu %s %d %u %u %d %llu %d %u %u", status, r.index, r.flags,
		       (unsigned long long)r.size, (unsigned long long)r.offset,
		       vfio_nvlink2_kind_name(r.kind), r.has_type, r.type, r.subtype,
		       r.has_ssatgt, (unsigned long long)r.tgt, r.has_lnkspd, r.link_speed,
		       r.unknown_caps);
#ifdef GROWN	/* The fields that codegen/tests/test_evolution.py makes up. */
		printf(" %u %u %llu", r.lanes, r.errors, (unsigned long long)r.owner);
#endif
		putchar('\n');
	}
	return 0;
}
