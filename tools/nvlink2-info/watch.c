// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follows mappings and faults by the driver's tracepoints, in a trace buffer of its own, so that
 * nobody else's tracing is touched; or reads a trace that was saved.
 */

#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "units.h"

/* What the kernel's vm_fault_t says, as the tracepoint prints it. */
#define FAULT_OOM	0x1
#define FAULT_SIGBUS	0x2
#define FAULT_NOPAGE	0x100

struct watched {
	char address[24];
	unsigned long mappings, faults, refused;
};

struct watch {
	const struct info_report *report;	/* of its devices, when some were named */
	struct watched *devices;
	size_t nr_devices;
	unsigned long long lost;
};

static const char * const events[] = {
	"vfio_pci_nvgpu_mmap", "vfio_pci_nvgpu_mmap_fault", "vfio_pci_npu2_mmap",
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

static int wanted(const struct watch *watch, const char *address)
{
	size_t n;

	for (n = 0; n < watch->report->nr_devices; n++)
		if (!strcmp(watch->report->devices[n].address, address))
			return 1;
	return !watch->report->nr_devices;
}

static struct watched *count_for(struct watch *watch, const char *address)
{
	struct watched *device;
	size_t n;

	for (n = 0; n < watch->nr_devices; n++)
		if (!strcmp(watch->devices[n].address, address))
			return &watch->devices[n];
	watch->devices = info_alloc(watch->devices, watch->nr_devices + 1, sizeof(*device));
	device = &watch->devices[watch->nr_devices++];
	memset(device, 0, sizeof(*device));
	snprintf(device->address, sizeof(device->address), "%s", address);
	return device;
}

static void print_fault(struct watched *device, int ret)
{
	device->faults++;
	if (ret == FAULT_NOPAGE) {
		putchar('\n');
		return;
	}
	device->refused++;
	if (ret == FAULT_SIGBUS)
		printf("  refused (SIGBUS)\n");
	else if (ret == FAULT_OOM)
		printf("  refused (out of memory)\n");
	else
		printf("  ended with %#x\n", ret);
}

static void print_mapping(struct watched *device, unsigned long long size, int ret)
{
	device->mappings++;
	printf("  ");
	info_print_size(size);
	if (ret) {
		device->refused++;
		printf("  failed (%s)", strerror(-ret));
	}
	putchar('\n');
}

/* Up to the processor in brackets; a task may have brackets in its name. */
static int task_length(const char *task)
{
	const char *end = NULL, *next;
	int length;

	for (next = strstr(task, " ["); next; next = strstr(next + 1, " ["))
		end = next;
	length = end ? end - task : 0;
	while (length && task[length - 1] == ' ')
		length--;
	return length;
}

/*
 * One line of a trace: "qemu-157  [000] .....  5.753650: EVENT: 0000:01:00.0: HPA -> UA
 * size=SIZE ret=RET", a fault without the size. Others are passed over.
 */
static void take_line(struct watch *watch, char *line)
{
	static const char * const what[] = { "mmap GPU RAM", "fault", "mmap ATSD" };
	unsigned long long hpa, ua, size = 0, lost;
	char *event = strstr(line, ": vfio_pci_n"), *time, address[24];
	const char *task = line + strspn(line, " ");
	int ret;
	size_t n;

	if (!event) {
		time = strstr(line, "[LOST ");
		if (time && sscanf(time, "[LOST %llu EVENTS]", &lost) == 1)
			watch->lost += lost;
		return;
	}
	*event = 0;
	event += 2;
	for (n = 0; n < sizeof(events) / sizeof(*events); n++)
		if (!strncmp(event, events[n], strlen(events[n])) &&
		    event[strlen(events[n])] == ':')
			break;
	if (n == sizeof(events) / sizeof(*events))
		return;
	event += strlen(events[n]);
	if (n == 1 ? sscanf(event, ": %23[0-9a-f:.] %llx -> %llx ret=%d", address, &hpa, &ua,
			    &ret) != 4 :
		     sscanf(event, ": %23[0-9a-f:.] %llx -> %llx size=%llx ret=%d", address,
			    &hpa, &ua, &size, &ret) != 5)
		return;
	/* The set of characters has taken the colon behind the address as well. */
	if (address[0] && address[strlen(address) - 1] == ':')
		address[strlen(address) - 1] = 0;
	if (!wanted(watch, address))
		return;

	time = strrchr(line, ' ');
	printf("%12s  %-20.*s  %s  %-12s  %#llx -> %#llx", time ? time + 1 : "",
	       task_length(task), task, address, what[n], hpa, ua);
	if (n == 1)
		print_fault(count_for(watch, address), ret);
	else
		print_mapping(count_for(watch, address), size, ret);
	fflush(stdout);
}

static void print_sums(const struct watch *watch)
{
	size_t n;

	for (n = 0; n < watch->nr_devices; n++) {
		const struct watched *device = &watch->devices[n];

		printf("%s  %lu mapping%s, %lu fault%s", device->address, device->mappings,
		       device->mappings == 1 ? "" : "s", device->faults,
		       device->faults == 1 ? "" : "s");
		if (device->refused)
			printf(", %lu of them refused", device->refused);
		putchar('\n');
	}
	if (!watch->nr_devices)
		printf("no mapping and no fault\n");
	if (watch->lost)
		printf("%llu events were lost: the buffer was too small for them\n", watch->lost);
}

static void read_lines(struct watch *watch, FILE *file)
{
	size_t room = 0;
	char *line = NULL;

	while (!stopped && !ferror(stdout) && getline(&line, &room, file) >= 0)
		take_line(watch, line);
	free(line);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), failed;

	if (fd < 0)
		return -1;
	failed = write(fd, text, strlen(text)) < 0;
	close(fd);
	return failed ? -1 : 0;
}

