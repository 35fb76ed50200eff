// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device tree of the simulated NPU2, as one changeset: applied at load,
 * reverted at unload.
 */

#include <linux/io.h>
#include <linux/of.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wordpart.h>
#include <asm/pci-bridge.h>

#include "nvlink2_contract.h"
#include "sim.h"

#define SIM_PHANDLE_FIRST	0x4e560000
#define SIM_PHANDLE_NOWHERE	0x4e56ffff

static struct of_changeset sim_cs;

/* Nodes of our own, each with the reference of its creation: root, memories, links. */
static struct {
	struct device_node *np;
	phandle handle;
} sim_nodes[1 + SIM_GPUS + SIM_BRIDGES];
static unsigned int sim_nr_nodes;

/* Unique in the tree, and among what the changeset holds so far. */
static phandle sim_new_phandle(void)
{
	static phandle last = SIM_PHANDLE_FIRST;
	struct device_node *np;

	for (;;) {
		np = of_find_node_by_phandle(++last);
		if (!np)
			return last;
		of_node_put(np);
	}
}

static int sim_add_u32(struct device_node *np, const char *name, u32 value)
{
	return of_changeset_add_prop_u32(&sim_cs, np, name, value);
}

static int sim_add_u64s(struct device_node *np, const char *name,
			const u64 *values, size_t count)
{
	u32 cells[2 * SIM_LINKS];
	size_t i;

	if (count > SIM_LINKS)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		cells[2 * i] = upper_32_bits(values[i]);
		cells[2 * i + 1] = lower_32_bits(values[i]);
	}
	return of_changeset_add_prop_u32_array(&sim_cs, np, name, cells,
					       2 * count);
}

/* A node of its own, with a phandle. NULL when memory is short. */
static struct device_node *sim_add_node(struct device_node *parent,
					const char *name)
{
	struct device_node *np;

	if (sim_nr_nodes == ARRAY_SIZE(sim_nodes))
		return NULL;
	np = of_changeset_create_node(&sim_cs, parent, name);
	if (!np)
		return NULL;
	np->phandle = sim_new_phandle();
	sim_nodes[sim_nr_nodes].np = np;
	sim_nodes[sim_nr_nodes++].handle = np->phandle;
	if (sim_add_u32(np, "phandle", np->phandle))
		return NULL;
	return np;
}

/*
 * Applying attaches a node before its properties, finds no phandle among them
 * and clears the one it has, so that lookups miss it.
 */
static void sim_restore_phandles(void)
{
	unsigned int i;

	for (i = 0; i < sim_nr_nodes; i++)
		sim_nodes[i].np->phandle = sim_nodes[i].handle;
}

static struct device_node *sim_node_of(struct pci_dev *pdev)
{
	return pci_device_to_OF_node(pdev);
}

static int sim_add_reg(struct device_node *np, const struct sim_gpu *gpu,
		       enum sim_flaw flaw)
{
	u64 reg[2] = { gpu->base, gpu->size };

	switch (flaw) {
	case SIM_REG_MISSING:
		return 0;
	case SIM_REG_SHORT:
		return sim_add_u64s(np, NVLINK2_DT_REG, reg, 1);
	case SIM_SIZE_ZERO:
		reg[1] = 0;
		break;
	case SIM_SIZE_MISALIGNED:
		reg[1] += SZ_4K;
		break;
	case SIM_SIZE_HUGE:
		reg[1] = NVLINK2_WINDOW_MAX + SZ_64K;
		break;
	case SIM_BASE_ZERO:
		reg[0] = 0;
		break;
	case SIM_BASE_MISALIGNED:
		reg[0] += SZ_4K;
		break;
	case SIM_BASE_WRAPS:
		reg[0] = -(u64)SZ_64K;
		reg[1] = SZ_128K;
		break;
	case SIM_BASE_SYSTEM_RAM:
		reg[0] = SZ_64M;
		reg[1] = SZ_64K;
		break;
	default:
		break;
	}
	return sim_add_u64s(np, NVLINK2_DT_REG, reg, ARRAY_SIZE(reg));
}

static int sim_add_memory(struct device_node *root, struct sim_gpu *gpu,
			  enum sim_flaw flaw)
{
	struct device_node *np;
	char name[32];

