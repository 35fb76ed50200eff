// SPDX-License-Identifier: GPL-2.0-only
/* The runner: TAP 14 on standard output, one line a test. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"
#include "nvtest.h"

static const struct test *const basic_lists[] = {
	region_tests, gpu_ram_tests, gpu_ram_rw_tests, atsd_tests,
	atsd_platform_tests, trace_tests, flaw_tests, lpar_tests,
	lpar_provider_tests, life_tests, reset_tests, links_tests, blocked_tests,
	refs_tests, rw_limits_tests, lpar_life_tests, partition_tests,
	map_tests, NULL
};
/* What translates GPU RAM for DMA, which not every stock kernel survives. */
static const struct test *const dma_lists[] = {
	dma_tests, quarantine_tests, quarantine_unload_tests, NULL
};
/* Where the driver is a part of vfio-pci: Linux 5.10. */
static const struct test *const in_vfio_pci_lists[] = {
	region_tests, gpu_ram_tests, gpu_ram_rw_tests, atsd_tests, trace_tests,
	flaw_tests, lpar_tests, life_tests, refs_tests, rw_limits_tests,
	lpar_life_tests, map_tests, in_vfio_pci_tests, fault_tests,
	fault_split_tests, fault_race_tests, copy_map_tests, dma_tests,
	quarantine_tests, NULL
};
static const struct test *const fault_lists[] = {
	fault_tests, fault_split_tests, fault_race_tests, fault_radix_tests,
	copy_map_tests, NULL
};
static const struct test *const hash_lists[] = {
	fault_hash_tests, fault_tests, fault_split_tests, fault_race_tests,
	copy_map_tests, NULL
};
static const struct test *const topology_lists[] = { topology_tests, NULL };

static const struct test *const clients_lists[] = {
	walker_tests, watch_tests, qemu_tests, NULL
};

static const struct test *const examples_lists[] = { examples_tests, NULL };

static const struct test *const kvm_lists[] = { kvm_tests, NULL };

static const struct test *const npu2_lists[] = { npu2_tests, NULL };
static const struct test *const npu2_platform_lists[] = { npu2_platform_tests, NULL };
static const struct test *const npu2_stock_lists[] = { npu2_stock_tests, NULL };
static const struct test *const npu2_refused_lists[] = { npu2_refused_tests, NULL };
static const struct test *const npu2_reboot_lists[] = { npu2_reboot_tests, NULL };

static const struct test *const kernel_bug_lists[] = { kernel_bug_tests, NULL };

static const struct test *const race_lists[] = { race_tests, NULL };

static const struct test *const failnth_lists[] = {
	failnth_driver_tests, failnth_tests, NULL
};

static const struct suite suites[] = {
	{ "basic", basic_lists },
	{ "dma", dma_lists },
	{ "in_vfio_pci", in_vfio_pci_lists },
	{ "fault", fault_lists },
	{ "hash", hash_lists },
	{ "topology", topology_lists },
	{ "clients", clients_lists },
	{ "kvm", kvm_lists },
	{ "examples", examples_lists },
	{ "npu2", npu2_lists },
	{ "npu2_platform", npu2_platform_lists },
	{ "npu2_stock", npu2_stock_lists },
	{ "npu2_refused", npu2_refused_lists },
	{ "npu2_reboot", npu2_reboot_lists },
	{ "kernelbugs", kernel_bug_lists },
	{ "race", race_lists },
	{ "failnth", failnth_lists },
};

/* Seconds that a test in a process of its own may take. */
#define APART_LIMIT	60
#define MOST_TIMES	1000

/* How many times as long a test of endurance lasts. */
unsigned int times = 1;

static jmp_buf failed;
static pid_t runner;
static void (*undo[8])(void);
static unsigned int nr_undo;
static char reason[1024];

void note(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(STDOUT_FILENO, "# %s\n", line);
}

void fail_at(const char *file, int line, const char *fmt, ...)
{
	const char *name = strrchr(file, '/');
	va_list ap;
	int len;

	len = snprintf(reason, sizeof(reason), "%s:%d: ",
		       name ? name + 1 : file, line);
	va_start(ap, fmt);
	vsnprintf(reason + len, sizeof(reason) - len, fmt, ap);
	va_end(ap);
	/* A child of a test has no test to leave; its parent sees the status. */
	if (getpid() != runner) {
		note("in a child: %s", reason);
		_exit(1);
	}
	longjmp(failed, 1);
}

/* Runs behind the test, however it ends and before devices are closed. */
void finally(void (*run)(void))
{
	unsigned int i;

	for (i = 0; i < nr_undo; i++)
		if (undo[i] == run)
			return;
	CHECK(nr_undo < ARRAY_LEN(undo));
	undo[nr_undo++] = run;
}

static void clean_up(void)
{
	while (nr_undo)
		undo[--nr_undo]();
	devices_close();
	machine_reset();
}

/* Runs it; false when a CHECK() left it. */
static bool guarded(void (*run)(void))
{
	if (setjmp(failed))
		return false;
	run();
	return true;
}

static bool run_one(const struct test *test, unsigned int nr)
{
	/* Closing and unloading are part of the test: they can fail too. */
	bool ok = guarded(test->run) && guarded(clean_up);

	if (!ok) {
		note("%s", reason);
		/* A second failure is about the first one. */
		if (!guarded(clean_up))
			note("cleaning up: %s", reason);
	}
	dprintf(STDOUT_FILENO, "%sok %u - %s\n", ok ? "" : "not ", nr,
		test->name);
	return ok;
}

/*
 * The same in a process of its own, with the modules loaded anew: for a driver
 * that keeps of a failed test what would fail the next one.
 */
