// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvlink2-sim: a simulated NPU2 for machines without one. Ordinary PCI
 * functions are dressed as GPUs and bridges in the device tree; their windows
 * and registers are whatever physical memory the parameters name.
 *
 *	insmod nvlink2-sim.ko gpu=0000:01:00.0 bridge=0000:01:00.1@0,0000:01:00.2@0
 *
 * All of it is gone at unload.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <asm/pci-bridge.h>

#include "nvlink2_contract.h"
#include "range.h"
#include "sim.h"

static char *gpu[SIM_GPUS];
static int nr_gpu;
module_param_array(gpu, charp, &nr_gpu, 0444);
MODULE_PARM_DESC(gpu, "functions that play GPUs, domain:bus:device.function");

static char *bridge[SIM_BRIDGES];
static int nr_bridge;
module_param_array(bridge, charp, &nr_bridge, 0444);
MODULE_PARM_DESC(bridge, "functions that play bridges, each with the index of its GPU: 0000:01:00.1@0");

static unsigned long long base[SIM_GPUS];
static int nr_base;
module_param_array(base, ullong, &nr_base, 0444);
MODULE_PARM_DESC(base, "physical address of each GPU's window (default 0x80000000, then adjacent)");

static unsigned long long size[SIM_GPUS];
static int nr_size;
module_param_array(size, ullong, &nr_size, 0444);
MODULE_PARM_DESC(size, "size of each GPU's window in bytes (default 64 MiB, then as the one before)");

static unsigned long long tgt[SIM_GPUS];
static int nr_tgt;
module_param_array(tgt, ullong, &nr_tgt, 0444);
MODULE_PARM_DESC(tgt, "compressed address of each window (default computed from base)");

static unsigned int speed[SIM_BRIDGES];
static int nr_speed;
module_param_array(speed, uint, &nr_speed, 0444);
MODULE_PARM_DESC(speed, "link speed code of each bridge (default 8, then as the one before)");

static unsigned int link[SIM_BRIDGES];
static int nr_link;
module_param_array(link, uint, &nr_link, 0444);
MODULE_PARM_DESC(link, "link index of each bridge (default counted per host bridge)");

static unsigned long long atsd_base = 0xc0000000;
module_param(atsd_base, ullong, 0444);
MODULE_PARM_DESC(atsd_base, "physical address of the first ATSD register set (default 0xc0000000)");

static unsigned int atsd_count = SIM_LINKS;
module_param(atsd_count, uint, 0444);
MODULE_PARM_DESC(atsd_count, "ATSD register sets of each host bridge, 0 to 8 (default 8)");

static char *flaw = "none";
module_param(flaw, charp, 0444);
MODULE_PARM_DESC(flaw, "what is wrong with the device tree, e.g. reg-short (default none)");

static bool platform = true;
module_param(platform, bool, 0444);
MODULE_PARM_DESC(platform, "be the provider that binds GPUs to partitions (default true)");

static const char * const sim_flaws[] = {
	[SIM_FLAW_NONE]			= "none",
	[SIM_NPU_DANGLING]		= "npu-dangling",
	[SIM_NPU_AND_GPU]		= "npu-and-gpu",
	[SIM_GPU_DANGLING]		= "gpu-dangling",
	[SIM_MEMORY_REGION_MISSING]	= "memory-region-missing",
	[SIM_MEMORY_REGION_DANGLING]	= "memory-region-dangling",
	[SIM_REG_MISSING]		= "reg-missing",
	[SIM_REG_SHORT]			= "reg-short",
	[SIM_SIZE_ZERO]			= "size-zero",
	[SIM_SIZE_MISALIGNED]		= "size-misaligned",
	[SIM_SIZE_HUGE]			= "size-huge",
	[SIM_BASE_ZERO]			= "base-zero",
	[SIM_BASE_MISALIGNED]		= "base-misaligned",
	[SIM_BASE_WRAPS]		= "base-wraps",
	[SIM_BASE_SYSTEM_RAM]		= "base-system-ram",
	[SIM_TGT_MISSING]		= "tgt-missing",
	[SIM_TGT_SHORT]			= "tgt-short",
	[SIM_SPEED_MISSING]		= "speed-missing",
	[SIM_SPEED_SHORT]		= "speed-short",
	[SIM_NVLINK_MISSING]		= "nvlink-missing",
	[SIM_NVLINK_DANGLING]		= "nvlink-dangling",
	[SIM_LINK_INDEX_MISSING]	= "link-index-missing",
	[SIM_LINK_INDEX_SHORT]		= "link-index-short",
	[SIM_ATSD_MISSING]		= "atsd-missing",
	[SIM_ATSD_EMPTY]		= "atsd-empty",
	[SIM_ATSD_SHORT]		= "atsd-short",
	[SIM_ATSD_ZERO]			= "atsd-zero",
	[SIM_ATSD_MISALIGNED]		= "atsd-misaligned",
	[SIM_ATSD_SYSTEM_RAM]		= "atsd-system-ram",
};

static struct sim_machine machine;

