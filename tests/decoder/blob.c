// SPDX-License-Identifier: GPL-2.0-only
/* Makes up buffers as VFIO_DEVICE_GET_REGION_INFO fills them, little endian as the golden ones. */

#include "decoder.h"

void put16(struct buf *buf, size_t offset, unsigned int value)
{
	buf->data[offset] = value;
	buf->data[offset + 1] = value >> 8;
}

void put32(struct buf *buf, size_t offset, uint32_t value)
{
	put16(buf, offset, value & 0xffff);
	put16(buf, offset + 2, value >> 16);
}

void put64(struct buf *buf, size_t offset, uint64_t value)
{
	put32(buf, offset, value & 0xffffffff);
	put32(buf, offset + 4, value >> 32);
}

void start(struct buf *buf, uint64_t size)
{
	memset(buf, 0, sizeof(*buf));
	buf->len = HEAD;
	put32(buf, 0, HEAD);
	put32(buf, 4, 7);
	put32(buf, 8, 9);
	put64(buf, 16, size);
	put64(buf, 24, 9ULL << 40);
}

/* A record at the end of the chain; its offset. */
size_t add(struct buf *buf, unsigned int id, unsigned int version, const void *payload,
	   size_t len)
{
	size_t offset = buf->len;

	put16(buf, offset, id);
	put16(buf, offset + 2, version);
	put32(buf, offset + 4, 0);
	memcpy(buf->data + offset + 8, payload, len);
	if (buf->last) {
		put32(buf, buf->last + 4, offset);
	} else {
		put32(buf, 4, buf->data[4] | 8);
		put32(buf, 12, offset);
	}
	buf->last = offset;
	buf->len += 8 + len;
	put32(buf, 0, buf->len);
	return offset;
}

static size_t add_words(struct buf *buf, unsigned int id, uint32_t first, uint32_t second)
{
	size_t offset = add(buf, id, 1, "\0\0\0\0\0\0\0", 8);

	put32(buf, offset + 8, first);
	put32(buf, offset + 12, second);
	return offset;
}

size_t add_type(struct buf *buf, unsigned int vendor)
{
	return add_words(buf, 2, 0x80000000 | vendor, 1);
}

size_t add_tgt(struct buf *buf, uint64_t tgt)
{
	return add_words(buf, 4, tgt & 0xffffffff, tgt >> 32);
}

size_t add_speed(struct buf *buf, uint32_t speed)
{
	return add_words(buf, 5, speed, 0);
}

/* Records at 32, 48 and 64; 80 bytes in all. */
void start_atsd(struct buf *buf)
{
	start(buf, 0x10000);
	add_type(buf, 0x1014);
	add_tgt(buf, 0x400000000ULL);
	add_speed(buf, 8);
}

void load_golden(struct buf *buf, const char *name)
{
	char path[4096];
	FILE *file;

	memset(buf, 0, sizeof(*buf));
	snprintf(path, sizeof(path), "%s/%s", getenv("GOLDEN"), name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be opened", path);
	buf->len = fread(buf->data, 1, sizeof(buf->data), file);
	fclose(file);
}