	snprintf(name, sizeof(name), "memory@%llx", gpu->base);
	np = sim_add_node(root, name);
	if (!np)
		return -ENOMEM;
	gpu->mem = np->phandle;
	return sim_add_reg(np, gpu, flaw);
}

static int sim_add_link(struct device_node *root, struct sim_bridge *bridge,
			unsigned int nr, enum sim_flaw flaw)
{
	struct device_node *np, *node = sim_node_of(bridge->pdev);
	phandle handle = SIM_PHANDLE_NOWHERE;
	char name[32];
	int err;

	if (flaw == SIM_NVLINK_MISSING)
		return 0;
	if (flaw == SIM_NVLINK_DANGLING)
		return sim_add_u32(node, NVLINK2_DT_IBM_NVLINK, handle);

	snprintf(name, sizeof(name), "link@%x", nr);
	np = sim_add_node(root, name);
	if (!np)
		return -ENOMEM;
	err = sim_add_u32(node, NVLINK2_DT_IBM_NVLINK, np->phandle);
	if (err || flaw == SIM_LINK_INDEX_MISSING)
		return err;
	if (flaw == SIM_LINK_INDEX_SHORT)
		return of_changeset_add_prop_bool(&sim_cs, np,
						  NVLINK2_DT_IBM_NPU_LINK_INDEX);
	return sim_add_u32(np, NVLINK2_DT_IBM_NPU_LINK_INDEX, bridge->link);
}

static int sim_add_speed(struct device_node *node, u32 speed,
			 enum sim_flaw flaw)
{
	switch (flaw) {
	case SIM_SPEED_MISSING:
		return 0;
	case SIM_SPEED_SHORT:
		return of_changeset_add_prop_bool(&sim_cs, node,
						  NVLINK2_DT_IBM_NVLINK_SPEED);
	default:
		return sim_add_u32(node, NVLINK2_DT_IBM_NVLINK_SPEED, speed);
	}
}

static int sim_add_tgt(struct device_node *node, u64 tgt, enum sim_flaw flaw)
{
	switch (flaw) {
	case SIM_TGT_MISSING:
		return 0;
	case SIM_TGT_SHORT:
		return sim_add_u32(node, NVLINK2_DT_IBM_DEVICE_TGT_ADDR, tgt);
	default:
		return sim_add_u64s(node, NVLINK2_DT_IBM_DEVICE_TGT_ADDR, &tgt,
				    1);
	}
}

static int sim_dress_bridge(struct device_node *root, struct sim_bridge *bridge,
			    unsigned int nr, enum sim_flaw flaw)
{
	struct device_node *node = sim_node_of(bridge->pdev);
	phandle gpu = sim_node_of(bridge->gpu->pdev)->phandle;
	phandle mem = bridge->gpu->mem;
	int err;

	err = sim_add_u32(node, NVLINK2_DT_IBM_GPU,
			  flaw == SIM_GPU_DANGLING ? SIM_PHANDLE_NOWHERE : gpu);
	if (!err)
		err = sim_add_link(root, bridge, nr, flaw);
	if (!err && flaw != SIM_MEMORY_REGION_MISSING)
		err = sim_add_u32(node, NVLINK2_DT_MEMORY_REGION,
				  flaw == SIM_MEMORY_REGION_DANGLING ?
				  SIM_PHANDLE_NOWHERE : mem);
	if (!err)
		err = sim_add_tgt(node, bridge->gpu->tgt, flaw);
	if (!err)
		err = sim_add_speed(node, bridge->speed, flaw);
	return err;
}

static int sim_dress_gpu(struct sim_machine *machine, struct sim_gpu *gpu)
{
	struct device_node *node = sim_node_of(gpu->pdev);
	u32 handles[SIM_BRIDGES];
	unsigned int i, count = 0;
	int err;

	for (i = 0; i < machine->nr_bridges; i++)
		if (machine->bridges[i].gpu == gpu)
			handles[count++] =
				sim_node_of(machine->bridges[i].pdev)->phandle;
	if (machine->flaw == SIM_NPU_DANGLING)
		handles[0] = SIM_PHANDLE_NOWHERE;

	err = of_changeset_add_prop_u32_array(&sim_cs, node, NVLINK2_DT_IBM_NPU,
					      handles, count);
	if (!err && machine->flaw == SIM_NPU_AND_GPU)
		err = sim_add_u32(node, NVLINK2_DT_IBM_GPU, node->phandle);
	return err;
}