/* Takes a reference on the function. NULL after a message. */
static struct pci_dev *sim_find_function(const char *name, size_t len)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *pdev;
	char bdf[32];

	if (len >= sizeof(bdf))
		len = sizeof(bdf) - 1;
	memcpy(bdf, name, len);
	bdf[len] = 0;
	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4) {
		pr_err("nvlink2-sim: '%s' is not domain:bus:device.function\n",
		       bdf);
		return NULL;
	}
	pdev = pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(slot, function));
	if (!pdev) {
		pr_err("nvlink2-sim: there is no PCI function %s\n", bdf);
		return NULL;
	}
	if (!pci_device_to_OF_node(pdev) ||
	    !pci_device_to_OF_node(pdev)->phandle) {
		pr_err("nvlink2-sim: %s has no device-tree node with a phandle\n",
		       bdf);
		pci_dev_put(pdev);
		return NULL;
	}
	return pdev;
}

static int sim_read_gpus(void)
{
	unsigned int i;

	for (i = 0; i < nr_gpu; i++) {
		struct sim_gpu *g = &machine.gpus[i];
		struct sim_gpu *before = i ? g - 1 : NULL;

		g->pdev = sim_find_function(gpu[i], strlen(gpu[i]));
		if (!g->pdev)
			return -ENODEV;
		machine.nr_gpus++;

		g->size = i < nr_size ? size[i] : before ? before->size : SZ_64M;
		g->base = i < nr_base ? base[i] :
			  before ? before->base + before->size : 0x80000000;
		g->tgt = i < nr_tgt ? tgt[i] : nvlink2_tgt_compress(g->base);
	}
	return 0;
}

/* How many bridges before this one have the same host bridge. */
static u32 sim_count_links(unsigned int nr)
{
	struct pci_bus *bus = machine.bridges[nr].pdev->bus;
	u32 count = 0;

	while (nr--)
		if (pci_bus_to_host(machine.bridges[nr].pdev->bus) ==
		    pci_bus_to_host(bus))
			count++;
	return count;
}

static int sim_read_bridges(void)
{
	unsigned int i, index;

	for (i = 0; i < nr_bridge; i++) {
		struct sim_bridge *b = &machine.bridges[i];
		const char *at = strchr(bridge[i], '@');

		if (!at || kstrtouint(at + 1, 0, &index) ||
		    index >= machine.nr_gpus) {
			pr_err("nvlink2-sim: bridge '%s' names no GPU: append @ and an index below %u\n",
			       bridge[i], machine.nr_gpus);
			return -EINVAL;
		}
		b->pdev = sim_find_function(bridge[i], at - bridge[i]);
		if (!b->pdev)
			return -ENODEV;
		machine.nr_bridges++;

		b->gpu = &machine.gpus[index];
		b->gpu->linked = true;
		b->speed = i < nr_speed ? speed[i] : i ? b[-1].speed : 8;
		b->link = i < nr_link ? link[i] : sim_count_links(i);
	}
	return 0;
}

static int sim_read_parameters(void)
{
	unsigned int i;
	int err;

	err = match_string(sim_flaws, ARRAY_SIZE(sim_flaws), flaw);
	if (err < 0) {
		pr_err("nvlink2-sim: unknown flaw '%s'\n", flaw);
		return -EINVAL;
	}
	machine.flaw = err;

	if (atsd_count > SIM_LINKS) {
		pr_err("nvlink2-sim: atsd_count is at most %u\n", SIM_LINKS);
		return -EINVAL;
	}
	machine.atsd_base = atsd_base;
	machine.atsd_count = atsd_count;

	err = sim_read_gpus();
	if (!err)
		err = sim_read_bridges();
	if (err)
		return err;

	for (i = 0; i < machine.nr_gpus; i++) {
		if (!machine.gpus[i].linked) {
			pr_err("nvlink2-sim: GPU %u has no bridge\n", i);
			return -EINVAL;
		}
	}
	return 0;
}

static void sim_put_functions(void)
{
	unsigned int i;

	for (i = 0; i < machine.nr_gpus; i++)
		pci_dev_put(machine.gpus[i].pdev);
	for (i = 0; i < machine.nr_bridges; i++)
		pci_dev_put(machine.bridges[i].pdev);
}

static int __init sim_init(void)
{
	int err;

	err = sim_read_parameters();
	if (err)
		goto put;
	machine.debugfs = debugfs_create_dir("nvlink2-sim", NULL);
	if (platform) {
		err = sim_platform_init(&machine);
		if (err) {
			pr_err("nvlink2-sim: this machine has a platform of its own: %d; platform=0 leaves it in charge\n",
			       err);
			goto put;
		}
	}
	err = sim_tree_dress(&machine);
	if (err) {
		pr_err("nvlink2-sim: cannot change the device tree: %d\n", err);
		goto exit;
	}
	debugfs_create_file("hooks", 0200, machine.debugfs, &machine,
			    &sim_hooks_fops);
	debugfs_create_file("references", 0400, machine.debugfs, &machine,
			    &sim_references_fops);
	sim_memory_init(&machine);
	pr_info("nvlink2-sim: %u GPUs, %u bridges, flaw %s\n", machine.nr_gpus,
		machine.nr_bridges, sim_flaws[machine.flaw]);
	return 0;

exit:
	sim_platform_exit();
put:
	debugfs_remove_recursive(machine.debugfs);
	sim_put_functions();
	return err;
}
module_init(sim_init);

static void __exit sim_exit(void)
{
	debugfs_remove_recursive(machine.debugfs);
	sim_memory_exit();
	sim_tree_undress();
	sim_platform_exit();
	sim_put_functions();
}
module_exit(sim_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated NPU2 for testing nvlink2-vfio-pci");
