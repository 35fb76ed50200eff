// SPDX-License-Identifier: GPL-2.0-only
/* The machine: its PCI functions, our two modules, the device tree, the logs. */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nvtest.h"

#define PCI		"/sys/bus/pci/"
#define OUR_DRIVER	"nvlink2-vfio-pci"
#define SIM		"nvlink2-sim"
#define SIM_PNV		"nvlink2-sim-pnv"
#define TRACING		"/sys/kernel/tracing/"
#define NVME_CLASS	"0x010802"

struct slot slots[MAX_SLOTS];
unsigned int nr_slots;

/* Where it is no module of its own, it is a part of vfio-pci (Linux 5.10). */
const char *driver_name(void)
{
	static const char *name;

	if (!name)
		name = access("/lib/modules/" OUR_DRIVER ".ko", F_OK) ?
		       "vfio-pci" : OUR_DRIVER;
	return name;
}

bool driver_in_vfio_pci(void)
{
	return strcmp(driver_name(), OUR_DRIVER);
}

/* A parameter of the driver's; until the next call. */
const char *driver_parameter(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
		 driver_in_vfio_pci() ? "vfio_pci" : "nvlink2_vfio_pci", name);
	return path;
}

/* Where modules are loaded from. */
const char *module_folder = "/lib/modules";

static char sim_params[4096];
static int log_fd = -1;

char *read_text(const char *path)
{
	static char text[1 << 18];
	ssize_t len, got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	do {
		len = read(fd, text + got, sizeof(text) - 1 - got);
		got += len > 0 ? len : 0;
	} while (len > 0 && got < (ssize_t)sizeof(text) - 1);
	close(fd);
	CHECKF(len >= 0, "%s: %s", path, strerror(errno));
	text[got] = 0;
	return text;
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	len = write(fd, text, strlen(text));
	close(fd);
	CHECKF(len == (ssize_t)strlen(text), "writing '%s' to %s: %s", text,
	       path, strerror(errno));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The functions that can be dressed: nvme ones, as nothing else plays them. */
void machine_find(void)
{
	char found[MAX_SLOTS * MAX_FUNCTIONS][16];
	unsigned int i, count = 0;
	struct dirent *entry;
	char path[300];
	DIR *dir;

	dir = opendir(PCI "devices");
	CHECKF(dir, PCI "devices: %s", strerror(errno));
	while ((entry = readdir(dir)) && count < ARRAY_LEN(found)) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), PCI "devices/%s/class",
			 entry->d_name);
		if (strncmp(read_text(path), NVME_CLASS, strlen(NVME_CLASS)))
			continue;
		snprintf(found[count++], 16, "%.15s", entry->d_name);
	}
	closedir(dir);
	qsort(found, count, sizeof(found[0]), by_name);

	for (i = 0; i < count; i++) {
		struct slot *slot = &slots[nr_slots ? nr_slots - 1 : 0];

		/* All but the function number the same: the same slot. */
		if (!nr_slots || strncmp(slot->bdf[0], found[i], 11))
			slot = &slots[nr_slots++];
		memcpy(slot->bdf[slot->functions++], found[i], 16);
	}
}

void machine_need(unsigned int wanted, unsigned int functions)
{
	unsigned int i;

	CHECKF(nr_slots >= wanted,
	       "the machine has %u slots with functions to dress, not %u",
	       nr_slots, wanted);
	for (i = 0; i < wanted; i++)
		CHECKF(slots[i].functions >= functions,
		       "slot %u has %u functions, not %u", i,
		       slots[i].functions, functions);
}

bool module_loaded(const char *name)
{
	char path[128], *c;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	for (c = path; *c; c++)
		if (*c == '-')
			*c = '_';
	return !access(path, F_OK);
}

static int try_load(const char *name, const char *params)
{
	char path[128];
	long ret;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.ko", module_folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	ret = syscall(SYS_finit_module, fd, params, 0);
	close(fd);
	return ret ? -errno : 0;
}

/* 0 or -errno. */
static int try_unload(const char *name)
{
	char c_name[64], *c;

	snprintf(c_name, sizeof(c_name), "%s", name);
	for (c = c_name; *c; c++)
		if (*c == '-')
			*c = '_';
	return syscall(SYS_delete_module, c_name, O_NONBLOCK) ? -errno : 0;
}

static void unload(const char *name)
{
	int err = try_unload(name);

	CHECKF(!err, "unloading %s: %s", name, strerror(-err));
}

/* Does somebody hold it? If not it is unloaded by now, and a test fails. */
bool module_is_busy(const char *name)
{
	return try_unload(name) == -EWOULDBLOCK;
}

