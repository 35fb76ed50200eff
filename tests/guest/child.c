// SPDX-License-Identifier: GPL-2.0-only
/* A part of a test that another process does, because it ends there. */

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"

/* It exits when it is done. What fails in it fails the test. */
void in_child(void (*run)(void))
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (!child) {
		run();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "the child ended with status %#x", status);
}

/* Runs a program; its output, of both kinds, is kept. It has to end well. */
void run_program(char *const argv[], char *output, size_t room)
{
	size_t used = 0;
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
	while ((len = read(pipes[0], output + used, room - 1 - used)) > 0)
		used += len;
	output[used] = 0;
	close(pipes[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECKF(!status, "%s ended with status %#x: %s", argv[0], status, output);
}

/* It is killed when it is done, with all it has open and mapped. */
void in_child_killed(void (*run)(void))
{
	pid_t child;
	int ready[2];
	char byte = 0;

	CHECK(!pipe(ready));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close(ready[0]);
		run();
		CHECK_EQ(write(ready[1], &byte, 1), 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECKF(read(ready[0], &byte, 1) == 1, "the child failed");
	close(ready[0]);
	CHECK(!kill(child, SIGKILL));
	CHECK_EQ(waitpid(child, NULL, 0), child);
}
