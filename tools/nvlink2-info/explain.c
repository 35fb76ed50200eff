// SPDX-License-Identifier: GPL-2.0-only
/* What VFIO's errno values mean to the person at the terminal, and what helps. */

#include "explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whose file it is, for somebody who may not open it. */
static char *owner(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return info_format("%s", "");
	return info_format(" (mode %03o, uid %u, gid %u)", (unsigned int)status.st_mode & 0777,
			   (unsigned int)status.st_uid, (unsigned int)status.st_gid);
}

static void no_permission(struct info_error *error, const char *path)
{
	char *who = owner(path);

	info_fail(error, info_format("no permission to open %s%s", path, who),
		  info_format("run as root, or let your user have it: chown USER %s", path));
	free(who);
}

/* Opening /dev/vfio/GROUP failed. */
void info_explain_open(struct info_error *error, const char *path, int group, int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		no_permission(error, path);
		break;
	case EBUSY:
		info_fail(error, info_format("group %d is in use by another process, such as QEMU",
					     group),
			  info_format("'fuser -v %s', as root, names it; stop it, or read the "
				      "regions there", path));
		break;
	case ENOENT:
		info_fail(error, info_format("there is no %s", path),
			  info_format("VFIO makes it when a device of the group is bound; a "
				      "container has to be given it"));
		break;
	case ENODEV:
		info_fail(error, info_format("%s: VFIO has no device of group %d any more", path,
					     group),
			  info_format("it was unbound meanwhile; bind it again"));
		break;
	default:
		info_fail(error, info_format("%s: %s", path, strerror(err)), NULL);
	}
}

/* Opening /dev/vfio/vfio failed. */
void info_explain_container(struct info_error *error, const char *path, int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		no_permission(error, path);
		break;
	case ENOENT:
	case ENODEV:
	case ENXIO:
		info_fail(error, info_format("%s: %s: the vfio module is not loaded", path,
					     strerror(err)),
			  info_format("modprobe vfio; a kernel without VFIO's container "
				      "interface (CONFIG_VFIO_CONTAINER) cannot be used"));
		break;
	default:
		info_fail(error, info_format("%s: %s", path, strerror(err)), NULL);
	}
}

/* No IOMMU type could be set; err is 0 when none was on offer. */
void info_explain_iommu(struct info_error *error, int group, int err)
{
	switch (err) {
	case 0:
	case ENODEV:
		info_fail(error, info_format("VFIO has no IOMMU driver for group %d", group),
			  info_format("on POWER: modprobe vfio_iommu_spapr_tce; elsewhere: "
				      "modprobe vfio_iommu_type1"));
		break;
	case EPERM:
		info_fail(error, info_format("VFIO may not take the IOMMU of group %d: %s", group,
					     strerror(err)),
			  info_format("the kernel's log says why (dmesg): a driver of another "
				      "device uses it, or interrupts cannot be remapped"));
		break;
	default:
		info_fail(error, info_format("setting the IOMMU type of group %d: %s", group,
					     strerror(err)),
			  info_format("the kernel's log may say why (dmesg)"));
	}
}

/* VFIO_GROUP_GET_DEVICE_FD failed: the driver's own open refused. */
void info_explain_device(struct info_error *error, const struct info_device *device, int err)
{
	const char *driver = device->driver ? device->driver : "its driver";
	char *why = NULL;

	switch (err) {
	case EBUSY:
		why = info_format("another process uses it, or one that used it before still has "
				  "its RAM registered for DMA");
		break;
	case EINVAL:
		why = info_format("a property in the device tree is broken");
		break;
	case ENODEV:
		why = info_format("a property in the device tree is missing, or VFIO does not "
				  "have this device (any more)");
		break;
	case EOPNOTSUPP:
		why = info_format("this host cannot give a GPU to a VM");
		break;
	}
	info_fail(error, info_format("opening it in %s: %s%s%s", driver, strerror(err),
				     why ? ": " : "", why ? why : ""),
		  info_format("the kernel's log says more: dmesg | grep %s", device->address));
	free(why);
}
