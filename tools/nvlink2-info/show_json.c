// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report for programs. Every key is always there; what is not known is null. The man
 * page documents the form; INFO_JSON_FORMAT changes with it.
 */

#include "show.h"

#include "json_writer.h"

static void show_error(struct json_writer *json, const struct info_error *error)
{
	if (!error->cause) {
		json_null(json, "error");
		return;
	}
	json_object(json, "error");
	json_string(json, "cause", error->cause);
	json_string(json, "cure", error->cure);
	json_close(json);
}

/* A number, or null when the buffer does not hold it. */
static void show_if(struct json_writer *json, const char *key, int has, unsigned long long number)
{
	if (has)
		json_number(json, key, number);
	else
		json_null(json, key);
}

static void show_flag_names(struct json_writer *json, __u32 flags)
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
	size_t n;

	json_array(json, "flag_names");
	for (n = 0; n < sizeof(names) / sizeof(*names); n++)
		if (flags & names[n].flag)
			json_string(json, NULL, names[n].name);
	json_close(json);
}

static void show_caps(struct json_writer *json, const struct info_region *region)
{
	enum vfio_nvlink2_status status;
	struct vfio_nvlink2_cap cap;

	for (status = vfio_nvlink2_cap_first(region->buf, region->len, &cap);
	     status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(region->buf, region->len, &cap)) {
		json_object(json, NULL);
		json_number(json, "id", cap.id);
		json_number(json, "version", cap.version);
		json_number(json, "offset", cap.offset);
		json_close(json);
	}
}

static void show_region(struct json_writer *json, const char *key,
			const struct info_region *region)
{
	const struct vfio_nvlink2_region *decoded = &region->decoded;
	int readable = region->len && region->status != VFIO_NVLINK2_E_SHORT;

	json_object(json, key);
	json_number(json, "index", region->index);
	json_string(json, "kind", readable ? vfio_nvlink2_kind_name(decoded->kind) : NULL);
	show_if(json, "size", readable, decoded->size);
	show_if(json, "offset", readable, decoded->offset);
	show_if(json, "flags", readable, decoded->flags);
	show_flag_names(json, readable ? decoded->flags : 0);
	show_if(json, "type", decoded->has_type, decoded->type);
	show_if(json, "subtype", decoded->has_type, decoded->subtype);
	show_if(json, "tgt", decoded->has_ssatgt, decoded->tgt);
	show_if(json, "link_speed", decoded->has_lnkspd, decoded->link_speed);
	json_decimal(json, "link_gbit_per_s",
		     decoded->has_lnkspd ? vfio_nvlink2_speed_gbit(decoded->link_speed) : NULL);
	json_array(json, "capabilities");
	if (readable)
		show_caps(json, region);
	json_close(json);
	show_error(json, &region->error);
	json_close(json);
}

/* The other ends of a device's links. */
static void show_peers(struct json_writer *json, const char *key, const struct info_report *report,
		       const struct info_device *device, enum info_role role)
{
	const struct info_device *other;
	size_t n;

	json_array(json, key);
	for (n = 0; n < report->nr_devices; n++) {
		other = &report->devices[n];
		if (role == INFO_GPU ? info_same_link(other, device) :
		    info_same_link(device, other))
			json_string(json, NULL, other->address);
	}
	json_close(json);
}

static void show_device(struct json_writer *json, const struct info_report *report,
			const struct info_device *device)
{
	static const char * const roles[] = { "other", "gpu", "bridge" };
	size_t n;

	json_object(json, NULL);
	json_string(json, "address", device->address);
	json_number(json, "vendor", device->vendor);
	json_number(json, "device", device->device);
	json_string(json, "driver", device->driver);
	show_if(json, "group", device->group >= 0, device->group);
	json_string(json, "role", roles[info_device_role(device)]);
	json_string(json, "device_tree_role", device->tree_role ? roles[device->tree_role] : NULL);
	show_if(json, "num_regions", device->num_regions, device->num_regions);
	show_peers(json, "gpus", report, device, INFO_GPU);
	show_peers(json, "bridges", report, device, INFO_BRIDGE);
	json_array(json, "regions");
	for (n = 0; n < device->nr_regions; n++)
		show_region(json, NULL, &device->regions[n]);
	json_close(json);
	show_error(json, &device->error);
	json_close(json);
}

static void show_file(struct json_writer *json, const struct info_file *file)
{
	json_object(json, NULL);
	json_string(json, "file", file->name);
	if (file->error.cause)
		json_null(json, "region");
	else
		show_region(json, "region", &file->region);
	show_error(json, &file->error);
	json_close(json);
}

void info_show_json(const struct info_report *report)
{
	struct json_writer json;
	size_t n;

	json_start(&json, stdout);
	json_number(&json, "format", INFO_JSON_FORMAT);
	json_number(&json, "abi_version", VFIO_NVLINK2_ABI_VERSION);
	json_array(&json, "devices");
	for (n = 0; n < report->nr_devices; n++)
		show_device(&json, report, &report->devices[n]);
	json_close(&json);
	json_array(&json, "files");
	for (n = 0; n < report->nr_files; n++)
		show_file(&json, &report->files[n]);
	json_close(&json);
	show_error(&json, &report->error);
	json_end(&json);
}
