/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One change for every detector, the old side. Each run of the ABI gate compares this with
 * planted_new.h in every configuration; a detector that does not see its change is blind.
 */
#ifndef GATE_PLANTED_H
#define GATE_PLANTED_H

#include <linux/types.h>

#define GATE_PLANTED_NUMBER	1
#define GATE_PLANTED_GONE	2

struct gate_planted_layout {
	__u32 first;
	__u32 second;
};

struct gate_planted_packed {
	__u64 only;
};

struct gate_planted_order {
	__u32 tagged;
};

#endif