static int sim_dress_npu(struct sim_machine *machine, struct device_node *phb,
			 unsigned int nr)
{
	u64 base = machine->atsd_base + (u64)nr * SIM_LINKS * SZ_64K;
	unsigned int i, count = machine->atsd_count;
	u64 atsd[SIM_LINKS];
	const u32 short_array[3] = { 0, 0, 0 };

	if (machine->flaw == SIM_ATSD_MISSING || !count)
		return 0;
	if (machine->flaw == SIM_ATSD_EMPTY)
		return of_changeset_add_prop_bool(&sim_cs, phb,
						  NVLINK2_DT_IBM_MMIO_ATSD);
	if (machine->flaw == SIM_ATSD_SHORT)
		return of_changeset_add_prop_u32_array(&sim_cs, phb,
						       NVLINK2_DT_IBM_MMIO_ATSD,
						       short_array,
						       ARRAY_SIZE(short_array));
	for (i = 0; i < count; i++) {
		atsd[i] = base + (u64)i * SZ_64K;
		if (machine->flaw == SIM_ATSD_ZERO)
			atsd[i] = 0;
		else if (machine->flaw == SIM_ATSD_MISALIGNED)
			atsd[i] += SZ_4K;
		else if (machine->flaw == SIM_ATSD_SYSTEM_RAM)
			atsd[i] = SZ_64M;
	}
	return sim_add_u64s(phb, NVLINK2_DT_IBM_MMIO_ATSD, atsd, count);
}

/* Each host bridge that has a link is an NPU, once. */
static int sim_dress_npus(struct sim_machine *machine)
{
	struct device_node *seen[SIM_BRIDGES];
	unsigned int i, k, nr = 0;
	int err;

	for (i = 0; i < machine->nr_bridges; i++) {
		struct pci_bus *bus = machine->bridges[i].pdev->bus;
		struct device_node *phb = pci_bus_to_host(bus)->dn;

		for (k = 0; k < nr && seen[k] != phb; k++)
			;
		if (k < nr)
			continue;
		err = sim_dress_npu(machine, phb, nr);
		if (err)
			return err;
		seen[nr++] = phb;
	}
	return 0;
}

/* The changeset keeps references of its own until it is destroyed. */
static void sim_destroy(void)
{
	of_changeset_destroy(&sim_cs);
	while (sim_nr_nodes)
		of_node_put(sim_nodes[--sim_nr_nodes].np);
}

static int sim_dress_all(struct sim_machine *machine)
{
	struct device_node *top, *root;
	unsigned int i;
	int err = 0;

	top = of_find_node_by_path("/");
	root = sim_add_node(top, "nvlink2-sim");
	of_node_put(top);
	if (!root)
		return -ENOMEM;

	for (i = 0; !err && i < machine->nr_gpus; i++)
		err = sim_add_memory(root, &machine->gpus[i], machine->flaw);
	for (i = 0; !err && i < machine->nr_bridges; i++)
		err = sim_dress_bridge(root, &machine->bridges[i], i,
				       machine->flaw);
	for (i = 0; !err && i < machine->nr_gpus; i++)
		err = sim_dress_gpu(machine, &machine->gpus[i]);
	return err ?: sim_dress_npus(machine);
}

/**
 * sim_tree_dress() - present the machine in the device tree
 * @machine: what to present; its functions have device-tree nodes
 *
 * Context: process context.
 * Return: 0 or a negative errno, with the tree as it was.
 */
int sim_tree_dress(struct sim_machine *machine)
{
	int err;

	of_changeset_init(&sim_cs);
	err = sim_dress_all(machine);
	if (!err)
		err = of_changeset_apply(&sim_cs);
	if (err) {
		sim_destroy();
		return err;
	}
	sim_restore_phandles();
	return 0;
}

/**
 * sim_tree_show_references() - print the references on the nodes
 * @m: where to
 *
 * Context: process context; the tree is dressed.
 */
void sim_tree_show_references(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < sim_nr_nodes; i++)
		seq_printf(m, "node %pOF %u\n", sim_nodes[i].np,
			   kref_read(&sim_nodes[i].np->kobj.kref));
}

/**
 * sim_tree_undress() - undo sim_tree_dress()
 *
 * Context: process context.
 */
void sim_tree_undress(void)
{
	of_changeset_revert(&sim_cs);
	sim_destroy();
}
