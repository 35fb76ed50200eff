// SPDX-License-Identifier: GPL-2.0-only
/*
 * Broken device trees: the open fails with an errno, and the log names the node
 * and the property. One table row, one test.
 */

#include <stdio.h>
#include <stdlib.h>

#include "nvtest.h"

enum device { GPU, BRIDGE };

static void broken(const char *flaw, enum device device, int err,
		   const char *node, const char *prop)
{
	unsigned int lines, matches;
	char extra[64];
	const char *bdf = slots[0].bdf[device == GPU ? 0 : 1];

	snprintf(extra, sizeof(extra), "flaw=%s", flaw);
	sim_load_default(extra);
	log_mark();
	/* vfio-pci of 5.10 takes ENODEV for a function without NVLink. */
	if (err == ENODEV && driver_in_vfio_pci())
		err = EINVAL;
	CHECK_ERR(device_try_open(bdf), err);
	lines = log_count("device tree: ", node, prop, &matches);
	CHECKF(lines == 1 && matches == 1,
	       "%u lines in the log, %u of them name %s and %s", lines, matches,
	       node, prop);

	/* The next open, of a tree that is whole again, works. */
	devices_close();
	sim_load_default(NULL);
	device_open(slots[0].bdf[0]);
	device_open(slots[0].bdf[1]);
}

#define MEMORY	"/nvlink2-sim/memory@80000000"
#define LINK	"/nvlink2-sim/link@0"

/* name, flaw, which device, errno, node, property */
#define FLAWS(X)							\
	X(npu_dangling, "npu-dangling", GPU, EINVAL, "/pci", "ibm,npu") \
	X(npu_and_gpu, "npu-and-gpu", GPU, EINVAL, "/pci", "ibm,gpu")	\
	X(gpu_dangling, "gpu-dangling", BRIDGE, EINVAL, "/pci",		\
	  "ibm,gpu")							\
	X(memory_region_missing, "memory-region-missing", GPU, ENODEV,	\
	  "/pci", "memory-region")					\
	X(memory_region_dangling, "memory-region-dangling", GPU, EINVAL, \
	  "/pci", "memory-region")					\
	X(reg_missing, "reg-missing", GPU, ENODEV, MEMORY, "reg")	\
	X(reg_short_D30, "reg-short", GPU, EINVAL, MEMORY, "reg")		\
	X(size_zero_D27, "size-zero", GPU, EINVAL, MEMORY, "reg: size is zero") \
	X(size_misaligned_D27, "size-misaligned", GPU, EINVAL, MEMORY,	\
	  "reg: size is not a multiple")				\
	X(size_huge_D27, "size-huge", GPU, EINVAL, MEMORY,			\
	  "reg: size is over 1 TiB")					\
	X(base_zero_D27, "base-zero", GPU, EINVAL, MEMORY,			\
	  "reg: address is zero")					\
	X(base_misaligned_D27, "base-misaligned", GPU, EINVAL, MEMORY,	\
	  "reg: address is not a multiple")				\
	X(base_wraps_D27, "base-wraps", GPU, EINVAL, MEMORY, "reg: wraps")	\
	X(base_system_ram_D18, "base-system-ram", GPU, EINVAL, MEMORY,	\
	  "reg: overlaps System RAM")					\
	X(tgt_missing, "tgt-missing", GPU, ENODEV, "/pci",		\
	  "ibm,device-tgt-addr")					\
	X(tgt_missing_bridge, "tgt-missing", BRIDGE, ENODEV, "/pci",	\
	  "ibm,device-tgt-addr")					\
	X(tgt_short, "tgt-short", GPU, EINVAL, "/pci",			\
	  "ibm,device-tgt-addr")					\
	X(speed_short, "speed-short", BRIDGE, EINVAL, "/pci",		\
	  "ibm,nvlink-speed")						\
	X(nvlink_missing_D22, "nvlink-missing", BRIDGE, ENODEV, "/pci",	\
	  "ibm,nvlink")							\
	X(nvlink_dangling, "nvlink-dangling", BRIDGE, EINVAL, "/pci",	\
	  "ibm,nvlink")							\
	X(link_index_missing, "link-index-missing", BRIDGE, ENODEV, LINK, \
	  "ibm,npu-link-index")						\
	X(link_index_short, "link-index-short", BRIDGE, EINVAL, LINK,	\
	  "ibm,npu-link-index")						\
	X(atsd_short, "atsd-short", BRIDGE, EINVAL, "/pci",		\
	  "ibm,mmio-atsd")						\
	X(atsd_zero_D27, "atsd-zero", BRIDGE, EINVAL, "/pci",		\
	  "ibm,mmio-atsd: address is zero")				\
	X(atsd_misaligned_D27, "atsd-misaligned", BRIDGE, EINVAL, "/pci",	\
	  "ibm,mmio-atsd: address is not a multiple")			\
	X(atsd_system_ram_D18, "atsd-system-ram", BRIDGE, EINVAL, "/pci",	\
	  "ibm,mmio-atsd: overlaps System RAM")

#define FUNCTION(name, flaw, device, err, node, prop)			\
	static void flaw_##name(void)					\
	{								\
		broken(flaw, device, err, node, prop);			\
	}
FLAWS(FUNCTION)

/* Not a failure: the bridge opens, with an empty region and a warning. */
static void no_atsd(const char *flaw)
{
	int fd;

	/* The driver warns of a device once, and again after it was unloaded. */
	driver_unload();
	sim_load_default(flaw);
	log_mark();
	fd = device_open(slots[0].bdf[1]);
	CHECK_EQ(region_size(fd), 0);
	CHECK(log_has("device tree: ", "/pci", "ibm,mmio-atsd: missing"));
}

static void atsd_missing(void)
{
	no_atsd("flaw=atsd-missing");
}

static void atsd_empty(void)
{
	no_atsd("flaw=atsd-empty");
}

#define ENTRY(name, flaw, device, err, node, prop)			\
	{ "flaw_" #name, flaw_##name },
const struct test flaw_tests[] = {
	FLAWS(ENTRY)
	TEST(flaw, atsd_missing),
	TEST(flaw, atsd_empty),
	{ NULL, NULL }
};
