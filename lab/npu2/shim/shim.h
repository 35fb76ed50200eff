/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the shim share; shim.c says what it is. */
#ifndef NPU2_SHIM_H
#define NPU2_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "emulator.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
/* Bits are counted from the most significant one, as the manuals of POWER do. */
#define PPC_BIT(bit) (1ULL << (63 - (bit)))

/* shim.c */
extern FILE *log_file;		/* NULL: there is no log */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void *zeroed(size_t size);
void add_registers(void *parent, uint64_t at, uint64_t size, const struct region_ops *ops,
		   void *opaque, const char *name);

/* ring.c: places are those of the ring, sizes and shifts in bytes and bits */
void add_ring(void);
const char *ring_name(uint64_t place);
const char *ring_name_of_write(uint64_t place, uint64_t value);
uint64_t ring_read(uint64_t place, unsigned int size);
void ring_write(uint64_t place, uint64_t value, unsigned int size);

/* scom.c, gpus.c */
void add_scom_registers(void);
void make_gpus(void);
void add_gpu_rams(const char *folder);

#endif /* NPU2_SHIM_H */
