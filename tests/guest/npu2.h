/* SPDX-License-Identifier: GPL-2.0-only */
/* test_npu2.c: the GPUs and bridges of a machine whose firmware has made an NPU2. */
#ifndef NPU2_H
#define NPU2_H

#include <stdint.h>

void npu2_find(void);
void npu2_find_gpus(void);
unsigned int npu2_cells(const char *bdf, const char *prop, uint32_t *value, unsigned int room);

#endif /* NPU2_H */
