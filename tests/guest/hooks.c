// SPDX-License-Identifier: GPL-2.0-only
/* Resets held half-way by the simulator, and touches that may get SIGBUS. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "nvtest.h"

#define HOOKS	"/sys/kernel/debug/nvlink2-sim/hooks"

/* What must still be called for a function before the next test. */
static struct {
	const char *verb;
	char bdf[16];
} owed[8];
static unsigned int nr_owed;

static void owe(const char *verb, const char *bdf)
{
	CHECK(nr_owed < ARRAY_LEN(owed));
	owed[nr_owed].verb = verb;
	strcpy(owed[nr_owed++].bdf, bdf);
}

static void paid(const char *verb, const char *bdf)
{
	unsigned int i;

	for (i = 0; i < nr_owed; i++) {
		if (strcmp(owed[i].verb, verb) || strcmp(owed[i].bdf, bdf))
			continue;
		owed[i] = owed[--nr_owed];
		return;
	}
}

/* A test that failed half-way leaves no device blocked for the next one. */
static void hooks_finish(void)
{
	char text[64];

	while (nr_owed) {
		nr_owed--;
		snprintf(text, sizeof(text), "%s %s", owed[nr_owed].verb,
			 owed[nr_owed].bdf);
		write_text(HOOKS, text);
	}
}

/* Calls the driver as the PCI core would: prepare, done, detected, ... */
void hook(const char *verb, const char *bdf)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %s", verb, bdf);
	finally(hooks_finish);
	write_text(HOOKS, text);
	if (!strcmp(verb, "prepare"))
		owe("done", bdf);
	else if (!strcmp(verb, "detected"))
		owe("resume", bdf);
	else
		paid(verb, bdf);
}

/* A reset from its beginning to its end; vfio-pci of 5.10 hears only of its own. */
void whole_reset(int fd, const char *bdf)
{
	if (driver_in_vfio_pci()) {
		CHECKF(!ioctl(fd, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET: %s",
		       strerror(errno));
		return;
	}
	hook("prepare", bdf);
	hook("done", bdf);
}

static __thread sigjmp_buf escape;
static __thread volatile bool armed;

static void on_bus_error(int sig)
{
	if (armed)
		siglongjmp(escape, 1);
	/* Not one that was expected: the access is repeated, and kills. */
	signal(sig, SIG_DFL);
}

/*
 * A load that may get SIGBUS; false when it did. For any number of threads. It
 * stays prepared for more: a call to the kernel for each would be most of it.
 */
bool load_word(const volatile uint64_t *at, uint64_t *value)
{
	static volatile bool installed;
	struct sigaction act = {
		.sa_handler = on_bus_error, .sa_flags = SA_NODEFER,
	};

	if (!installed) {
		CHECK(!sigaction(SIGBUS, &act, NULL));
		installed = true;
	}
	if (sigsetjmp(escape, 0)) {
		armed = false;
		return false;
	}
	armed = true;
	*value = *at;
	armed = false;
	return true;
}
