// SPDX-License-Identifier: GPL-2.0-only
/* Memory, texts and errors. Without memory the program ends: it has nothing to give back. */

#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void out_of_memory(void)
{
	fprintf(stderr, INFO_NAME ": out of memory\n");
	exit(INFO_USAGE);
}

/**
 * info_alloc() - reallocarray() that does not fail
 * @old: memory to make larger, or NULL
 * @nr: elements
 * @size: bytes of one
 *
 * Return: the memory, uninitialised where it is new.
 */
void *info_alloc(void *old, size_t nr, size_t size)
{
	void *memory = reallocarray(old, nr, size);

	if (!memory)
		out_of_memory();
	return memory;
}

/**
 * info_format() - a text of its own
 * @format: as for printf()
 *
 * Return: the text, which the caller frees.
 */
char *info_format(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		out_of_memory();
	return text;
}

/**
 * info_fail() - note a failure; the first one is the one to report
 * @error: where to note it
 * @cause: what went wrong; taken over
 * @cure: what helps, or NULL; taken over
 */
void info_fail(struct info_error *error, char *cause, char *cure)
{
	if (error->cause) {
		free(cause);
		free(cure);
		return;
	}
	error->cause = cause;
	error->cure = cure;
}
