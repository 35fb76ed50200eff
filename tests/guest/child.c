// SPDX-License-Identifier: GPL-2.0-only
/* A part of a test that another process does, because it ends there. */

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
