/* SPDX-License-Identifier: GPL-2.0-only */
/* The new side of planted_old.h. */
#ifndef GATE_PLANTED_H
#define GATE_PLANTED_H

#include <linux/types.h>

#define GATE_PLANTED_NUMBER	3

struct gate_planted_layout {
	__u32 second;
	__u32 first;
};

struct gate_planted_packed {
	__u64 only;
} __attribute__((packed));

struct gate_planted_order {
	__be32 tagged;
};

#endif
