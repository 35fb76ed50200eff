// SPDX-License-Identifier: GPL-2.0-only
/* Which PCI functions there are, and which of them VFIO has; all of it read from sysfs. */

#include "sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bdf {
	unsigned int domain, bus, device, function;
};

/* "dddd:bb:dd.f", or "bb:dd.f" in domain 0; 0 when the text is neither. */
static int scan_address(const char *text, struct bdf *bdf)
{
	int end = -1;

	/* sscanf would also take blanks, signs and 0x. */
	if (strspn(text, "0123456789abcdefABCDEF:.") != strlen(text))
		return 0;
	memset(bdf, 0, sizeof(*bdf));
	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &bdf->domain, &bdf->bus, &bdf->device,
		   &bdf->function, &end) != 4 || end < 0 || text[end]) {
		end = -1;
		bdf->domain = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bdf->bus, &bdf->device, &bdf->function,
			   &end) != 3 || end < 0 || text[end])
			return 0;
	}
	return bdf->device < 32 && bdf->function < 8;
}

/* Brings an address into the form of sysfs; 0 when it is none. */
int info_parse_address(const char *text, char *address, size_t room)
{
	struct bdf bdf;

	if (!scan_address(text, &bdf))
		return 0;
	snprintf(address, room, "%04x:%02x:%02x.%x", bdf.domain, bdf.bus, bdf.device,
		 bdf.function);
	return 1;
}

/* The order people count in; domains may have more than four digits. */
static int by_address(const void *left, const void *right)
{
	struct bdf l, r;

	scan_address(((const struct info_device *)left)->address, &l);
	scan_address(((const struct info_device *)right)->address, &r);
	if (l.domain != r.domain)
		return l.domain < r.domain ? -1 : 1;
	if (l.bus != r.bus)
		return l.bus < r.bus ? -1 : 1;
	return (int)(l.device << 3 | l.function) - (int)(r.device << 3 | r.function);
}

static char *device_path(const struct info_options *options, const char *address,
			 const char *entry)
{
	return info_format("%s/bus/pci/devices/%s%s%s", options->sysfs, address,
			   *entry ? "/" : "", entry);
}

static int has_entry(const struct info_options *options, const char *address, const char *entry)
{
	char *path = device_path(options, address, entry);
	struct stat status;
	int found = !stat(path, &status);

	free(path);
	return found;
}

static unsigned int read_number(const struct info_options *options, const char *address,
				const char *entry)
{
	char *path = device_path(options, address, entry);
	FILE *file = fopen(path, "re");
	unsigned int number = 0;

	if (file) {
		if (fscanf(file, "%x", &number) != 1)
			number = 0;
		fclose(file);
	}
	free(path);
	return number;
}

