// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into an unmodified qemu-system-ppc64: gives chip 0 of a powernv9 machine what its
 * firmware needs to bring up an NPU2.
 *
 *  - The registers of the NPU2, reachable by SCOM and by MMIO. They store what is written, and a
 *    few answer at once that something is done. Nothing else happens: no link trains, no address is
 *    translated, nothing is invalidated, no interrupt comes.
 *  - NVIDIA's id on the functions named gpu0, gpu1 and so on: the firmware looks for it.
 *  - RAM where the firmware puts that of the GPUs, backed by files of the host.
 *
 * What reaches the XTS (who may translate for which partition) and the ATSD registers
 * (invalidations) is written to a log, a line for each access. That is what tests look at.
 *
 * Environment:
 *   NPU2_LOG  the file of the log (not set: no log)
 *   NPU2_RAM  a folder; its file ram<N> becomes the RAM of the GPU of group N, whole
 *
 * An emulator that lacks a function used here is stopped by the loader, which names it. What cannot
 * be set up stops it too: a machine without its NPU2 only dies later, of a machine check.
 */
#include "shim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

FILE *log_file;

void die(const char *format, ...)
{
	va_list args;

	fputs("npu2 shim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	/* Not exit(): that would run the emulator's own ends, half set up. */
	fflush(stderr);
	_exit(1);
}

void *zeroed(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die("no memory for %zu bytes", size);
	return memory;
}

/* Over what the emulator has there itself. */
void add_registers(void *parent, uint64_t at, uint64_t size, const struct region_ops *ops,
			  void *opaque, const char *name)
{
	void *region = zeroed(REGION_ROOM);

	memory_region_init_io(region, NULL, ops, opaque, name, size);
	memory_region_add_subregion_overlap(parent, at, region, 1);
}

static void machine_is_made(struct notifier *notifier, void *data)
{
	const char *folder = getenv("NPU2_RAM");

	(void)notifier;
	(void)data;
	add_scom_registers();
	add_ring();
	make_gpus();
	if (folder)
		add_gpu_rams(folder);
}

static struct notifier made = { .notify = machine_is_made };

__attribute__((constructor))
static void begin(void)
{
	const char *path = getenv("NPU2_LOG");

	log_file = path ? fopen(path, "w") : NULL;
	if (path && !log_file)
		die("cannot write the log %s", path);
	/* The emulator is killed at the end: what is not written by then is lost. */
	if (log_file)
		setvbuf(log_file, NULL, _IOLBF, 0);
	qemu_add_machine_init_done_notifier(&made);
}
