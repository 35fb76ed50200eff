// SPDX-License-Identifier: GPL-2.0-only
/* Sizes and speeds as people read them. */

#include "units.h"

#include <stdio.h>

#include "vfio_nvlink2_decode.h"

/* 64 MiB, 64 KiB, 1.5 GiB, 17 bytes. */
void info_print_size(unsigned long long size)
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned long long whole = size;
	unsigned int unit = 0;

	while (whole >= 1024) {
		whole /= 1024;
		unit++;
	}
	if (size == whole << (10 * unit))
		printf("%llu %s", whole, units[unit]);
	else
		printf("%.1f %s", (double)size / (double)(1ULL << (10 * unit)), units[unit]);
}

void info_print_speed(__u32 link_speed)
{
	const char *gbit = vfio_nvlink2_speed_gbit(link_speed);

	if (gbit)
		printf("%s Gbit/s", gbit);
	else
		printf("unknown (%#x)", link_speed);
}