/* The last part of where a link leads; NULL when there is no link. */
static char *link_name(const struct info_options *options, const char *address,
		       const char *entry)
{
	char *path = device_path(options, address, entry), *name = NULL;
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len > 0) {
		target[len] = 0;
		name = info_format("%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	}
	free(path);
	return name;
}

/* Kernels before 6.1 have no vfio-dev folder; every VFIO driver has vfio in its name. */
static int bound_to_vfio(const struct info_options *options, const struct info_device *device)
{
	if (has_entry(options, device->address, "vfio-dev"))
		return 1;
	return device->driver && strstr(device->driver, "vfio");
}

void info_read_device(const struct info_options *options, const char *address,
		      struct info_device *device)
{
	char *group;

	memset(device, 0, sizeof(*device));
	snprintf(device->address, sizeof(device->address), "%s", address);
	device->vendor = read_number(options, address, "vendor");
	device->device = read_number(options, address, "device");
	device->driver = link_name(options, address, "driver");
	group = link_name(options, address, "iommu_group");
	device->group = group && isdigit((unsigned char)*group) ? atoi(group) : -1;
	free(group);
	device->is_vfio = bound_to_vfio(options, device);
	if (has_entry(options, address, "of_node/ibm,npu"))
		device->tree_role = INFO_GPU;
	else if (has_entry(options, address, "of_node/ibm,gpu"))
		device->tree_role = INFO_BRIDGE;
}

/* A device that VFIO does not have is not opened; its error says why, and how VFIO gets it. */
void info_need_vfio(const struct info_options *options, struct info_device *device)
{
	const char *sysfs = options->sysfs, *address = device->address;
	char *cause, *unbind;

	if (device->is_vfio)
		return;
	if (!has_entry(options, address, "")) {
		info_fail(&device->error, info_format("there is no such PCI function"),
			  info_format("lspci -D lists those that there are"));
		return;
	}
	if (device->driver) {
		cause = info_format("is bound to %s, which is not a VFIO driver", device->driver);
		unbind = info_format("  echo %s > %s/bus/pci/devices/%s/driver/unbind\n", address,
				     sysfs, address);
	} else {
		cause = info_format("is bound to no driver");
		unbind = info_format("%s", "");
	}
	info_fail(&device->error, cause,
		  info_format("bind it, as root:\n"
			      "  modprobe %s\n"
			      "%s"
			      "  echo %s > %s/bus/pci/devices/%s/driver_override\n"
			      "  echo %s > %s/bus/pci/drivers_probe",
			      INFO_DRIVER, unbind, INFO_DRIVER, sysfs, address, address, sysfs));
	free(unbind);
}

/* Calls back with each PCI function; -1 with errno when there is no PCI bus to read. */
static int each_function(const char *folder,
			 void (*visit)(const char *address, void *context), void *context)
{
	char address[24];
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		if (info_parse_address(entry->d_name, address, sizeof(address)))
			visit(address, context);
	closedir(dir);
	return 0;
}

struct names {
	const struct info_options *options;
	char *text;			/* a list that grows; NULL while it is empty */
	char first[24];
};

static void append(struct names *names, char *more)
{
	char *longer = names->text ? info_format("%s, %s", names->text, more) : NULL;

	if (longer) {
		free(names->text);
		free(more);
		names->text = longer;
	} else {
		names->text = more;
	}
}

/* A bound driver that is neither VFIO's nor one that leaves DMA alone blocks the group. */
static void add_if_blocking(const char *address, void *context)
{
	struct names *names = context;
	struct info_device device;

	info_read_device(names->options, address, &device);
	if (device.driver && !device.is_vfio && strcmp(device.driver, "pcieport") &&
	    strcmp(device.driver, "pci-stub"))
		append(names, info_format("%s (bound to %s)", address, device.driver));
	free(device.driver);
}

/* The functions that keep a group from being viable, as a list; NULL when none is seen to. */
char *info_blockers(const struct info_options *options, int group)
{
	char *folder = info_format("%s/kernel/iommu_groups/%d/devices", options->sysfs, group);
	struct names names = { .options = options };

	each_function(folder, add_if_blocking, &names);
	free(folder);
	return names.text;
}

static void add_if_nvlink(const char *address, void *context)
{
	struct names *names = context;
	struct info_device device;

	info_read_device(names->options, address, &device);
	if (device.tree_role != INFO_OTHER) {
		if (!*names->first || strcmp(address, names->first) < 0)
			snprintf(names->first, sizeof(names->first), "%s", address);
		append(names, info_format("%s (%s, bound to %s)", address,
					  device.tree_role == INFO_GPU ? "GPU" : "bridge",
					  device.driver ? device.driver : "no driver"));
	}
	free(device.driver);
}

/* For a machine where VFIO has nothing: the NVLink2 functions, and how to bind one. */
static char *how_to_bind(const struct info_options *options)
{
	char *folder = info_format("%s/bus/pci/devices", options->sysfs), *text;
	struct names names = { .options = options };

	each_function(folder, add_if_nvlink, &names);
	free(folder);
	if (names.text)
		text = info_format("NVLink2 functions here: %s\n'%s %s' says how to bind that one",
				   names.text, INFO_NAME, names.first);
	else
		text = info_format("the device tree names no NVLink2 function on this machine; "
				   "'%s DEVICE' says how to bind any other one", INFO_NAME);
	free(names.text);
	return text;
}

struct search {
	const struct info_options *options;
	struct info_report *report;
};

static void add_if_vfio(const char *address, void *context)
{
	struct search *search = context;
	struct info_report *report = search->report;
	struct info_device device;

	info_read_device(search->options, address, &device);
	if (!device.is_vfio) {
		free(device.driver);
		return;
	}
	info_add_device(report, &device);
}

/* Every device VFIO has, in order; 0 with report->error when none can be named. */
int info_find_devices(const struct info_options *options, struct info_report *report)
{
	struct search search = { options, report };
	char *folder = info_format("%s/bus/pci/devices", options->sysfs);
	int err = each_function(folder, add_if_vfio, &search) ? errno : 0;

	if (err)
		info_fail(&report->error, info_format("%s: %s", folder, strerror(err)),
			  info_format("this needs sysfs and a machine with PCI; "
				      "is %s mounted?", options->sysfs));
	else if (!report->nr_devices)
		info_fail(&report->error, info_format("no PCI function is bound to a VFIO driver"),
			  how_to_bind(options));
	else
		qsort(report->devices, report->nr_devices, sizeof(*report->devices), by_address);
	free(folder);
	return !report->error.cause;
}
