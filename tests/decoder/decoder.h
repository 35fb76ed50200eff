/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the decoder share. */
#ifndef TESTS_DECODER_H
#define TESTS_DECODER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vfio_nvlink2_decode.h"

#define HEAD		32	/* sizeof(struct vfio_region_info) */
#define MAX_BUF		4096
#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

/* A buffer that is being made up. */
struct buf {
	unsigned char data[MAX_BUF];
	size_t len;
	size_t last;		/* offset of the record put in last, 0 before the first */
};

/* blob.c */
void put16(struct buf *buf, size_t offset, unsigned int value);
void put32(struct buf *buf, size_t offset, uint32_t value);
void put64(struct buf *buf, size_t offset, uint64_t value);
void start(struct buf *buf, uint64_t size);
size_t add(struct buf *buf, unsigned int id, unsigned int version, const void *payload,
	   size_t len);
size_t add_type(struct buf *buf, unsigned int vendor);
size_t add_tgt(struct buf *buf, uint64_t tgt);
size_t add_speed(struct buf *buf, uint32_t speed);
void start_atsd(struct buf *buf);
void load_golden(struct buf *buf, const char *name);

/* model.c: what the decoder has to say, worked out in another way. */
struct model {
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_region region;
	size_t nr_caps, offsets[MAX_BUF / 8];
};

void model_decode(const unsigned char *data, size_t len, struct model *model);

/*
 * Decodes a copy that ends where the memory ends, a copy at every misalignment, and
 * compares both with the model. Leaves the model's answer in *model, which may be NULL.
 */
void check_against_model(const unsigned char *data, size_t len, struct model *model);

/* The decoder's answer about a buffer of exactly this length. */
enum vfio_nvlink2_status decode_exactly(const struct buf *buf, struct vfio_nvlink2_region *out);

/* Each file's tests; main.c runs them. */
int run_golden(void);
int run_chain(void);
int run_records(void);
int run_words(void);
int run_fuzz(void);

#endif /* TESTS_DECODER_H */
