// SPDX-License-Identifier: GPL-2.0-only
/* The programs of examples/: each shows of a GPU and of a bridge what the simulator has. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

#define WORD		0x6578616d706c6573ULL
#define SPEED		8

static char said[4096];

/* Runs a program with one argument; what it prints on both outputs is kept. */
static void run(char *const argv[])
{
	size_t nr_said = 0;
	int pipes[2], status;
	ssize_t len;
	pid_t child;

	CHECKF(!access(argv[0], X_OK), "%s is not here", argv[0]);
	CHECK(!pipe2(pipes, O_CLOEXEC));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(pipes[1]);
	while ((len = read(pipes[0], said + nr_said, sizeof(said) - 1 - nr_said)) > 0)
		nr_said += len;
	said[nr_said] = 0;
	close(pipes[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "%s ended with status %#x: %s", argv[0], status, said);
}

static void says(const char *want)
{
	CHECKF(!strcmp(said, want), "it says '%s', not '%s'", said, want);
}

/* A program, and a script that it runs or NULL, with the address of a function. */
static void run_for(char *program, char *script, char *bdf)
{
	if (script)
		run((char *[]){ program, script, bdf, NULL });
	else
		run((char *[]){ program, bdf, NULL });
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
	says(want);
	run_for(program, script, slots[0].bdf[1]);
	snprintf(want, sizeof(want),
		 "%s region %d: atsd, %llu bytes, tgt %#llx, link speed code %d\nmapped\n",
		 slots[0].bdf[1], REGION, ATSD_SIZE, GPU_TGT, SPEED);
	says(want);
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
