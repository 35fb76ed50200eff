// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a person sees: a machine with 2 GPUs and 4 bridges, and a round trip
 * through GPU RAM.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

/* Shows the command as it would be typed, and runs it. */
static void type(char *const argv[])
{
	int status;
	pid_t child;
	size_t i;

	printf("\n$");
	for (i = 0; argv[i]; i++)
		printf(" %s", i ? argv[i] : strrchr(argv[i], '/') + 1);
	printf("\n");
	fflush(stdout);

	child = fork();
	CHECK(child >= 0);
	if (!child) {
		execv(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status),
	       "%s ended with status %#x", argv[0], status);
}

static void round_trip(void)
{
	static const char text[] = "written through mmap of GPU RAM";
	char back[sizeof(text)] = "";
	uint64_t first;
	char *ram;
	int fd;

	fd = device_open(slots[0].bdf[0]);
	ram = map_region(fd, 0, GPU_SIZE);
	memcpy(ram + 0x10000, text, sizeof(text));
	CHECK_EQ(region_read(fd, back, sizeof(back), 0x10000), sizeof(back));
	CHECK(!strcmp(back, text));
	memcpy(&first, text, sizeof(first));
	CHECK_EQ(phys_read(GPU_BASE + 0x10000), first);
	printf("\nGPU RAM round trip on %s:\n"
	       "  mmap   wrote \"%s\" at offset 0x10000\n"
	       "  pread  gave  \"%s\"\n"
	       "  memory at physical address %#llx begins with %#llx\n",
	       slots[0].bdf[0], text, back, GPU_BASE + 0x10000,
	       (unsigned long long)first);
}

void demo(void)
{
	machine_need(2, 3);
	sim_load("gpu=%s,%s bridge=%s@0,%s@0,%s@1,%s@1 speed=8,8,9,9 base=%#llx,%#llx size=%#llx tgt=%#llx,%#llx",
		 slots[0].bdf[0], slots[1].bdf[0], slots[0].bdf[1],
		 slots[0].bdf[2], slots[1].bdf[1], slots[1].bdf[2], GPU_BASE,
		 GPU_BASE + GPU_SIZE, GPU_SIZE, GPU_TGT, GPU_TGT + GPU_SIZE);
	/* Named, because the machine has plain functions bound as well. */
	type((char *[]){ "/bin/nvlink2-info", slots[0].bdf[0], slots[0].bdf[1],
			 slots[0].bdf[2], slots[1].bdf[0], slots[1].bdf[1],
			 slots[1].bdf[2], NULL });
	round_trip();
	devices_close();
	driver_unload();
}
