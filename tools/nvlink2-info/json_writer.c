// SPDX-License-Identifier: GPL-2.0-only
/* JSON's syntax, as RFC 8259 has it. The content is show_json.c's. */

#include "json_writer.h"

#include <stdlib.h>

/* The elements of the outer levels have a line each; those further in share one. */
#define LINES_DEPTH	4

/* How many bytes of well-formed UTF-8 begin here; 0 when what is here is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len, n;

	if (*s < 0x80)
		return 1;
	if (*s >= 0xc2 && *s <= 0xdf)
		len = 2;
	else if ((*s & 0xf0) == 0xe0)
		len = 3;
	else if (*s >= 0xf0 && *s <= 0xf4)
		len = 4;
	else
		return 0;
	for (n = 1; n < len; n++)
		if ((s[n] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies past the last code point. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void write_string(FILE *out, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t len;

	putc('"', out);
	for (; *s; s += len ? len : 1) {
		len = utf8_length(s);
		if (!len)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, len, out);
	}
	putc('"', out);
}

static void new_line(struct json_writer *json)
{
	fprintf(json->out, "\n%*s", 2 * (int)json->depth, "");
}

/* What stands between the element before and the value of this one. */
static void begin_element(struct json_writer *json, const char *key)
{
	char *has_elements;

	if (!json->depth)
		return;
	has_elements = &json->open[json->depth - 1].has_elements;
	if (*has_elements)
		putc(',', json->out);
	if (json->depth <= LINES_DEPTH)
		new_line(json);
	else if (*has_elements)
		putc(' ', json->out);
	*has_elements = 1;
	if (key) {
		write_string(json->out, key);
		fputs(": ", json->out);
	}
}

static void open_container(struct json_writer *json, const char *key, char begin, char end)
{
	begin_element(json, key);
	if (json->depth == JSON_DEPTH)
		abort();		/* the depth of the content is the program's, not its input's */
	putc(begin, json->out);
	json->open[json->depth].end = end;
	json->open[json->depth++].has_elements = 0;
}

/**
 * json_start() - begin a document, which is one object
 * @json: the writer; its fields are set here
 * @out: where to write
 */
void json_start(struct json_writer *json, FILE *out)
{
	json->out = out;
	json->depth = 0;
	open_container(json, NULL, '{', '}');
}

/**
 * json_end() - close everything that is open, and the last line
 * @json: the writer
 */
void json_end(struct json_writer *json)
{
	while (json->depth)
		json_close(json);
	putc('\n', json->out);
}

void json_object(struct json_writer *json, const char *key)
{
	open_container(json, key, '{', '}');
}

void json_array(struct json_writer *json, const char *key)
{
	open_container(json, key, '[', ']');
}

/**
 * json_close() - close the object or array that was opened last
 * @json: the writer
 */
void json_close(struct json_writer *json)
{
	int lines = json->open[json->depth - 1].has_elements && json->depth <= LINES_DEPTH;
	char end = json->open[--json->depth].end;

	if (lines)
		new_line(json);
	putc(end, json->out);
}

void json_null(struct json_writer *json, const char *key)
{
	begin_element(json, key);
	fputs("null", json->out);
}

void json_number(struct json_writer *json, const char *key, unsigned long long number)
{
	begin_element(json, key);
	fprintf(json->out, "%llu", number);
}

/**
 * json_decimal() - a number that is there as text, such as "12.5"
 * @json: the writer
 * @key: its name
 * @digits: a number in JSON's form, or NULL for null
 */
void json_decimal(struct json_writer *json, const char *key, const char *digits)
{
	begin_element(json, key);
	fputs(digits ? digits : "null", json->out);
}

/**
 * json_string() - a text; bytes that are no UTF-8 become U+FFFD
 * @json: the writer
 * @key: its name
 * @string: the text, or NULL for null
 */
void json_string(struct json_writer *json, const char *key, const char *string)
{
	begin_element(json, key);
	if (string)
		write_string(json->out, string);
	else
		fputs("null", json->out);
}
