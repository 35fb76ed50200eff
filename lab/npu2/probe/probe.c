// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a module can do on a stock kernel with exported symbols alone, to be
 * measured: no part of the driver, and nothing that ought to be loaded.
 */

#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <asm/iommu.h>
#include <asm/pci-bridge.h>

enum { PROBE_GROUP, PROBE_BRIDGE, PROBE_BRIDGE_ZEROED };

static int what;
module_param(what, int, 0);
MODULE_PARM_DESC(what, "0: a group of all GPUs; 1: a host bridge; 2: one with a zeroed pnv_phb");

/* GPUs, and what VFIO sees of the PE of each. */
static struct {
	struct device *dev;
	struct iommu_table_group *tables;
} probe_gpus[6];
static unsigned int probe_count;

static struct iommu_table_group *probe_own(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < probe_count; i++)
		if (probe_gpus[i].dev == dev)
			return probe_gpus[i].tables;
	return NULL;
}

static long probe_take(struct iommu_table_group *tables, struct device *dev)
{
	struct iommu_table_group *own = probe_own(dev);

	return own ? own->ops->take_ownership(own, dev) : -ENODEV;
}

static void probe_release(struct iommu_table_group *tables, struct device *dev)
{
	struct iommu_table_group *own = probe_own(dev);

	if (own)
		own->ops->release_ownership(own, dev);
}

/* Windows would be handed on likewise; nobody opens any here. */
static struct iommu_table_group_ops probe_table_ops = {
	.take_ownership = probe_take,
	.release_ownership = probe_release,
};

static struct iommu_table_group probe_tables = { .ops = &probe_table_ops };

static struct iommu_group *probe_device_group(struct pci_controller *hose,
					      struct pci_dev *pdev)
{
	return iommu_group_ref_get(probe_tables.group);
}

static void probe_move(struct pci_dev *pdev)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	struct iommu_table_group *tables;
	int err;

	if (!group)
		return;
	tables = iommu_group_get_iommudata(group);
	pci_info(pdev, "probe: in group %d, create_table is %ps\n",
		 iommu_group_id(group), tables->ops->create_table);
	iommu_group_put(group);
	probe_gpus[probe_count].dev = &pdev->dev;
	probe_gpus[probe_count++].tables = tables;

	/* A member of a structure of the kernel: this is the trick. */
	pci_bus_to_host(pdev->bus)->controller_ops.device_group = probe_device_group;
	iommu_group_remove_device(&pdev->dev);
	err = iommu_add_device(&probe_tables, &pdev->dev);
	group = iommu_group_get(&pdev->dev);
	pci_info(pdev, "probe: answer %d, in group %d\n", err,
		 group ? iommu_group_id(group) : -1);
	iommu_group_put(group);
}

static int probe_group(void)
{
	struct pci_dev *pdev = NULL;

	probe_tables.group = iommu_group_alloc();
	if (IS_ERR(probe_tables.group))
		return PTR_ERR(probe_tables.group);
	iommu_group_set_iommudata(probe_tables.group, &probe_tables, NULL);
	while ((pdev = pci_get_device(0x10de, PCI_ANY_ID, pdev)))
		if (probe_count < ARRAY_SIZE(probe_gpus))
			probe_move(pdev);
	return 0;
}

/* Answers as one function of an NPU2 does. */
static int probe_read(struct pci_bus *bus, unsigned int devfn, int where,
		      int size, u32 *val)
{
	*val = devfn ? ~0U : where < 4 ? 0x04ea1014 >> 8 * where : 0;
	return PCIBIOS_SUCCESSFUL;
}

static int probe_write(struct pci_bus *bus, unsigned int devfn, int where,
		       int size, u32 val)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops probe_ops = { .read = probe_read, .write = probe_write };

static int probe_bridge(void)
{
	struct device_node *dn;
	struct pci_controller *hose;

	dn = of_find_compatible_node(NULL, NULL, "ibm,ioda2-npu2-phb");
	if (!dn)
		return -ENODEV;
	hose = pcibios_alloc_controller(dn);
	of_node_put(dn);
	if (!hose)
		return -ENOMEM;
	hose->ops = &probe_ops;
	hose->last_busno = 0xff;
	if (what == PROBE_BRIDGE_ZEROED)
		hose->private_data = kzalloc(PAGE_SIZE, GFP_KERNEL);
	pr_info("probe: scanning %pOF, private_data is %s\n", hose->dn,
		hose->private_data ? "zeroed" : "NULL");
	pcibios_scan_phb(hose);
	pci_lock_rescan_remove();
	if (hose->bus)
		pci_bus_add_devices(hose->bus);
	pci_unlock_rescan_remove();
	pr_info("probe: the scan is over\n");
	return 0;
}

static int __init probe_init(void)
{
	return what == PROBE_GROUP ? probe_group() : probe_bridge();
}
module_init(probe_init);

MODULE_DESCRIPTION("Measures what a module can do with exported symbols");
MODULE_LICENSE("GPL");
