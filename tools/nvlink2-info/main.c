// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvlink2-info: what a program that opens this machine's VFIO devices would see of their
 * NVLink2 regions.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "file.h"
#include "show.h"
#include "sysfs.h"
#include "vfio.h"
#include "watch.h"

enum { OPTION_SYSFS = 256, OPTION_DEV };

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "dot", no_argument, NULL, 'd' },
	{ "from", required_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "save", required_argument, NULL, 's' },
	{ "watch", no_argument, NULL, 'w' },
	{ "sysfs", required_argument, NULL, OPTION_SYSFS },
	{ "dev", required_argument, NULL, OPTION_DEV },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static const char help[] =
"Usage: nvlink2-info [OPTION]... [DEVICE]...\n"
"       nvlink2-info [--json] --from FILE [--from FILE]...\n"
"\n"
"Lists the VFIO devices of this machine with their NVLink2 regions: GPU RAM and\n"
"ATSD registers, link speeds, and which bridge belongs to which GPU. DEVICE is\n"
"the address of a PCI function, such as 0004:04:00.0; without one all are listed.\n"
"\n"
"  -a, --all        every region: BARs and config space too\n"
"  -d, --dot        a picture for graphviz: groups, GPUs, bridges, links, speeds\n"
"  -j, --json       for programs; the man page documents the form\n"
"  -f, --from FILE  decode a saved region-info buffer instead; - is standard\n"
"                   input; can be given several times\n"
"  -s, --save DIR   also save each region's buffer, as DIR/ADDRESS-INDEX.bin\n"
"  -w, --watch      follow mappings and faults as they happen, until Ctrl-C; with\n"
"                   --from, read a saved trace\n"
"      --sysfs DIR  where sysfs is mounted, when not at /sys\n"
"      --dev DIR    where device nodes are, when not in /dev\n"
"  -h, --help       this text\n"
"  -V, --version    the version\n"
"\n"
"Examples:\n"
"  nvlink2-info                          everything VFIO has, as root\n"
"  nvlink2-info 0004:04:00.0             one GPU\n"
"  nvlink2-info --save dump              keep the raw buffers to send somebody\n"
"  nvlink2-info --from dump/0004:04:00.0-9.bin\n"
"  nvlink2-info --watch                  what QEMU maps and touches, live\n"
"  nvlink2-info --dot | dot -Tsvg -o links.svg\n"
"  nvlink2-info --json | jq '.devices[] | {address, gpus, bridges}'\n"
"\n"
"A device is opened to be asked, and reset when it is closed; one that is in use,\n"
"by QEMU say, is left alone and reported as busy.\n"
"\n"
"Exit status: 0 all was read, 1 something could not be read or is broken,\n"
"2 wrong usage or a failure of the tool itself.\n";

/* Before any complaint; and what a full disk swallowed is no success. */
static void finish_output(void)
{
	int failed = ferror(stdout);

	if (!fclose(stdout) && !failed)
		return;
	fprintf(stderr, INFO_NAME ": the output could not be written: %s\n", strerror(errno));
	exit(INFO_USAGE);
}

static void usage_error(const char *what)
{
	fprintf(stderr, INFO_NAME ": %s\nTry '" INFO_NAME " --help'.\n", what);
	exit(INFO_USAGE);
}

static void parse_options(int argc, char **argv, struct info_options *options,
			  struct info_report *report)
{
	int option;

	while ((option = getopt_long(argc, argv, "adf:js:whV", long_options, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->all = 1;
			break;
		case 'd':
			options->dot = 1;
			break;
		case 'f':
			info_add_file(report, optarg);
			break;
		case 'j':
			options->json = 1;
			break;
		case 's':
			options->save = optarg;
			break;
		case 'w':
			options->watch = 1;
			break;
		case OPTION_SYSFS:
			options->sysfs = optarg;
			break;
		case OPTION_DEV:
			options->dev = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			finish_output();
			exit(INFO_OK);
		case 'V':
			printf(INFO_NAME " " INFO_VERSION ", ABI version %d\n",
			       VFIO_NVLINK2_ABI_VERSION);
			finish_output();
			exit(INFO_OK);
		default:
			fprintf(stderr, "Try '" INFO_NAME " --help'.\n");
			exit(INFO_USAGE);
		}
	}
	if (options->watch) {
		if (options->dot || options->json || options->all || options->save)
			usage_error("--watch goes without --all, --dot, --json and --save");
		return;
	}
	if (options->dot && (options->json || options->all || report->nr_files))
		usage_error("--dot draws the links of devices: it goes without --json, --all and "
			    "--from");
	if (report->nr_files && (optind < argc || options->save || options->all))
		usage_error("--from reads files and no devices: it takes no DEVICE, --save or "
			    "--all; give each file its own --from");
}

/* Devices that were named are listed whatever their state; 0 when there is none to list. */
static int choose_devices(int argc, char **argv, const struct info_options *options,
			  struct info_report *report)
{
	struct info_device device;
	char address[sizeof(device.address)];
	size_t n;
	int arg;

	if (optind == argc)
		return info_find_devices(options, report);
	for (arg = optind; arg < argc; arg++) {
		if (!info_parse_address(argv[arg], address, sizeof(address)))
			usage_error(info_format("'%s' is no address of a PCI function, such as "
						"0004:04:00.0", argv[arg]));
		for (n = 0; n < report->nr_devices; n++)
			if (!strcmp(report->devices[n].address, address))
				break;
		if (n < report->nr_devices)
			continue;
		info_read_device(options, address, &device);
		info_add_device(report, &device);
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct info_options options = { .sysfs = "/sys", .dev = "/dev" };
	struct info_report report = { 0 };
	size_t n;

	parse_options(argc, argv, &options, &report);
	if (options.watch) {
		if (optind < argc)
			choose_devices(argc, argv, &options, &report);
		info_watch(&options, &report);
		finish_output();
		return info_complain(&(struct info_report){ .error = report.error });
	}
	for (n = 0; n < report.nr_files; n++)
		info_read_file(&report.files[n]);
	if (!report.nr_files && choose_devices(argc, argv, &options, &report))
		info_open_devices(&options, &report);

	if (options.dot)
		info_show_dot(&report);
	else if (options.json)
		info_show_json(&report);
	else
		info_show_text(&options, &report);
	finish_output();
	return info_complain(&report);
}
