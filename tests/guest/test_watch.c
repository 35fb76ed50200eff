// SPDX-License-Identifier: GPL-2.0-only
/* nvlink2-info --watch, live: it sees what is mapped and touched, and leaves nothing. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

#define PROGRAM		"/bin/nvlink2-info"
#define INSTANCES	"/sys/kernel/tracing/instances"
#define PATIENCE	30000			/* ms */

static pid_t watcher;
static int output = -1;
static char printed[16384];
static size_t nr_printed;

static void end(void)
{
	if (watcher) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
	}
	watcher = 0;
	close(output);
}

/* Starts it; both its outputs come through one pipe. */
static void start(const char *bdf)
{
	int pipes[2];

	CHECKF(!access(PROGRAM, X_OK), PROGRAM " is not here");
	CHECK(!pipe2(pipes, O_CLOEXEC));
	finally(end);
	output = pipes[0];
	nr_printed = 0;
	printed[0] = 0;
	watcher = fork();
	CHECK(watcher >= 0);
	if (!watcher) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		execl(PROGRAM, PROGRAM, "--watch", bdf, NULL);
		_exit(127);
	}
	close(pipes[1]);
}

static void wait_for(const char *text)
{
	struct pollfd wanted = { .fd = output, .events = POLLIN };
	ssize_t len;

	while (!strstr(printed, text)) {
		CHECKF(poll(&wanted, 1, PATIENCE) > 0, "no '%s', but: %s", text, printed);
		len = read(output, printed + nr_printed, sizeof(printed) - 1 - nr_printed);
		CHECKF(len > 0, "ended without '%s', with: %s", text, printed);
		nr_printed += len;
		printed[nr_printed] = 0;
	}
}

static void sees_mappings_and_faults(void)
{
	char path[128], line[128];
	volatile char *ram;
	const char *gpu;
	int status, fd;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	start(gpu);
	wait_for("watching");
	snprintf(path, sizeof(path), INSTANCES "/nvlink2-info.%d", watcher);
	CHECKF(!access(path, F_OK), "no trace buffer of its own: %s", path);

	fd = device_open(gpu);
	ram = map_region(fd, 0, GPU_SIZE);
	snprintf(line, sizeof(line), "%s  mmap GPU RAM  %#llx -> %#lx  64 MiB\n", gpu, GPU_BASE,
		 (unsigned long)ram);
	wait_for(line);
	ram[GPU_SIZE / 2] = 1;
	snprintf(line, sizeof(line), "%s  fault         %#llx -> %#llx\n", gpu,
		 GPU_BASE + GPU_SIZE / 2, (uintptr_t)ram + GPU_SIZE / 2);
	wait_for(line);

	CHECK(!kill(watcher, SIGINT));
	wait_for("1 mapping, 1 fault\n");
	CHECK_EQ(waitpid(watcher, &status, 0), watcher);
	watcher = 0;
	CHECKF(!status, "it ended with status %#x", status);
	CHECKF(access(path, F_OK), "its trace buffer is still there");
}

const struct test watch_tests[] = {
	TEST(watch, sees_mappings_and_faults),
	{ NULL, NULL }
};