static void bind(const char *bdf)
{
	char path[128], link[256];
	ssize_t len;

	snprintf(path, sizeof(path), PCI "devices/%s/driver_override", bdf);
	write_text(path, driver_name());
	write_text(PCI "drivers_probe", bdf);
	snprintf(path, sizeof(path), PCI "devices/%s/driver", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	CHECKF(len > 0, "%s was not bound to %s", bdf, driver_name());
	link[len] = 0;
	CHECKF(strstr(link, driver_name()), "%s is bound to %s", bdf, link);
}

/* Loads the driver and binds nothing to it. */
void driver_insert(void)
{
	int err = try_load(driver_name(), "");

	CHECKF(!err, "loading %s: %s", driver_name(), strerror(-err));
}

/* Loads the driver and binds every function there is to it. */
void driver_load(void)
{
	unsigned int i, k;

	if (module_loaded(driver_name()))
		return;
	driver_insert();
	for (i = 0; i < nr_slots; i++)
		for (k = 0; k < slots[i].functions; k++)
			bind(slots[i].bdf[k]);
}

void driver_unload(void)
{
	sim_unload();
	if (module_loaded(driver_name()))
		unload(driver_name());
}

/* Another module, with parameters. */
void module_load(const char *name, const char *fmt, ...)
{
	char params[256];
	va_list ap;
	int err;

	va_start(ap, fmt);
	vsnprintf(params, sizeof(params), fmt, ap);
	va_end(ap);
	err = try_load(name, params);
	CHECKF(!err, "loading %s with '%s': %s", name, params, strerror(-err));
}

void module_unload(const char *name)
{
	if (module_loaded(name))
		unload(name);
}

/* Before the driver: it looks for the functions when it is loaded. */
void pnv_load(void)
{
	int err;

	driver_unload();
	err = try_load(SIM_PNV, "");
	CHECKF(!err, "loading " SIM_PNV ": %s", strerror(-err));
}

void pnv_unload(void)
{
	driver_unload();
	unload(SIM_PNV);
}

/* Loads the simulator with these parameters, unless it runs with them now. */
void sim_load(const char *fmt, ...)
{
	char params[sizeof(sim_params)];
	va_list ap;
	int err;

	va_start(ap, fmt);
	vsnprintf(params, sizeof(params), fmt, ap);
	va_end(ap);

	driver_load();
	if (module_loaded(SIM) && !strcmp(params, sim_params))
		return;
	sim_unload();
	err = try_load(SIM, params);
	CHECKF(!err, "loading " SIM " with '%s': %s", params, strerror(-err));
	strcpy(sim_params, params);
}

/* One GPU with three bridges and the golden numbers, and what is special. */
void sim_load_default(const char *extra)
{
	machine_need(1, 4);
	sim_load("gpu=%s bridge=%s@0,%s@0,%s@0 base=%#llx size=%#llx tgt=%#llx speed=8 atsd_base=%#llx %s",
		 slots[0].bdf[0], slots[0].bdf[1], slots[0].bdf[2],
		 slots[0].bdf[3], GPU_BASE, GPU_SIZE, GPU_TGT, ATSD_BASE,
		 extra ? extra : "");
}

void sim_unload(void)
{
	if (module_loaded(SIM))
		unload(SIM);
	sim_params[0] = 0;
}

/* Behind a test: what it left running. The modules stay, for the next one. */
void machine_reset(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	if (module_loaded(SIM_PNV))
		pnv_unload();
}

bool tree_has(const char *bdf, const char *prop)
{
	char path[256];

	snprintf(path, sizeof(path), PCI "devices/%s/of_node/%s", bdf, prop);
	return !access(path, F_OK);
}

/* From here on log_has() looks. */
void log_mark(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECKF(log_fd >= 0, "/dev/kmsg: %s", strerror(errno));
	CHECK(lseek(log_fd, 0, SEEK_END) >= 0);
}

/* Is there a line in the kernel's log with all three (NULL: any) in it? */
bool log_has(const char *a, const char *b, const char *c)
{
	char line[4096];
	ssize_t len;

	while ((len = read(log_fd, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if ((!a || strstr(line, a)) && (!b || strstr(line, b)) &&
		    (!c || strstr(line, c)))
			return true;
	}
	return false;
}

/* Lines with @tag since the mark, and how many of them have @a and @b too. */
unsigned int log_count(const char *tag, const char *a, const char *b,
		       unsigned int *matches)
{
	unsigned int lines = 0;
	char line[4096];
	ssize_t len;

	*matches = 0;
	while ((len = read(log_fd, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if (!strstr(line, tag))
			continue;
		lines++;
		*matches += strstr(line, a) && strstr(line, b);
	}
	return lines;
}

/* Tracing stands still, and nothing is in it. */
void trace_clear(void)
{
	int fd;

	write_text(TRACING "tracing_on", "0");
	/* Opening the file to truncate it is what empties the buffer. */
	fd = open(TRACING "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);
	CHECKF(fd >= 0, TRACING "trace: %s", strerror(errno));
	close(fd);
}

static void probes_end(void)
{
	int fd;

	write_text(TRACING "events/nvtest/enable", "0");
	fd = open(TRACING "kprobe_events", O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

/*
 * An event of this name, in the traces until the end of the test, for each call of a
 * kernel's function; @what is the function and its arguments that are wanted, as the
 * kernel's Documentation/trace/kprobetrace.rst has them.
 */
void probe(const char *name, const char *what)
{
	int fd = open(TRACING "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);

	CHECKF(fd >= 0, TRACING "kprobe_events: %s", strerror(errno));
	finally(probes_end);
	CHECKF(dprintf(fd, "p:nvtest/%s %s\n", name, what) > 0, "no probe on %s: %s",
	       what, strerror(errno));
	close(fd);
	write_text(TRACING "events/nvtest/enable", "1");
}

void trace_start(void)
{
	trace_clear();
	write_text(TRACING "events/vfio_pci/enable", "1");
	write_text(TRACING "tracing_on", "1");
}

/* The trace as text, until the next read_text(). */
char *trace_stop(void)
{
	write_text(TRACING "tracing_on", "0");
	write_text(TRACING "events/vfio_pci/enable", "0");
	return read_text(TRACING "trace");
}
