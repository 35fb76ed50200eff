/* SPDX-License-Identifier: GPL-2.0-only */
/* The GPUs and bridges of a machine whose firmware has made an NPU2, and whose they are. */
#ifndef NPU2_H
#define NPU2_H

#include <stdint.h>

struct slot;

/* Whose page tables serve a GPU. */
enum { NPU2_NOBODY, NPU2_HOST, NPU2_VM };

/* test_npu2.c */
void npu2_find(void);
void npu2_find_gpus(void);
unsigned int npu2_cells(const char *bdf, const char *prop, uint32_t *value, unsigned int room);

/* npu2.c */
unsigned int npu2_first_link(const struct slot *slot);
uint64_t npu2_atsd_lparid(unsigned int link);
uint64_t npu2_link_window(void);
void npu2_remove_window(int container, uint64_t start);
int npu2_owner_of(const struct slot *slot, uint64_t *lpid);
void npu2_owner_is(const struct slot *slot, int want);
void npu2_all_are(int want);
void npu2_find_and_be_the_hosts(void);
int npu2_group_of(const char *bdf);
unsigned int npu2_group_size(const char *bdf);
const char *npu2_info(void);
void npu2_info_must_have(const char *output, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void npu2_be_a_vm_with_all(void);
void npu2_remove(const char *bdf);
void npu2_find_again(unsigned int slot, unsigned int first, unsigned int end);

#endif /* NPU2_H */
