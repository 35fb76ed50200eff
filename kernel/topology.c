// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the device tree to checked numbers. The contract (which node, which
 * property, which rule) is the spec's; generated/docs has it as a table. The
 * firmware that writes these nodes is skiboot (hw/npu2.c, platforms/astbmc/
 * witherspoon.c).
 *
 * Every rule that is broken is reported in one message that names the node and the
 * property, because the person who reads it has a firmware to fix.
 */

#include <linux/ioport.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <asm/pci-bridge.h>

#include "nvlink2_contract.h"
#include "range.h"
#include "topology.h"

static int nvlink2_bad(struct pci_dev *pdev, struct device_node *node,
		       const char *prop, int err, const char *what)
{
	pci_err(pdev, "device tree: %pOF: %s: %s\n", node, prop, what);
	return err;
}

/* Follows a phandle; the caller puts the node. */
static struct device_node *nvlink2_follow(struct pci_dev *pdev,
					  struct device_node *node,
					  const char *prop)
{
	struct device_node *target;

	if (!of_property_present(node, prop)) {
		nvlink2_bad(pdev, node, prop, 0, "missing");
		return ERR_PTR(-ENODEV);
	}
	target = of_parse_phandle(node, prop, 0);
	if (!target) {
		nvlink2_bad(pdev, node, prop, 0, "leads to no node");
		return ERR_PTR(-EINVAL);
	}
	return target;
}

static int nvlink2_read_tgt(struct pci_dev *pdev, struct device_node *bridge,
			    u64 *tgt)
{
	int err = of_property_read_u64(bridge, NVLINK2_DT_IBM_DEVICE_TGT_ADDR,
				       tgt);

	if (err == -EINVAL)
		return nvlink2_bad(pdev, bridge, NVLINK2_DT_IBM_DEVICE_TGT_ADDR,
				   -ENODEV, "missing");
	if (err)
		return nvlink2_bad(pdev, bridge, NVLINK2_DT_IBM_DEVICE_TGT_ADDR,
				   -EINVAL, "not a 64-bit number");
	return 0;
}

/* The arithmetic, and that the host has not put the memory online for itself. */
static const char *nvlink2_range_flaw(u64 hpa, u64 size)
{
	const char *flaw = nvlink2_window_flaw(hpa, size);

	if (!flaw && region_intersects(hpa, size, IORESOURCE_SYSTEM_RAM,
				       IORES_DESC_NONE) != REGION_DISJOINT)
		flaw = "overlaps System RAM of the host";
	return flaw;
}

static int nvlink2_read_window(struct pci_dev *pdev, struct device_node *bridge,
			       struct nvlink2_gpu *gpu)
{
	struct device_node *mem;
	const char *flaw;
	u64 reg[2];
	int err;

	mem = nvlink2_follow(pdev, bridge, NVLINK2_DT_MEMORY_REGION);
	if (IS_ERR(mem))
		return PTR_ERR(mem);

	err = of_property_read_u64_array(mem, NVLINK2_DT_REG, reg,
					 ARRAY_SIZE(reg));
	if (err == -EINVAL) {
		err = nvlink2_bad(pdev, mem, NVLINK2_DT_REG, -ENODEV,
				  "missing");
	} else if (err) {
		err = nvlink2_bad(pdev, mem, NVLINK2_DT_REG, -EINVAL,
				  "not two 64-bit numbers");
	} else {
		flaw = nvlink2_range_flaw(reg[0], reg[1]);
		if (flaw)
			err = nvlink2_bad(pdev, mem, NVLINK2_DT_REG, -EINVAL,
					  flaw);
	}
	of_node_put(mem);
	if (err)
		return err;

	gpu->hpa = reg[0];
	gpu->size = reg[1];
	return 0;
}

/*
 * The host bridge of a link: the node below the root. Host bridges stay as long
 * as the machine runs, so that the address identifies it without a reference.
 */
