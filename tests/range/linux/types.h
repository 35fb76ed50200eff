/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of the kernel's header as range.h uses. */
#ifndef TESTS_RANGE_TYPES_H
#define TESTS_RANGE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t u64;

#endif /* TESTS_RANGE_TYPES_H */