/* 0, or -1 when the error says why. */
static int switch_on(const char *instance, struct info_error *error)
{
	size_t n;

	for (n = 0; n < sizeof(events) / sizeof(*events); n++) {
		char *path = info_format("%s/events/vfio_pci/%s/enable", instance, events[n]);
		int failed = write_text(path, "1");

		if (failed)
			info_fail(error, info_format("%s: %s", path, strerror(errno)),
				  errno != ENOENT ? NULL :
				  info_format("The kernel has no such event while " INFO_DRIVER
					      " is not loaded: modprobe " INFO_DRIVER));
		free(path);
		if (failed)
			return -1;
	}
	return 0;
}

static void follow(struct watch *watch, const char *instance, struct info_error *error)
{
	char *path = info_format("%s/trace_pipe", instance);
	FILE *pipe;

	if (!switch_on(instance, error)) {
		pipe = fopen(path, "re");
		if (pipe) {
			fprintf(stderr, INFO_NAME ": watching; Ctrl-C ends it\n");
			read_lines(watch, pipe);
			fclose(pipe);
			print_sums(watch);
		} else {
			info_fail(error, info_format("%s: %s", path, strerror(errno)), NULL);
		}
	}
	free(path);
}

/* Without SA_RESTART: a signal ends the read that waits for the next event. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	size_t n;

	for (n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
		sigaction(numbers[n], &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* A trace that was saved, of this machine or another. */
static void read_saved(struct watch *watch, const char *name, struct info_error *error)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "re") : stdin;

	if (!file) {
		info_fail(error, info_format("%s: %s", name, strerror(errno)), NULL);
		return;
	}
	read_lines(watch, file);
	if (file != stdin)
		fclose(file);
}

/**
 * info_watch() - print mappings and faults as they come, and sums in the end
 * @options: where sysfs is
 * @report: devices to watch, none for all; files with saved traces to read instead. Its error is
 *	    set when something is in the way
 *
 * Ends by a signal, or when nobody reads the output. The trace buffer made for it goes with it.
 */
void info_watch(const struct info_options *options, struct info_report *report)
{
	struct watch watch = { .report = report };
	char *instance;
	size_t n;

	catch_signals();
	for (n = 0; n < report->nr_files; n++)
		read_saved(&watch, report->files[n].name, &report->error);
	if (report->nr_files) {
		print_sums(&watch);
		free(watch.devices);
		return;
	}
	instance = info_format("%s/kernel/tracing/instances/" INFO_NAME ".%d", options->sysfs,
			       getpid());
	if (mkdir(instance, 0700)) {
		info_fail(&report->error, info_format("%s: %s", instance, strerror(errno)),
			  errno == EACCES || errno == EPERM ?
			  info_format("Watching needs root.") :
			  info_format("Is tracefs there? mount -t tracefs tracefs "
				      "%s/kernel/tracing", options->sysfs));
	} else {
		follow(&watch, instance, &report->error);
		rmdir(instance);
	}
	free(instance);
	free(watch.devices);
}
