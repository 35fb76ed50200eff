/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON, whatever its content: commas, line breaks, quotes and null are the writer's.
 *
 *	struct json_writer json;
 *
 *	json_start(&json, stdout);
 *	json_number(&json, "format", 1);
 *	json_array(&json, "devices");
 *	json_string(&json, NULL, "0004:04:00.0");
 *	json_close(&json);
 *	json_end(&json);
 *
 * The key is NULL for an element of an array.
 */
#ifndef NVLINK2_INFO_JSON_WRITER_H
#define NVLINK2_INFO_JSON_WRITER_H

#include <stdio.h>

#define JSON_DEPTH	16

struct json_writer {
	FILE *out;
	unsigned int depth;		/* objects and arrays that are open */
	struct {
		char end;		/* what closes it */
		char has_elements;
	} open[JSON_DEPTH];
};

void json_start(struct json_writer *json, FILE *out);
void json_end(struct json_writer *json);
void json_object(struct json_writer *json, const char *key);
void json_array(struct json_writer *json, const char *key);
void json_close(struct json_writer *json);
void json_null(struct json_writer *json, const char *key);
void json_number(struct json_writer *json, const char *key, unsigned long long number);
void json_decimal(struct json_writer *json, const char *key, const char *digits);
void json_string(struct json_writer *json, const char *key, const char *string);

#endif /* NVLINK2_INFO_JSON_WRITER_H */