static const struct device_node *nvlink2_npu_of(struct device_node *link)
{
	struct device_node *node = of_node_get(link);
	struct device_node *up;

	for (up = of_get_parent(node); up && !of_node_is_root(up);
	     up = of_get_parent(node)) {
		of_node_put(node);
		node = up;
	}
	of_node_put(up);
	of_node_put(node);
	return node;
}

static int nvlink2_read_gpu(struct pci_dev *pdev, struct device_node *node,
			    struct nvlink2_gpu *gpu)
{
	struct device_node *bridge;
	int err;

	/* All links of a GPU lead to the same RAM; the first one speaks. */
	bridge = nvlink2_follow(pdev, node, NVLINK2_DT_IBM_NPU);
	if (IS_ERR(bridge))
		return PTR_ERR(bridge);

	err = nvlink2_read_window(pdev, bridge, gpu);
	if (!err)
		err = nvlink2_read_tgt(pdev, bridge, &gpu->tgt);
	gpu->npu = nvlink2_npu_of(bridge);
	of_node_put(bridge);
	return err;
}

static int nvlink2_read_link_index(struct pci_dev *pdev,
				   struct device_node *node, u32 *index)
{
	struct device_node *link;
	int err;

	link = nvlink2_follow(pdev, node, NVLINK2_DT_IBM_NVLINK);
	if (IS_ERR(link))
		return PTR_ERR(link);

	err = of_property_read_u32(link, NVLINK2_DT_IBM_NPU_LINK_INDEX, index);
	if (err == -EINVAL)
		err = nvlink2_bad(pdev, link, NVLINK2_DT_IBM_NPU_LINK_INDEX,
				  -ENODEV, "missing");
	else if (err)
		err = nvlink2_bad(pdev, link, NVLINK2_DT_IBM_NPU_LINK_INDEX,
				  -EINVAL, "not a 32-bit number");
	of_node_put(link);
	return err;
}

/*
 * One register set per link is the rule. A link without one shares the first:
 * shootdowns of two links then queue up behind each other, which is slower but
 * right. With none at all the region still exists, for its capabilities.
 */
static int nvlink2_read_atsd(struct pci_dev *pdev, u32 index,
			     struct nvlink2_bridge *bridge, bool *warned)
{
	struct device_node *phb = pci_bus_to_host(pdev->bus)->dn;
	const char *flaw;
	u64 hpa;
	int count;

	count = of_property_count_u64_elems(phb, NVLINK2_DT_IBM_MMIO_ATSD);
	if (!of_property_present(phb, NVLINK2_DT_IBM_MMIO_ATSD) ||
	    count == -ENODATA || !count) {
		if (!*warned)
			pci_warn(pdev, "device tree: %pOF: %s: missing or empty, link %u has no ATSD\n",
				 phb, NVLINK2_DT_IBM_MMIO_ATSD, index);
		*warned = true;
		bridge->atsd_size = 0;
		return 0;
	}
	if (count < 0)
		return nvlink2_bad(pdev, phb, NVLINK2_DT_IBM_MMIO_ATSD, -EINVAL,
				   "not an array of 64-bit numbers");

	if (index >= count) {
		if (!*warned)
			pci_warn(pdev, "device tree: %pOF: %s: no register for link %u, it shares the first\n",
				 phb, NVLINK2_DT_IBM_MMIO_ATSD, index);
		*warned = true;
		index = 0;
	}
	if (of_property_read_u64_index(phb, NVLINK2_DT_IBM_MMIO_ATSD, index,
				       &hpa))
		return nvlink2_bad(pdev, phb, NVLINK2_DT_IBM_MMIO_ATSD, -EINVAL,
				   "cannot be read");
	flaw = nvlink2_range_flaw(hpa, NVLINK2_ATSD_BLOCK);
	if (flaw)
		return nvlink2_bad(pdev, phb, NVLINK2_DT_IBM_MMIO_ATSD, -EINVAL,
				   flaw);

