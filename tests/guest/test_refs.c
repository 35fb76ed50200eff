// SPDX-License-Identifier: GPL-2.0-only
/*
 * References on device nodes and PCI functions: as many after an open and a
 * close as before, whatever became of the open (D20, D21).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvtest.h"

#define REFERENCES	"/sys/kernel/debug/nvlink2-sim/references"
#define FAIL_BIND	"/sys/module/nvlink2_sim/parameters/fail_bind"

/* Every flaw of the simulator's tree; an open of GPU or bridge fails with most. */
static const char * const flaws[] = {
	"none", "npu-dangling", "npu-and-gpu", "gpu-dangling",
	"memory-region-missing", "memory-region-dangling", "reg-missing",
	"reg-short", "size-zero", "size-misaligned", "size-huge", "base-zero",
	"base-misaligned", "base-wraps", "base-system-ram", "tgt-missing",
	"tgt-short", "speed-missing", "speed-short", "nvlink-missing",
	"nvlink-dangling", "link-index-missing", "link-index-short",
	"atsd-missing", "atsd-empty", "atsd-short", "atsd-zero",
	"atsd-misaligned", "atsd-system-ram",
};

static void open_and_close(const char *bdf)
{
	int fd = device_try_open(bdf);

	if (fd >= 0)
		device_close(fd);
}

/* The lines of one kind ("": all) before and after; the group stays open meanwhile. */
static void expect_balance(const char *kind, const char *flaw)
{
	char *before = strdup(read_text(REFERENCES)), *after, *a, *b;
	char *save_a = NULL, *save_b = NULL;
	unsigned int i, lines = 0;

	for (i = 0; i < 3; i++) {
		open_and_close(slots[0].bdf[0]);
		open_and_close(slots[0].bdf[1]);
	}
	after = strdup(read_text(REFERENCES));
	a = strtok_r(before, "\n", &save_a);
	b = strtok_r(after, "\n", &save_b);
	while (a && b) {
		if (!strncmp(a, kind, strlen(kind))) {
			CHECKF(!strcmp(a, b), "flaw %s: '%s' became '%s'",
			       flaw, a, b);
			lines++;
		}
		a = strtok_r(NULL, "\n", &save_a);
		b = strtok_r(NULL, "\n", &save_b);
	}
	CHECK(!a && !b);
	CHECKF(lines >= 4, "only %u lines of %s", lines, kind);
	free(before);
	free(after);
}

static void balance_of(const char *kind)
{
	char extra[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(flaws); i++) {
		snprintf(extra, sizeof(extra), "flaw=%s", flaws[i]);
		sim_load_default(extra);
		device_group(slots[0].bdf[0]);
		expect_balance(kind, flaws[i]);
		devices_close();
	}
}

static void functions_balance_D20(void)
{
	balance_of("function ");
}

static void nodes_balance_D21(void)
{
	balance_of("node ");
}

/*
 * For a VM: bound, refused by the provider, and without one. That the simulator
 * can be replaced after each shows that no reference on the provider is left.
 */
static void with_a_vm_balance_D20_D21(void)
{
	static const struct {
		const char *extra, *fail_bind;
	} ways[] = { { "", "0" }, { "", "5" }, { "platform=0", NULL } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(ways); i++) {
		sim_unload();
		sim_load_default(ways[i].extra);
		if (ways[i].fail_bind)
			write_text(FAIL_BIND, ways[i].fail_bind);
		vm_with(slots[0].bdf[0]);
		expect_balance("", "none, with a VM");
		devices_close();
	}
	sim_unload();
}

const struct test refs_tests[] = {
	TEST(refs_of, functions_balance_D20),
	TEST(refs_of, nodes_balance_D21),
	TEST(refs, with_a_vm_balance_D20_D21),
	{ NULL, NULL }
};