static bool run_one_apart(const struct test *test, unsigned int nr)
{
	int status, left;
	pid_t child = fork();

	if (!child) {
		runner = getpid();
		setpgid(0, 0);
		_exit(run_one(test, nr) ? 0 : 1);
	}
	for (left = APART_LIMIT * 10; left; left--) {
		if (waitpid(child, &status, WNOHANG) == child)
			break;
		usleep(100000);
	}
	/* What it started and left behind holds devices. */
	kill(-child, SIGKILL);
	if (!left)
		note("still running after %d s", APART_LIMIT);
	else if (WIFSIGNALED(status))
		note("killed by signal %d", WTERMSIG(status));
	if (!left || WIFSIGNALED(status))
		dprintf(STDOUT_FILENO, "not ok %u - %s\n", nr, test->name);
	usleep(100000);
	if (!guarded(driver_unload))
		note("unloading: %s", reason);
	return left && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool suite_has(const struct suite *suite, const char *name)
{
	const struct test *const *list;
	const struct test *test;

	for (list = suite->lists; *list; list++)
		for (test = *list; test->name; test++)
			if (!strcmp(test->name, name))
				return true;
	return false;
}

/* Is the test one of those asked for? Without names all are. */
static bool wanted(const struct test *test, char **only)
{
	if (!*only)
		return true;
	for (; *only; only++)
		if (!strcmp(*only, test->name))
			return true;
	return false;
}

static int run_suite(const struct suite *suite, char **only, bool apart)
{
	const struct test *const *list;
	const struct test *test;
	unsigned int nr = 0, bad = 0;
	char **name;

	for (name = only; *name; name++) {
		if (suite_has(suite, *name))
			continue;
		dprintf(STDERR_FILENO, "nvtest: suite %s has no test %s\n",
			suite->name, *name);
		return 2;
	}
	for (list = suite->lists; *list; list++)
		for (test = *list; test->name; test++)
			nr += wanted(test, only);
	dprintf(STDOUT_FILENO, "TAP version 14\n1..%u\n", nr);

	runner = getpid();
	if (!guarded(machine_find)) {
		dprintf(STDOUT_FILENO, "Bail out! %s\n", reason);
		return 1;
	}

	nr = 0;
	for (list = suite->lists; *list; list++)
		for (test = *list; test->name; test++)
			if (wanted(test, only))
				bad += !(apart ? run_one_apart : run_one)(test, ++nr);
	/* The next suite finds the machine as this one did. */
	if (!guarded(driver_unload)) {
		note("unloading: %s", reason);
		bad++;
	}
	return bad ? 1 : 0;
}

static int list_suite(const struct suite *suite)
{
	const struct test *const *list;
	const struct test *test;

	for (list = suite->lists; *list; list++)
		for (test = *list; test->name; test++)
			puts(test->name);
	return 0;
}

/* The suites are in a build of the driver of their own, and run when it is loaded. */
static void kunit(void)
{
	static const char folder[] = "/lib/modules/kunit";

	if (!access(folder, F_OK))
		module_folder = folder;
	driver_insert();
	driver_unload();
}

/* Something for people to read; its failures are printed as sentences. */
static int show(void (*run)(void))
{
	runner = getpid();
	if (guarded(machine_find) && guarded(run) && guarded(clean_up))
		return 0;
	dprintf(STDERR_FILENO, "nvtest: %s\n", reason);
	return 1;
}

static int usage(void)
{
	fputs("usage: nvtest SUITE [TEST...]   run a suite, or some tests of it\n"
	      "       nvtest --apart SUITE [TEST...]   each test in a process of its own\n"
	      "       nvtest --times N SUITE [TEST...]   what repeats does so N times as often\n"
	      "       nvtest --list SUITE      the names of its tests\n"
	      "       nvtest demo              show a machine with 2 GPUs and 4 bridges\n"
	      "       nvtest bench [short]     measure touches, copies and calls, in instructions\n"
	      "       nvtest transcript        what the driver answers, for comparing it with another\n"
	      "       nvtest kunit             load the driver; its KUnit suites run\n"
	      "       nvtest attack [SECONDS [SEED]]   be a hostile owner of a GPU\n"
	      "suites: basic, dma, fault, topology, clients, kvm; hash (hash MMU only); kernelbugs,\n"
	      "        race, failnth (debug kernel only); in_vfio_pci (Linux 5.10);\n"
	      "        npu2, npu2_platform, npu2_reboot, npu2_stock, npu2_refused (debug kernel only):\n"
	      "        a machine whose firmware has made an NPU2\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	bool list = argc > 1 && !strcmp(argv[1], "--list");
	bool apart = argc > 1 && !strcmp(argv[1], "--apart");
	bool longer = argc > 2 && !strcmp(argv[1], "--times");
	int first = longer ? 3 : list || apart ? 2 : 1;
	const char *name = argv[first];
	char *end = "";
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "attack"))
		return attack_arguments(argc - 2, argv + 2) ? show(attack) :
							      usage();
	if (longer)
		times = strtoul(argv[2], &end, 10);
	if (argc <= first || (list && argc > 3) || *end || !times ||
	    times > MOST_TIMES)
		return usage();
	if (first == 1 && !strcmp(name, "demo"))
		return show(demo);
	if (first == 1 && !strcmp(name, "transcript"))
		return show(transcript);
	if (first == 1 && !strcmp(name, "bench"))
		return show(argc > 2 && !strcmp(argv[2], "short") ? bench_short :
								  bench_full);
	if (first == 1 && !strcmp(name, "kunit"))
		return show(kunit);
	for (i = 0; i < ARRAY_LEN(suites); i++) {
		if (strcmp(suites[i].name, name))
			continue;
		return list ? list_suite(&suites[i]) :
			      run_suite(&suites[i], argv + first + 1, apart);
	}
	return usage();
}
