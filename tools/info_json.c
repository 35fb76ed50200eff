// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report for programs. Every key is always there; what is not known is null. The man
 * page documents the form; INFO_JSON_FORMAT changes with it.
 */

#include "info.h"

#include <stdio.h>
#include <string.h>

/* How many bytes of well-formed UTF-8 begin here; 0 when what is here is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len, n;

	if (*s < 0x80)
		return 1;
	if (*s >= 0xc2 && *s <= 0xdf)
		len = 2;
	else if ((*s & 0xf0) == 0xe0)
		len = 3;
	else if (*s >= 0xf0 && *s <= 0xf4)
		len = 4;
	else
		return 0;
	for (n = 1; n < len; n++)
		if ((s[n] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies past the last code point. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void print_string(const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t len;

	if (!string) {
		printf("null");
		return;
	}
	putchar('"');
	for (; *s; s += len ? len : 1) {
		len = utf8_length(s);
		if (!len)
			printf("\\ufffd");
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			printf("\\u%04x", *s);
		else
			fwrite(s, 1, len, stdout);
	}
	putchar('"');
}

static void print_error(const struct info_error *error)
{
	if (!error->cause) {
		printf("null");
		return;
	}
	printf("{\"cause\": ");
	print_string(error->cause);
	printf(", \"cure\": ");
	print_string(error->cure);
	putchar('}');
}

/* A number, or null when the buffer does not hold it. */
static void print_if(int has, unsigned long long number)
{
	if (has)
		printf("%llu", number);
	else
		printf("null");
}

static void print_flags(__u32 flags)
{
	static const struct {
		__u32 flag;
		const char *name;
	} names[] = {
		{ VFIO_REGION_INFO_FLAG_READ, "read" },
		{ VFIO_REGION_INFO_FLAG_WRITE, "write" },
		{ VFIO_REGION_INFO_FLAG_MMAP, "mmap" },
		{ VFIO_REGION_INFO_FLAG_CAPS, "caps" },
	};
	const char *comma = "";
	size_t n;

	printf("\"flags\": %u, \"flag_names\": [", flags);
	for (n = 0; n < sizeof(names) / sizeof(*names); n++)
		if (flags & names[n].flag) {
			printf("%s\"%s\"", comma, names[n].name);
			comma = ", ";
		}
	putchar(']');
}

static void print_caps(const struct info_region *region)
{
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_cap cap;
	const char *comma = "";

	printf("\"capabilities\": [");
	for (status = vfio_nvlink2_cap_first(region->buf, region->len, &cap);
	     status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(region->buf, region->len, &cap)) {
		printf("%s{\"id\": %u, \"version\": %u, \"offset\": %zu}", comma, cap.id,
		       cap.version, cap.offset);
		comma = ", ";
	}
	putchar(']');
}

static void print_region(const struct info_region *region)
{
	const struct vfio_nvlink2_region *decoded = &region->decoded;
	int readable = region->len && region->status != VFIO_NVLINK2_E_SHORT;
	const char *gbit = decoded->has_lnkspd ? vfio_nvlink2_speed_gbit(decoded->link_speed) :
			   NULL;

	printf("{\"index\": %u, \"kind\": ", region->index);
	print_string(readable ? vfio_nvlink2_kind_name(decoded->kind) : NULL);
	printf(", \"size\": ");
	print_if(readable, decoded->size);
	printf(", \"offset\": ");
	print_if(readable, decoded->offset);
	printf(", ");
	if (readable)
		print_flags(decoded->flags);
	else
		printf("\"flags\": null, \"flag_names\": []");
	printf(", \"type\": ");
	print_if(decoded->has_type, decoded->type);
	printf(", \"subtype\": ");
	print_if(decoded->has_type, decoded->subtype);
	printf(", \"tgt\": ");
	print_if(decoded->has_ssatgt, decoded->tgt);
	printf(", \"link_speed\": ");
	print_if(decoded->has_lnkspd, decoded->link_speed);
	printf(", \"link_gbit_per_s\": %s, ", gbit ? gbit : "null");
	if (readable)
		print_caps(region);
	else
		printf("\"capabilities\": []");
	printf(", \"error\": ");
	print_error(&region->error);
	putchar('}');
}

/* The other ends of a device's links. */
static void print_peers(const char *key, const struct info_report *report,
			const struct info_device *device, enum info_role role)
{
	const struct info_device *other;
	const char *comma = "";
	size_t n;

	printf("\"%s\": [", key);
	for (n = 0; n < report->nr_devices; n++) {
		other = &report->devices[n];
		if (role == INFO_GPU ? !info_same_link(other, device) :
		    !info_same_link(device, other))
			continue;
		printf("%s\"%s\"", comma, other->address);
		comma = ", ";
	}
	putchar(']');
}

static void print_device(const struct info_report *report, const struct info_device *device)
{
	static const char * const roles[] = { "other", "gpu", "bridge" };
	size_t n;

	printf("{\"address\": \"%s\", \"vendor\": %u, \"device\": %u, \"driver\": ",
	       device->address, device->vendor, device->device);
	print_string(device->driver);
	printf(", \"group\": ");
	print_if(device->group >= 0, device->group);
	printf(",\n     \"role\": \"%s\", \"device_tree_role\": ",
	       roles[info_device_role(device)]);
	print_string(device->tree_role ? roles[device->tree_role] : NULL);
	printf(", \"num_regions\": ");
	print_if(device->num_regions, device->num_regions);
	printf(", ");
	print_peers("gpus", report, device, INFO_GPU);
	printf(", ");
	print_peers("bridges", report, device, INFO_BRIDGE);
	printf(",\n     \"regions\": [");
	for (n = 0; n < device->nr_regions; n++) {
		printf("%s", n ? ",\n                 " : "");
		print_region(&device->regions[n]);
	}
	printf("],\n     \"error\": ");
	print_error(&device->error);
	putchar('}');
}

void info_print_json(const struct info_report *report)
{
	size_t n;

	printf("{\n  \"format\": %d,\n  \"abi_version\": %d,\n  \"devices\": [", INFO_JSON_FORMAT,
	       VFIO_NVLINK2_ABI_VERSION);
	for (n = 0; n < report->nr_devices; n++) {
		printf("%s\n    ", n ? "," : "");
		print_device(report, &report->devices[n]);
	}
	printf("%s],\n  \"files\": [", report->nr_devices ? "\n  " : "");
	for (n = 0; n < report->nr_files; n++) {
		const struct info_file *file = &report->files[n];

		printf("%s\n    {\"file\": ", n ? "," : "");
		print_string(file->name);
		printf(",\n     \"region\": ");
		if (file->error.cause)
			printf("null");
		else
			print_region(&file->region);
		printf(",\n     \"error\": ");
		print_error(&file->error);
		putchar('}');
	}
	printf("%s],\n  \"error\": ", report->nr_files ? "\n  " : "");
	print_error(&report->error);
	printf("\n}\n");
}
