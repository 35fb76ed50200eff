// SPDX-License-Identifier: GPL-2.0-only
/* Allocations fail while the driver is loaded and bound, as in test_failnth.c. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failnth.h"
#include "nvtest.h"

#define DRIVER	"/sys/bus/pci/drivers/nvlink2-vfio-pci/"
#define PNV	"/sys/module/nvlink2_sim_pnv/"
#define MANY	100000	/* more than there are in loading a module */
#define OF_INIT	40	/* of these, how many the driver's init has at most */

static int load_driver(int file, unsigned int *left)
{
	int err = syscall(SYS_finit_module, file, "", 0) ? errno : 0;

	*left = get_nth();
	set_nth(0);
	if (!err)
		driver_unload();
	return err;
}

/*
 * The last allocations of a load, which are those of the driver's own init.
 * Before them the kernel makes the trace events, and warns when it cannot
 * (event_define_fields(), event_file_put()).
 */
static void loading(void)
{
	unsigned int all, nth, left, errors = 0;
	int err, file;

	pnv_load();
	faults_on();
	file = keep(open("/lib/modules/nvlink2-vfio-pci.ko",
			 O_RDONLY | O_CLOEXEC), "the driver");
	/* Once before it is counted: the kernel's caches grow with the first. */
	CHECK_EQ(load_driver(file, &left), 0);
	set_nth(MANY);
	CHECK_EQ(load_driver(file, &left), 0);
	all = MANY - left;
	for (nth = all; nth > all - OF_INIT; nth--) {
		set_nth(nth);
		err = load_driver(file, &left);
		/* module_add_driver() has EINVAL for a folder it could not make. */
		CHECKF(!err || err == ENOMEM || err == EINVAL,
		       "failure %u ended in %s", nth, strerror(err));
		errors += !!err;
		/* A driver that is not there holds nobody's functions. */
		CHECKF(!strcmp(read_text(PNV "refcnt"), "0\n"),
		       "failure %u left a reference", nth);
	}
	note("%u of the last %u failures of %u were errors", errors, OF_INIT,
	     all);
	CHECK(errors);
}

static int write_errno(int fd, const char *text)
{
	return pwrite(fd, text, strlen(text), 0) < 0 ? errno : 0;
}

static const char *gpu;
static int bind_file, unbind_file;

static int bind_driver(void)
{
	int err = write_errno(bind_file, gpu);
	unsigned int left = get_nth();

	set_nth(0);
	if (!err)
		CHECK_EQ(write_errno(unbind_file, gpu), 0);
	set_nth(left);
	return err;
}

/* N of the function's vfioN: the lowest that no vfio device has. */
static unsigned int vfio_number(const char *bdf)
{
	unsigned int number = 0;
	struct dirent *entry;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	CHECKF(dir, "%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)) &&
	       sscanf(entry->d_name, "vfio%u", &number) != 1)
		;
	closedir(dir);
	CHECKF(entry, "%s is empty", path);
	return number;
}

/* Of no NUMA node: others are probed by a worker (pci_call_probe()), not by us. */
static void leave_node(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", bdf);
	write_text(path, "-1");
}

/*
 * A device that a failed probe did not put keeps its number. kmemleak does not
 * find it: vfio's list of the slot's devices leads to it.
 */
static void probing(void)
{
	static const struct call call = { bind_driver, { ENOMEM, EFAULT } };
	unsigned int number;

	sim_load_default(NULL);
	gpu = slots[0].bdf[0];
	leave_node(gpu);
	faults_on();
	bind_file = keep(open(DRIVER "bind", O_WRONLY | O_CLOEXEC), "bind");
	unbind_file = keep(open(DRIVER "unbind", O_WRONLY | O_CLOEXEC),
			   "unbind");
	CHECK_EQ(write_errno(unbind_file, gpu), 0);
	CHECK_EQ(write_errno(bind_file, gpu), 0);
	number = vfio_number(gpu);
	CHECK_EQ(write_errno(unbind_file, gpu), 0);
	/* The kernel's own, around the driver's probe, are half of it. */
	CHECK(exhaust(&call) > 30);
	CHECK_EQ(write_errno(bind_file, gpu), 0);
	CHECK_EQ(vfio_number(gpu), number);
	device_close(device_open(gpu));
}

const struct test failnth_driver_tests[] = {
	TEST(failnth, loading),
	TEST(failnth, probing),
	{ NULL, NULL }
};
