// SPDX-License-Identifier: GPL-2.0-only
/* The programs of examples/: each shows of a GPU and of a bridge what the simulator has. */

#include <stdio.h>

#include "nvtest.h"

#define WORD		0x6578616d706c6573ULL
#define SPEED		8

static char output[4096];

static void printed(const char *want)
{
	CHECKF(!strcmp(output, want), "it prints '%s', not '%s'", output, want);
}

/* A program, and a script that it runs or NULL, with the address of a function. */
static void run_for(char *program, char *script, char *bdf)
{
	if (script)
		run_program((char *[]){ program, script, bdf, NULL }, output, sizeof(output));
	else
		run_program((char *[]){ program, bdf, NULL }, output, sizeof(output));
}

static void shows_gpu_and_bridge(char *program, char *script)
{
	char want[256];

	sim_load_default(NULL);
	phys_write(GPU_BASE, WORD);
	run_for(program, script, slots[0].bdf[0]);
	snprintf(want, sizeof(want),
		 "%s region %d: gpu_ram, %llu bytes, tgt %#llx\nfirst word %#llx\n",
		 slots[0].bdf[0], REGION, GPU_SIZE, GPU_TGT, WORD);
	printed(want);
	run_for(program, script, slots[0].bdf[1]);
	snprintf(want, sizeof(want),
		 "%s region %d: atsd, %llu bytes, tgt %#llx, link speed code %d\nmapped\n",
		 slots[0].bdf[1], REGION, ATSD_SIZE, GPU_TGT, SPEED);
	printed(want);
}

static void in_c(void)
{
	shows_gpu_and_bridge("/bin/regions-c", NULL);
}

static void in_cpp(void)
{
	shows_gpu_and_bridge("/bin/regions-cpp", NULL);
}

static void in_python(void)
{
	shows_gpu_and_bridge("/usr/bin/python3", "/examples/regions.py");
}

const struct test examples_tests[] = {
	TEST(examples, in_c),
	TEST(examples, in_cpp),
	TEST(examples, in_python),
	{ NULL, NULL }
};
