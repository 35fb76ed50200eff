// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder's rules a second time, slow and plain: numbers are added up from bytes, all
 * arithmetic is in 64 bits, and the chain is first turned into a list of offsets.
 */

#include "decoder.h"

static uint64_t get(const unsigned char *data, uint64_t offset, unsigned int bytes)
{
	uint64_t value = 0;
	unsigned int n;

	for (n = 0; n < bytes; n++)
		value += (uint64_t)data[offset + n] << (8 * n);
	return value;
}

/* Whether a record's header can be at an offset of a buffer that ends at `end`. */
static enum vfio_nvlink2_status place(uint64_t offset, uint64_t end)
{
	if (offset + 8 > end)
		return VFIO_NVLINK2_E_OFFSET;
	return offset % 8 ? VFIO_NVLINK2_E_ALIGN : VFIO_NVLINK2_OK;
}

/* The offsets of the chain, and how it ends: with END, or with what is wrong. */
static enum vfio_nvlink2_status walk(const unsigned char *data, uint64_t end,
				     struct model *model)
{
	uint64_t offset = get(data, 12, 4), next;
	enum vfio_nvlink2_status status;

	if (!(get(data, 4, 4) & 8) || offset == 0)
		return VFIO_NVLINK2_END;
	if (offset < HEAD)
		return VFIO_NVLINK2_E_OFFSET;
	for (;;) {
		status = place(offset, end);
		if (status != VFIO_NVLINK2_OK)
			return status;
		model->offsets[model->nr_caps++] = offset;
		next = get(data, offset + 4, 4);
		if (next == 0)
			return VFIO_NVLINK2_END;
		if (next <= offset)
			return VFIO_NVLINK2_E_CYCLE;
		offset = next;
	}
}

static int known(uint64_t id)
{
	return id == 2 || id == 4 || id == 5;
}

static void take(const unsigned char *record, uint64_t id, struct vfio_nvlink2_region *region)
{
	if (id == 2 && !region->has_type) {
		region->has_type = 1;
		region->type = get(record, 8, 4);
		region->subtype = get(record, 12, 4);
	} else if (id == 4 && !region->has_ssatgt) {
		region->has_ssatgt = 1;
		region->tgt = get(record, 8, 8);
	} else if (id == 5 && !region->has_lnkspd) {
		region->has_lnkspd = 1;
		region->link_speed = get(record, 8, 4);
	}
}

/* What the records say, up to the first that has too little room. */
static enum vfio_nvlink2_status collect(const unsigned char *data, uint64_t end,
					struct model *model)
{
	uint64_t offset, room, next;
	size_t n;

	for (n = 0; n < model->nr_caps; n++) {
		offset = model->offsets[n];
		next = get(data, offset + 4, 4);
		room = (next >= offset + 8 && next < end ? next : end) - offset;
		if (!known(get(data, offset, 2)) || !get(data, offset + 2, 2))
			model->region.unknown_caps++;
		else if (room < 16)
			return VFIO_NVLINK2_E_RECORD;
		else
			take(data + offset, get(data, offset, 2), &model->region);
	}
	return VFIO_NVLINK2_OK;
}

static enum vfio_nvlink2_kind kind(const struct vfio_nvlink2_region *region)
{
	if (!region->has_type || region->subtype != 1)
		return VFIO_NVLINK2_KIND_NONE;
	if (region->type == 0x800010de)
		return VFIO_NVLINK2_KIND_GPU_RAM;
	if (region->type == 0x80001014)
		return VFIO_NVLINK2_KIND_ATSD;
	return VFIO_NVLINK2_KIND_NONE;
}

void model_decode(const unsigned char *data, size_t len, struct model *model)
{
	enum vfio_nvlink2_status end;
	uint64_t argsz;

	memset(model, 0, sizeof(*model));
	model->status = VFIO_NVLINK2_E_SHORT;
	argsz = len < HEAD ? 0 : get(data, 0, 4);
	if (argsz < HEAD)
		return;
	model->region.flags = get(data, 4, 4);
	model->region.index = get(data, 8, 4);
	model->region.size = get(data, 16, 8);
	model->region.offset = get(data, 24, 8);
	model->status = VFIO_NVLINK2_E_TRUNCATED;
	if (argsz > len)
		return;
	end = walk(data, argsz, model);
	model->status = collect(data, argsz, model);
	if (model->status == VFIO_NVLINK2_OK && end != VFIO_NVLINK2_END)
		model->status = end;
	model->region.kind = kind(&model->region);
}

static void compare(const unsigned char *data, size_t len, const struct model *model)
{
	struct vfio_nvlink2_region region;
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_cap cap;
	size_t n = 0;

	/* What it leaves unset shows. */
	memset(&region, 0xa5, sizeof(region));
	assert_int_equal(vfio_nvlink2_decode(data, len, &region), model->status);
	assert_int_equal(region.index, model->region.index);
	assert_int_equal(region.flags, model->region.flags);
	assert_true(region.size == model->region.size);
	assert_true(region.offset == model->region.offset);
	assert_int_equal(region.kind, model->region.kind);
	assert_int_equal(region.has_type, model->region.has_type);
	assert_int_equal(region.type, model->region.type);
	assert_int_equal(region.subtype, model->region.subtype);
	assert_int_equal(region.has_ssatgt, model->region.has_ssatgt);
	assert_true(region.tgt == model->region.tgt);
	assert_int_equal(region.has_lnkspd, model->region.has_lnkspd);
	assert_int_equal(region.link_speed, model->region.link_speed);
	assert_int_equal(region.unknown_caps, model->region.unknown_caps);

	for (status = vfio_nvlink2_cap_first(data, len, &cap); status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(data, len, &cap)) {
		assert_true(n < model->nr_caps);
		assert_int_equal(cap.offset, model->offsets[n++]);
		assert_ptr_equal(cap.data, data + cap.offset);
		assert_true(cap.room >= 8 && cap.offset + cap.room <= len);
	}
	assert_int_equal(n, model->nr_caps);
}

void check_against_model(const unsigned char *data, size_t len, struct model *model)
{
	struct model *answer = malloc(sizeof(*answer));
	unsigned char *copy;
	size_t shift;

	assert_non_null(answer);
	model_decode(data, len, answer);
	for (shift = 0; shift < 8; shift++) {
		/* The sanitizer watches the byte after it. */
		copy = malloc(shift + len);
		assert_non_null(copy);
		memcpy(copy + shift, data, len);
		compare(copy + shift, len, answer);
		free(copy);
	}
	if (model)
		*model = *answer;
	free(answer);
}

enum vfio_nvlink2_status decode_exactly(const struct buf *buf, struct vfio_nvlink2_region *out)
{
	unsigned char *copy = malloc(buf->len + !buf->len);
	enum vfio_nvlink2_status status;

	assert_non_null(copy);
	memcpy(copy, buf->data, buf->len);
	status = vfio_nvlink2_decode(copy, buf->len, out);
	free(copy);
	check_against_model(buf->data, buf->len, NULL);
	return status;
}