	bridge->atsd_hpa = hpa;
	bridge->atsd_size = NVLINK2_ATSD_BLOCK;
	return 0;
}

static int nvlink2_read_speed(struct pci_dev *pdev, struct device_node *node,
			      u32 *speed)
{
	int err = of_property_read_u32(node, NVLINK2_DT_IBM_NVLINK_SPEED, speed);

	if (err == -EINVAL) {
		*speed = NVLINK2_LINK_SPEED_UNKNOWN;
		return 0;
	}
	if (err)
		return nvlink2_bad(pdev, node, NVLINK2_DT_IBM_NVLINK_SPEED,
				   -EINVAL, "not a 32-bit number");
	return 0;
}

static bool nvlink2_is_first_link(struct device_node *node,
				  struct device_node *gpu)
{
	struct device_node *first = of_parse_phandle(gpu, NVLINK2_DT_IBM_NPU, 0);

	of_node_put(first);
	return first == node;
}

static int nvlink2_read_bridge(struct pci_dev *pdev, struct device_node *node,
			       struct nvlink2_bridge *bridge, bool *warned)
{
	struct device_node *gpu;
	u32 index;
	int err;

	gpu = nvlink2_follow(pdev, node, NVLINK2_DT_IBM_GPU);
	if (IS_ERR(gpu))
		return PTR_ERR(gpu);
	bridge->is_first = nvlink2_is_first_link(node, gpu);
	of_node_put(gpu);

	err = nvlink2_read_link_index(pdev, node, &index);
	if (!err)
		err = nvlink2_read_tgt(pdev, node, &bridge->tgt);
	if (!err)
		err = nvlink2_read_speed(pdev, node, &bridge->link_speed);
	if (!err)
		err = nvlink2_read_atsd(pdev, index, bridge, warned);
	return err;
}

/**
 * nvlink2_topology_npu() - the NPU of a link
 * @pdev: any function
 *
 * Nothing is reported in the log: whether the node is sound matters at open.
 *
 * Context: process context.
 * Return: the NPU, to be compared only; NULL for a function that is no link.
 */
const struct device_node *nvlink2_topology_npu(struct pci_dev *pdev)
{
	struct device_node *node = pci_device_to_OF_node(pdev);

	if (!of_property_present(node, NVLINK2_DT_IBM_GPU))
		return NULL;
	return nvlink2_npu_of(node);
}

/**
 * nvlink2_topology_read() - find out what a PCI function is, and its numbers
 * @pdev: the function
 * @topo: filled in; all zero but the role and @atsd_warned for a function that
 *	  is neither GPU nor bridge
 *
 * PCI ids are not asked: the device tree decides.
 *
 * Context: process context. Takes and drops references on device nodes.
 * Return: 0; -ENODEV when a required property is missing, -EINVAL when one is
 * broken. Both have been reported in the log, with node and property.
 */
int nvlink2_topology_read(struct pci_dev *pdev, struct nvlink2_topology *topo)
{
	struct device_node *node = pci_device_to_OF_node(pdev);
	bool npu, gpu;

	*topo = (struct nvlink2_topology) { .atsd_warned = topo->atsd_warned };
	npu = of_property_present(node, NVLINK2_DT_IBM_NPU);
	gpu = of_property_present(node, NVLINK2_DT_IBM_GPU);

	if (npu && gpu)
		return nvlink2_bad(pdev, node, NVLINK2_DT_IBM_GPU, -EINVAL,
				   "stands beside " NVLINK2_DT_IBM_NPU
				   ", a function is a GPU or a bridge");
	if (npu) {
		topo->role = NVLINK2_ROLE_GPU;
		return nvlink2_read_gpu(pdev, node, &topo->gpu);
	}
	if (gpu) {
		topo->role = NVLINK2_ROLE_BRIDGE;
		return nvlink2_read_bridge(pdev, node, &topo->bridge,
					   &topo->atsd_warned);
	}
	return 0;
}
