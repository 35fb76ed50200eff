// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NPU2 of POWER9: host bridges whose functions are the ends of the NVLinks
 * between the processor and GPUs.
 *
 * Firmware answers the configuration cycles of these bridges and keeps the
 * tables of the unit. What it needs from Linux, and what is done here:
 *
 *  - which PE a link belongs to. All links of a GPU share one.
 *  - through which table a link's DMA is translated: through that of its GPU,
 *    whose accesses come by PCIe and by NVLink.
 *  - whose page tables serve the GPU's own translation requests (ATS): the
 *    host's, a partition's, or nobody's.
 *
 * GPUs reach each other and the processor's memory over their links, so that
 * all GPUs and links of an NPU2 are one IOMMU group.
 *
 * Lock order: the IOMMU group's mutex, or the lock of the VFIO container; then
 * pnv_npu2.lock; then pe_alloc_mutex. iommu_add_device() takes the group's, so
 * pnv_npu2.lock must not be held then.
 *
 * The original of this is arch/powerpc/platforms/powernv/npu-dma.c of Linux
 * 4.20 to 5.12, where IOMMU groups were owned as a whole.
 */

#include <linux/error-injection.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/kmemleak.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <asm/eeh.h>
#include <asm/iommu.h>
#include <asm/opal.h>
#include <asm/pci-bridge.h>
#include <asm/powernv.h>
#include <asm/ppc-pci.h>
#include <asm/reg.h>

#include "pci.h"

/* An NPU2 has six links, so there are no more GPUs than that. */
#define PNV_NPU2_MAX_GPUS	6
/* The kernel's and its processes' accesses, as the processor makes them. */
#define PNV_NPU2_HOST_MSR	(MSR_DR | MSR_PR | MSR_HV)

enum pnv_npu2_owner {
	PNV_NPU2_NOBODY,	/* no address is translated */
	PNV_NPU2_HOST,
	PNV_NPU2_PARTITION,
	PNV_NPU2_STUCK,		/* firmware did not take it from a partition */
};

/**
 * struct pnv_npu2_gpu - a GPU and its links
 * @dn: node of the GPU, a reference is held; NULL: this entry is free
 * @gpe: PE of the GPU on its own host bridge, NULL while it is not there
 * @npe: PE of its links, NULL while none is there
 * @bdfn: bus and function of the GPU, by which firmware knows it
 * @owner: whose page tables serve its requests
 * @msr: rights of the context that firmware holds for it, 0: it holds none
 */
struct pnv_npu2_gpu {
	struct device_node *dn;
	struct pnv_ioda_pe *gpe;
	struct pnv_ioda_pe *npe;
	u16 bdfn;
	enum pnv_npu2_owner owner;
	u64 msr;
};

/**
 * struct pnv_npu2 - an NPU2
 * @phb: its host bridge
 * @lock: of everything below
 * @table_group: what VFIO sees of all PEs of GPUs and links together
 * @gpus: in the order in which they were found
 */
struct pnv_npu2 {
	struct pnv_phb *phb;
	struct mutex lock;
	struct iommu_table_group table_group;
	struct pnv_npu2_gpu gpus[PNV_NPU2_MAX_GPUS];
};

/*
 * The calls of firmware that change its tables. Their answers can be made wrong
 * by fail_function, which is how what is done then is tested.
 */
static noinline __noclone int
pnv_npu2_opal_map_lpar(struct pnv_npu2 *npu, u16 bdfn, u64 lpid)
{
	/* Radix alone is supported, for which firmware wants no bits of LPCR. */
	return opal_npu_map_lpar(npu->phb->opal_id, bdfn, lpid, 0);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_map_lpar, ERRNO);

static noinline __noclone int
pnv_npu2_opal_init_context(struct pnv_npu2 *npu, u16 bdfn, u64 msr)
{
	/* What is not negative is the number of the context. */
	return min(opal_npu_init_context(npu->phb->opal_id, 0, msr, bdfn), 0);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_init_context, ERRNO);

static noinline __noclone int
pnv_npu2_opal_destroy_context(struct pnv_npu2 *npu, u16 bdfn)
{
	return min(opal_npu_destroy_context(npu->phb->opal_id, 0, bdfn), 0);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_destroy_context, ERRNO);

static noinline __noclone int
pnv_npu2_opal_set_pe(struct pnv_ioda_pe *pe, u16 rid, u8 action)
{
	return opal_pci_set_pe(pe->phb->opal_id, pe->pe_number, rid,
			       OpalPciBusAll, OPAL_COMPARE_RID_DEVICE_NUMBER,
			       OPAL_COMPARE_RID_FUNCTION_NUMBER, action);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_set_pe, ERRNO);

/* A PE of links has one window; @tbl NULL closes it. */
static noinline __noclone int
pnv_npu2_opal_map_window(struct pnv_ioda_pe *pe, struct iommu_table *tbl)
{
	u64 entries = 0;

	if (tbl)
		entries = tbl->it_indirect_levels ? tbl->it_level_size :
						    tbl->it_size;
	return opal_pci_map_pe_dma_window(pe->phb->opal_id, pe->pe_number,
					  pe->pe_number,
					  tbl ? tbl->it_indirect_levels + 1 : 0,
					  tbl ? __pa(tbl->it_base) : 0,
					  entries * sizeof(__be64),
					  tbl ? IOMMU_PAGE_SIZE(tbl) : 0);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_map_window, ERRNO);

/* All of the NPU2's: firmware has none for a PE alone. */
static noinline __noclone int
pnv_npu2_opal_tce_kill(struct pnv_ioda_pe *pe)
{
	return opal_pci_tce_kill(pe->phb->opal_id, OPAL_PCI_TCE_KILL_ALL,
				 pe->pe_number, 0, 0, 0);
}
ALLOW_ERROR_INJECTION(pnv_npu2_opal_tce_kill, ERRNO);

static int pnv_npu2_errno(struct pnv_npu2 *npu, u16 bdfn, int rc,
			  const char *call)
{
	if (!rc)
		return 0;
	dev_err(&npu->phb->hose->bus->dev,
		"firmware refused %s for GPU %02x:%02x.%x: %d\n", call,
		PCI_BUS_NUM(bdfn), PCI_SLOT(bdfn), PCI_FUNC(bdfn), rc);
	/* The table of errnos knows no positive codes. */
	return rc < 0 ? opal_error_code(rc) : -EIO;
}

static int pnv_npu2_init_context(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu,
				 u64 msr)
{
	return pnv_npu2_errno(npu, gpu->bdfn,
			      pnv_npu2_opal_init_context(npu, gpu->bdfn, msr),
			      "INIT_CONTEXT");
}

static int pnv_npu2_destroy_context(struct pnv_npu2 *npu,
				    struct pnv_npu2_gpu *gpu)
{
	int err;

	if (!gpu->msr)
		return 0;
	/*
	 * One that could not be destroyed in its time: MAP_LPAR took the GPU's
	 * entry out of use since, and without it firmware does not find the
	 * context. The same rights once more bring it back.
	 */
	if (gpu->owner == PNV_NPU2_NOBODY) {
		err = pnv_npu2_init_context(npu, gpu, gpu->msr);
		if (err)
			return err;
	}
	err = pnv_npu2_errno(npu, gpu->bdfn,
			     pnv_npu2_opal_destroy_context(npu, gpu->bdfn),
			     "DESTROY_CONTEXT");
	if (!err)
		gpu->msr = 0;
	return err;
}

static int pnv_npu2_map(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu, u64 lpid)
{
	return pnv_npu2_errno(npu, gpu->bdfn,
			      pnv_npu2_opal_map_lpar(npu, gpu->bdfn, lpid),
			      "MAP_LPAR");
}

/*
 * Nobody's page tables serve the GPU afterwards. Each step is tried, whatever
 * becomes of the one before: a context that stays is of no use without its
 * partition.
 *
 * When firmware keeps the partition, the GPU's requests are translated by the
 * tables of whichever VM gets that LPID next. Then the GPU is out of use until a
 * later try succeeds.
 */
static int pnv_npu2_leave(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu)
{
	bool had_partition = gpu->owner == PNV_NPU2_PARTITION ||
			     gpu->owner == PNV_NPU2_STUCK;
	int err, ret;

	err = pnv_npu2_destroy_context(npu, gpu);
	ret = pnv_npu2_map(npu, gpu, 0);
	gpu->owner = ret && had_partition ? PNV_NPU2_STUCK : PNV_NPU2_NOBODY;
	/* Of the two, the one that keeps the GPU from its next owner. */
	return ret ?: err;
}

/* A context that stays is no error here: who enters next destroys it. */
static int pnv_npu2_leave_partition(struct pnv_npu2 *npu,
				    struct pnv_npu2_gpu *gpu)
{
	int err = pnv_npu2_leave(npu, gpu);

	return gpu->owner == PNV_NPU2_STUCK ? err : 0;
}

/* Is the GPU free of every partition? One that is stuck gets another try. */
static int pnv_npu2_unstick(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu)
{
	if (gpu->owner != PNV_NPU2_STUCK)
		return 0;
	return pnv_npu2_leave_partition(npu, gpu);
}

/* From nobody to @owner; nobody's again when it fails. */
static int pnv_npu2_enter(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu,
			  enum pnv_npu2_owner owner, u64 lpid, u64 msr)
{
	int err;

	/* One that is left over conflicts with other rights. */
	err = pnv_npu2_destroy_context(npu, gpu);
	if (err)
		return err;
	err = pnv_npu2_map(npu, gpu, lpid);
	if (err)
		return err;
	err = pnv_npu2_init_context(npu, gpu, msr);
	if (err) {
		if (lpid && pnv_npu2_map(npu, gpu, 0))
			gpu->owner = PNV_NPU2_STUCK;
		return err;
	}
	gpu->msr = msr;
	gpu->owner = owner;
	return 0;
}

static int pnv_npu2_to_host(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu)
{
	int err;

	if (gpu->owner == PNV_NPU2_HOST || !gpu->gpe || !gpu->npe)
		return 0;
	if (gpu->owner == PNV_NPU2_PARTITION)
		pnv_npu2_leave(npu, gpu);
	err = pnv_npu2_unstick(npu, gpu);
	return err ?: pnv_npu2_enter(npu, gpu, PNV_NPU2_HOST, 0,
				     PNV_NPU2_HOST_MSR);
}

static int pnv_npu2_from_host(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu)
{
	int err;

	if (gpu->owner != PNV_NPU2_HOST)
		return pnv_npu2_unstick(npu, gpu);
	err = pnv_npu2_destroy_context(npu, gpu);
	if (err)
		return err;
	err = pnv_npu2_map(npu, gpu, 0);
	gpu->owner = PNV_NPU2_NOBODY;
	if (err)
		pnv_npu2_to_host(npu, gpu);
	return err;
}

/* Finding each other. */

static struct pci_dev *pnv_npu2_peer_get(struct pci_dev *pdev,
					 const char *property, int index)
{
	struct device_node *dn;
	struct device *dev;

	dn = of_parse_phandle(pdev->dev.of_node, property, index);
	if (!dn)
		return NULL;
	dev = bus_find_device_by_of_node(&pci_bus_type, dn);
	of_node_put(dn);
	return dev ? to_pci_dev(dev) : NULL;
}

/**
 * pnv_npu2_gpu_get() - the GPU at the other end of a link
 * @bridge: function of an NPU2's host bridge
 *
 * Context: process context.
 * Return: the GPU, to be put by pci_dev_put(), or NULL when @bridge is no link
 * or the GPU is not there.
 */
struct pci_dev *pnv_npu2_gpu_get(struct pci_dev *bridge)
{
	return pnv_npu2_peer_get(bridge, "ibm,gpu", 0);
}
EXPORT_SYMBOL_GPL(pnv_npu2_gpu_get);

/**
 * pnv_npu2_bridge_get() - a link of a GPU
 * @gpu: the GPU
 * @index: which of its links, from 0
 *
 * Context: process context.
 * Return: the function of the host bridge, to be put by pci_dev_put(), or NULL
 * when @gpu has no such link or the function is not there.
 */
struct pci_dev *pnv_npu2_bridge_get(struct pci_dev *gpu, int index)
{
	return pnv_npu2_peer_get(gpu, "ibm,npu", index);
}
EXPORT_SYMBOL_GPL(pnv_npu2_bridge_get);

/* The NPU2 that a GPU with this node is linked to; it never goes away. */
static struct pnv_npu2 *pnv_npu2_of(struct device_node *gpu)
{
	struct device_node *link = of_parse_phandle(gpu, "ibm,npu", 0);
	struct pci_controller *hose;
	struct pnv_phb *phb;

	if (!link)
		return NULL;
	hose = pci_find_hose_for_OF_device(link);
	of_node_put(link);
	phb = hose ? hose->private_data : NULL;
	return phb && phb->type == PNV_PHB_NPU_NVLINK ? phb->npu2 : NULL;
}

static struct pnv_npu2_gpu *pnv_npu2_find(struct pnv_npu2 *npu,
					  struct device_node *dn)
{
	unsigned int i;

	for (i = 0; i < PNV_NPU2_MAX_GPUS; i++)
		if (npu->gpus[i].dn == dn)
			return &npu->gpus[i];
	return NULL;
}

static struct pnv_npu2_gpu *pnv_npu2_find_or_add(struct pnv_npu2 *npu,
						 struct device_node *dn)
{
	struct pnv_npu2_gpu *gpu = pnv_npu2_find(npu, dn);

	if (gpu)
		return gpu;
	gpu = pnv_npu2_find(npu, NULL);
	if (gpu)
		gpu->dn = of_node_get(dn);
	return gpu;
}

static void pnv_npu2_forget(struct pnv_npu2_gpu *gpu)
{
	/* One that is stuck is known by its node when it comes back. */
	if (gpu->gpe || gpu->npe || gpu->owner == PNV_NPU2_STUCK)
		return;
	of_node_put(gpu->dn);
	memset(gpu, 0, sizeof(*gpu));
}

/* The window of a PE of links. */

static int pnv_npu2_window_errno(struct pnv_ioda_pe *pe, int rc,
				 const char *what)
{
	if (!rc)
		return 0;
	pe_err(pe, "firmware refused to %s: %d\n", what, rc);
	return rc < 0 ? opal_error_code(rc) : -EIO;
}

/*
 * Translate through @tbl from now on, or, when it is NULL, not at all. What the
 * NPU2 has cached of another table goes in any case.
 */
static int pnv_npu2_switch_window(struct pnv_ioda_pe *pe,
				  struct iommu_table *tbl)
{
	int err, ret;

	err = pnv_npu2_window_errno(pe, pnv_npu2_opal_map_window(pe, tbl),
				    tbl ? "open the DMA window" :
					  "close the DMA window");
	ret = pnv_npu2_window_errno(pe, pnv_npu2_opal_tce_kill(pe),
				    "invalidate the TCE cache");
	return err ?: ret;
}

/*
 * For a table that the NPU2 may still walk, because firmware refused to close its
 * window. It is empty by now, but its memory must not become somebody else's.
 */
static void pnv_npu2_keep_table(struct iommu_table *tbl)
{
	iommu_tce_table_get(tbl);
	kmemleak_not_leak(tbl);
}

static long pnv_npu2_link_unset_window(struct iommu_table_group *table_group,
				       int num)
{
	struct pnv_ioda_pe *pe = container_of(table_group, struct pnv_ioda_pe,
					      table_group);
	struct iommu_table *tbl = table_group->tables[num];
	int err;

	if (!tbl)
		return 0;
	err = pnv_npu2_switch_window(pe, NULL);
	if (err)
		pnv_npu2_keep_table(tbl);
	pnv_pci_unlink_table_and_group(tbl, table_group);
	return err;
}

/* A GPU has two windows, a link has one: the last that was set. */
static long pnv_npu2_link_set_window(struct iommu_table_group *table_group,
				     int num, struct iommu_table *tbl)
{
	struct pnv_ioda_pe *pe = container_of(table_group, struct pnv_ioda_pe,
					      table_group);
	struct iommu_table *old = table_group->tables[!num];
	long err;

	/* First, as it takes memory: then a change of the table is invalidated. */
	err = pnv_pci_link_table_and_group(pe->phb->hose->node, num, tbl,
					   table_group);
	if (err)
		return err;
	err = pnv_npu2_switch_window(pe, tbl);
	if (err) {
		if (pnv_npu2_switch_window(pe, old))
			pnv_npu2_keep_table(tbl);
		pnv_pci_unlink_table_and_group(tbl, table_group);
		return err;
	}
	if (old)
		pnv_pci_unlink_table_and_group(old, table_group);
	return 0;
}

static struct iommu_table_group_ops pnv_npu2_link_ops = {
	.set_window = pnv_npu2_link_set_window,
	.unset_window = pnv_npu2_link_unset_window,
};

/* The group: what is done to it is done to all its PEs. */

static unsigned int pnv_npu2_pes(struct pnv_npu2 *npu, struct pnv_ioda_pe **pes)
{
	unsigned int i, count = 0;

	for (i = 0; i < PNV_NPU2_MAX_GPUS; i++)
		if (npu->gpus[i].gpe)
			pes[count++] = npu->gpus[i].gpe;
	for (i = 0; i < PNV_NPU2_MAX_GPUS; i++)
		if (npu->gpus[i].npe)
			pes[count++] = npu->gpus[i].npe;
	return count;
}

static struct pnv_npu2 *pnv_npu2_of_group(struct iommu_table_group *table_group)
{
	return container_of(table_group, struct pnv_npu2, table_group);
}

static long pnv_npu2_create_table(struct iommu_table_group *table_group,
				  int num, __u32 page_shift, __u64 window_size,
				  __u32 levels, struct iommu_table **ptbl)
{
	struct pnv_npu2 *npu = pnv_npu2_of_group(table_group);
	struct pnv_ioda_pe *pes[2 * PNV_NPU2_MAX_GPUS];
	long ret = -ENODEV;

	mutex_lock(&npu->lock);
	/* GPUs come first; a link has no tables of its own. */
	if (pnv_npu2_pes(npu, pes) && pes[0]->table_group.ops->create_table)
		ret = pes[0]->table_group.ops->create_table(&pes[0]->table_group,
							    num, page_shift,
							    window_size, levels,
							    ptbl);
	mutex_unlock(&npu->lock);
	return ret;
}

/*
 * Gives a PE what the group has open and the PE has not: one that comes while the
 * group is in use, or a link whose only window was closed and that has to fall
 * back to the other one of its group.
 */
static long pnv_npu2_catch_up(struct pnv_npu2 *npu, struct pnv_ioda_pe *pe)
{
	struct iommu_table_group *own = &pe->table_group;
	bool is_link = own->ops == &pnv_npu2_link_ops;
	long err = 0;
	int num;

	for (num = IOMMU_TABLE_GROUP_MAX_TABLES; num-- && !err; ) {
		if (is_link && (own->tables[0] || own->tables[1]))
			break;
		if (npu->table_group.tables[num] && !own->tables[num])
			err = own->ops->set_window(own, num,
						   npu->table_group.tables[num]);
	}
	return err;
}

static long pnv_npu2_set_window(struct iommu_table_group *table_group, int num,
				struct iommu_table *tbl)
{
	struct pnv_npu2 *npu = pnv_npu2_of_group(table_group);
	struct pnv_ioda_pe *pes[2 * PNV_NPU2_MAX_GPUS];
	unsigned int i, count;
	long err = 0;

	mutex_lock(&npu->lock);
	count = pnv_npu2_pes(npu, pes);
	for (i = 0; i < count && !err; i++)
		err = pes[i]->table_group.ops->set_window(&pes[i]->table_group,
							  num, tbl);
	if (err)
		for (i--; i--; ) {
			pes[i]->table_group.ops->unset_window(&pes[i]->table_group,
							      num);
			pnv_npu2_catch_up(npu, pes[i]);
		}
	else
		table_group->tables[num] = iommu_tce_table_get(tbl);
	mutex_unlock(&npu->lock);
	return err;
}

static long pnv_npu2_unset_window(struct iommu_table_group *table_group, int num)
{
	struct pnv_npu2 *npu = pnv_npu2_of_group(table_group);
	struct pnv_ioda_pe *pes[2 * PNV_NPU2_MAX_GPUS];
	unsigned int i, count;
	long err = 0, ret;

	mutex_lock(&npu->lock);
	count = pnv_npu2_pes(npu, pes);
	/* The table goes, so each PE lets go of it, whatever another one says. */
	for (i = 0; i < count; i++) {
		if (!pes[i]->table_group.tables[num])
			continue;
		ret = pes[i]->table_group.ops->unset_window(&pes[i]->table_group,
							    num);
		err = err ?: ret;
	}
	if (table_group->tables[num]) {
		iommu_tce_table_put(table_group->tables[num]);
		table_group->tables[num] = NULL;
	}
	for (i = 0; i < count; i++) {
		ret = pnv_npu2_catch_up(npu, pes[i]);
		err = err ?: ret;
	}
	mutex_unlock(&npu->lock);
	return err;
}

/* The GPU of a device of the group, and whether the device is a link of it. */
static struct pnv_npu2_gpu *pnv_npu2_member(struct pnv_npu2 *npu,
					    struct device *dev, bool *is_link)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct pnv_phb *phb = pci_bus_to_pnvhb(pdev->bus);
	struct pnv_ioda_pe *pe = pnv_pci_bdfn_to_pe(phb, pci_dev_id(pdev));
	unsigned int i;

	*is_link = phb == npu->phb;
	for (i = 0; i < PNV_NPU2_MAX_GPUS; i++)
		if (pe && (npu->gpus[i].npe == pe || npu->gpus[i].gpe == pe))
			return &npu->gpus[i];
	return NULL;
}

/* To the kernel, with its own window, for a PE of a GPU that goes. */
static void pnv_npu2_give_back(struct pnv_npu2 *npu, struct pnv_ioda_pe *pe)
{
	struct iommu_table_group *own = &pe->table_group;
	int num;

	for (num = 0; num < IOMMU_TABLE_GROUP_MAX_TABLES; num++)
		if (own->tables[num] &&
		    own->tables[num] == npu->table_group.tables[num])
			own->ops->unset_window(own, num);
	own->ops->release_ownership(own, NULL);
}

/*
 * The IOMMU core calls these for each device of the group, a GPU or a link.
 * Whichever is first gives or takes the translations; the windows of the GPU's
 * own PE go with the GPU.
 */
static long pnv_npu2_take_ownership(struct iommu_table_group *table_group,
				    struct device *dev)
{
	struct pnv_npu2 *npu = pnv_npu2_of_group(table_group);
	struct iommu_table_group *own;
	struct pnv_npu2_gpu *gpu;
	long err = -ENODEV;
	bool is_link;

	mutex_lock(&npu->lock);
	gpu = pnv_npu2_member(npu, dev, &is_link);
	if (gpu)
		err = pnv_npu2_from_host(npu, gpu);
	if (!err && !is_link) {
		own = &gpu->gpe->table_group;
		err = own->ops->take_ownership(own, dev);
		if (!err) {
			err = pnv_npu2_catch_up(npu, gpu->gpe);
			if (err)
				pnv_npu2_give_back(npu, gpu->gpe);
		}
		if (err)
			pnv_npu2_to_host(npu, gpu);
	}
	mutex_unlock(&npu->lock);
	return err;
}

static void pnv_npu2_release_ownership(struct iommu_table_group *table_group,
				       struct device *dev)
{
	struct pnv_npu2 *npu = pnv_npu2_of_group(table_group);
	struct iommu_table_group *own;
	struct pnv_npu2_gpu *gpu;
	bool is_link;

	mutex_lock(&npu->lock);
	gpu = pnv_npu2_member(npu, dev, &is_link);
	if (gpu && !is_link) {
		own = &gpu->gpe->table_group;
		own->ops->release_ownership(own, dev);
	}
	/* Firmware's refusal was said; the GPU works without ATS. */
	if (gpu)
		pnv_npu2_to_host(npu, gpu);
	mutex_unlock(&npu->lock);
}

static struct iommu_table_group_ops pnv_npu2_group_ops = {
	.get_table_size = pnv_pci_ioda2_get_table_size,
	.create_table = pnv_npu2_create_table,
	.set_window = pnv_npu2_set_window,
	.unset_window = pnv_npu2_unset_window,
	.take_ownership = pnv_npu2_take_ownership,
	.release_ownership = pnv_npu2_release_ownership,
};

/* The group is made when its first device comes, and then stays. */
static struct iommu_group *pnv_npu2_group(struct pnv_npu2 *npu)
{
	if (!npu->table_group.group) {
		npu->table_group.ops = &pnv_npu2_group_ops;
		npu->table_group.pgsizes = pnv_ioda_parse_tce_sizes(npu->phb);
		iommu_register_group(&npu->table_group,
				     npu->phb->hose->global_number, 0);
	}
	return npu->table_group.group;
}

/* All GPUs of a machine have the same kind of host bridge. */
static void pnv_npu2_adopt(struct iommu_table_group *group,
			   const struct iommu_table_group *gpu)
{
	group->tce32_start = gpu->tce32_start;
	group->tce32_size = gpu->tce32_size;
	group->max_dynamic_windows_supported = gpu->max_dynamic_windows_supported;
	group->max_levels = gpu->max_levels;
	group->pgsizes &= gpu->pgsizes;
}

/* GPUs, which have PEs of their own host bridges. */

static struct pci_dev *pnv_npu2_gpu_on(struct pci_bus *bus,
				       struct pnv_npu2 **npu)
{
	struct pci_dev *pdev;

	list_for_each_entry(pdev, &bus->devices, bus_list) {
		*npu = pnv_npu2_of(pdev->dev.of_node);
		if (*npu)
			return pdev;
	}
	return NULL;
}

/**
 * pnv_npu2_join() - let a PE with a GPU be in the group of its NPU2
 * @pe: PE of a bus whose windows are set up, before it has a group
 *
 * Context: process context.
 * Return: whether it has a group now; false for anything without NVLinks to the
 * processor.
 */
bool pnv_npu2_join(struct pnv_ioda_pe *pe)
{
	struct pnv_npu2_gpu *gpu = NULL;
	struct pnv_npu2 *npu;
	struct pci_dev *pdev;

	if (!pe->pbus)
		return false;
	pdev = pnv_npu2_gpu_on(pe->pbus, &npu);
	if (!pdev)
		return false;

	mutex_lock(&npu->lock);
	if (pnv_npu2_group(npu))
		gpu = pnv_npu2_find_or_add(npu, pdev->dev.of_node);
	if (gpu) {
		gpu->gpe = pe;
		gpu->bdfn = pci_dev_id(pdev);
		pnv_npu2_adopt(&npu->table_group, &pe->table_group);
		pe->table_group.group = npu->table_group.group;
		pnv_npu2_to_host(npu, gpu);
	}
	mutex_unlock(&npu->lock);
	if (!gpu)
		pci_err(pdev, "no room in the group of its NPU2: it has one of its own\n");
	return gpu;
}

/**
 * pnv_npu2_part() - undo pnv_npu2_join()
 * @pe: a PE that is about to be released, whether or not it joined
 *
 * Context: process context.
 */
void pnv_npu2_part(struct pnv_ioda_pe *pe)
{
	struct pci_controller *hose;
	struct pnv_npu2_gpu *gpu;
	struct pnv_npu2 *npu;
	struct pnv_phb *phb;

	list_for_each_entry(hose, &hose_list, list_node) {
		phb = hose->private_data;
		npu = phb->type == PNV_PHB_NPU_NVLINK ? phb->npu2 : NULL;
		if (!npu)
			continue;
		mutex_lock(&npu->lock);
		for (gpu = npu->gpus; gpu < npu->gpus + PNV_NPU2_MAX_GPUS; gpu++) {
			if (gpu->gpe != pe)
				continue;
			if (gpu->owner != PNV_NPU2_NOBODY)
				pnv_npu2_leave(npu, gpu);
			/* Others of the group can be in use, and it with them. */
			pnv_npu2_give_back(npu, pe);
			gpu->gpe = NULL;
			/* The group outlives it. */
			pe->table_group.group = NULL;
			pnv_npu2_forget(gpu);
		}
		mutex_unlock(&npu->lock);
	}
}

/* Links. */

static struct pnv_ioda_pe *pnv_npu2_new_pe(struct pnv_npu2 *npu,
					   struct pci_dev *link)
{
	struct pnv_ioda_pe *pe = pnv_ioda_alloc_pe(npu->phb, 1);

	if (!pe) {
		pci_err(link, "no PE is left\n");
		return NULL;
	}
	pe->flags = PNV_IODA_PE_DEV;
	pe->pdev = link;
	pe->rid = pci_dev_id(link);
	pe->mve_number = -1;
	pe->table_group.ops = &pnv_npu2_link_ops;
	pe->table_group.group = npu->table_group.group;
	return pe;
}

static void pnv_npu2_free_pe(struct pnv_npu2 *npu, struct pnv_npu2_gpu *gpu)
{
	struct pnv_ioda_pe *pe = gpu->npe;
	int num;

	if (gpu->owner != PNV_NPU2_NOBODY)
		pnv_npu2_leave(npu, gpu);
	for (num = 0; num < IOMMU_TABLE_GROUP_MAX_TABLES; num++)
		pnv_npu2_link_unset_window(&pe->table_group, num);
	gpu->npe = NULL;
	pe->pdev = NULL;
	pnv_ioda_free_pe(pe);
	pnv_npu2_forget(gpu);
}

static struct pnv_ioda_pe *pnv_npu2_add_link(struct pnv_npu2 *npu,
					     struct pci_dev *link,
					     struct device_node *dn)
{
	struct pnv_npu2_gpu *gpu;
	bool is_first;
	int rc;

	if (!pnv_npu2_group(npu))
		return NULL;
	gpu = pnv_npu2_find_or_add(npu, dn);
	if (!gpu) {
		pci_err(link, "more than %d GPUs\n", PNV_NPU2_MAX_GPUS);
		return NULL;
	}
	is_first = !gpu->npe;
	if (is_first)
		gpu->npe = pnv_npu2_new_pe(npu, link);
	if (!gpu->npe) {
		pnv_npu2_forget(gpu);
		return NULL;
	}

	rc = pnv_npu2_opal_set_pe(gpu->npe, pci_dev_id(link), OPAL_MAP_PE);
	if (rc) {
		pci_err(link, "firmware refused PE#%x: %d\n",
			gpu->npe->pe_number, rc);
		if (is_first)
			pnv_npu2_free_pe(npu, gpu);
		return NULL;
	}
	/* A link of a group in use has to translate as the others do. */
	if (is_first && pnv_npu2_catch_up(npu, gpu->npe)) {
		rc = pnv_npu2_opal_set_pe(gpu->npe, pci_dev_id(link),
					  OPAL_UNMAP_PE);
		if (rc)
			pci_err(link, "firmware refused to leave PE#%x: %d\n",
				gpu->npe->pe_number, rc);
		pnv_npu2_free_pe(npu, gpu);
		return NULL;
	}
	npu->phb->ioda.pe_rmap[pci_dev_id(link)] = gpu->npe->pe_number;
	gpu->npe->device_count++;
	/* Firmware's refusal was logged; the link is there without ATS. */
	if (is_first)
		pnv_npu2_to_host(npu, gpu);
	return gpu->npe;
}

/**
 * pnv_npu2_dma_dev_setup() - give a link its PE and its group
 * @link: function of an NPU2's host bridge, which is about to be announced
 *
 * A link that cannot have them cannot be enabled.
 *
 * Context: process context.
 */
void pnv_npu2_dma_dev_setup(struct pci_dev *link)
{
	struct pnv_phb *phb = pci_bus_to_pnvhb(link->bus);
	struct pci_dn *pdn = pci_get_pdn(link);
	struct pnv_npu2 *npu = phb->npu2;
	struct device_node *dn;
	struct pnv_ioda_pe *pe;
	struct pci_dev *gpu;

	/* EEH asks for a PE of every function: until it has one, a sound one. */
	phb->ioda.pe_rmap[pci_dev_id(link)] = phb->ioda.reserved_pe_idx;

	dn = of_parse_phandle(link->dev.of_node, "ibm,gpu", 0);
	if (!dn || !pdn || !npu) {
		pci_warn(link, "device tree names no GPU for this link\n");
		of_node_put(dn);
		return;
	}
	mutex_lock(&npu->lock);
	pe = pnv_npu2_add_link(npu, link, dn);
	mutex_unlock(&npu->lock);
	of_node_put(dn);
	if (!pe)
		return;

	pdn->pe_number = pe->pe_number;
	iommu_add_device(&npu->table_group, &link->dev);
	gpu = pnv_npu2_gpu_get(link);
	pci_info(link, "NVLink of %s, PE#%x\n",
		 gpu ? pci_name(gpu) : "a GPU that is not there", pe->pe_number);
	pci_dev_put(gpu);
}

/**
 * pnv_npu2_release_device() - undo pnv_npu2_dma_dev_setup()
 * @link: function of an NPU2's host bridge, which was removed
 *
 * Context: process context.
 */
void pnv_npu2_release_device(struct pci_dev *link)
{
	struct pnv_phb *phb = pci_bus_to_pnvhb(link->bus);
	struct pci_dn *pdn = pci_get_pdn(link);
	struct pnv_npu2 *npu = phb->npu2;
	struct pnv_npu2_gpu *gpu;
	struct pci_dev *other;
	bool is_link;
	int rc;

	if (!npu || !pdn || pdn->pe_number == IODA_INVALID_PE)
		return;
	mutex_lock(&npu->lock);
	gpu = pnv_npu2_member(npu, &link->dev, &is_link);
	if (gpu) {
		rc = pnv_npu2_opal_set_pe(gpu->npe, pci_dev_id(link),
					  OPAL_UNMAP_PE);
		if (rc)
			pci_err(link, "firmware refused to leave PE#%x: %d\n",
				gpu->npe->pe_number, rc);
		phb->ioda.pe_rmap[pci_dev_id(link)] = IODA_INVALID_PE;
		if (!--gpu->npe->device_count)
			pnv_npu2_free_pe(npu, gpu);
		else if (gpu->npe->pdev == link)
			list_for_each_entry(other, &link->bus->devices, bus_list)
				if (pnv_pci_bdfn_to_pe(phb, pci_dev_id(other)) ==
				    gpu->npe)
					gpu->npe->pdev = other;
	}
	pdn->pe_number = IODA_INVALID_PE;
	mutex_unlock(&npu->lock);
}

static int pnv_npu2_note_enabled(struct pci_dev *link, void *in_use)
{
	if (!pci_is_enabled(link))
		return 0;
	*(bool *)in_use = true;
	return 1;
}

/**
 * pnv_npu2_disable_device() - reset the links that nobody uses any more
 * @link: function of an NPU2's host bridge, which was disabled
 *
 * What one owner trained and set up must not be there for the next. Firmware
 * resets all links of the NPU2 together, so this waits for the last one: GPU RAM
 * may be in use through the others.
 *
 * Context: process context.
 */
void pnv_npu2_disable_device(struct pci_dev *link)
{
#ifdef CONFIG_EEH
	struct eeh_dev *edev = pci_dev_to_eeh_dev(link);
	bool in_use = false;

	pci_walk_bus(link->bus, pnv_npu2_note_enabled, &in_use);
	if (!in_use && edev && edev->pe && eeh_ops && eeh_ops->reset)
		eeh_ops->reset(edev->pe, EEH_RESET_HOT);
#endif
}

/* Partitions. */

/* A GPU that is there, with links. */
static struct pnv_npu2_gpu *pnv_npu2_find_linked(struct pnv_npu2 *npu,
						 struct device_node *dn)
{
	struct pnv_npu2_gpu *gpu = pnv_npu2_find(npu, dn);

	return gpu && gpu->gpe && gpu->npe ? gpu : NULL;
}

/**
 * pnv_npu2_bind_gpu() - let a partition's page tables serve a GPU's requests
 * @pdev: the GPU, whose IOMMU group the host has given away
 * @lpid: the partition
 * @msr: bits of MSR that the GPU's accesses have: MSR_DR, MSR_PR
 *
 * Firmware binds the ATSD register of the GPU's first link to the partition as
 * well. Of its other links' registers it has no call.
 *
 * Context: process context.
 * Return: 0; -ENODEV when it has no NVLinks to the processor, or the first is
 * not there; -EBUSY when the host or a partition has it; -EINVAL for partition 0,
 * which is the host; else what firmware answered, also when it keeps an earlier
 * partition. Nothing is changed then.
 */
int pnv_npu2_bind_gpu(struct pci_dev *pdev, u64 lpid, u64 msr)
{
	struct pnv_npu2 *npu = pnv_npu2_of(pdev->dev.of_node);
	struct pci_dev *link = pnv_npu2_bridge_get(pdev, 0);
	struct pnv_npu2_gpu *gpu;
	int err;

	/* Its RAM and its ATSD register are reached through this one. */
	if (!link)
		return -ENODEV;
	pci_dev_put(link);
	if (!lpid)
		return -EINVAL;
	if (!npu)
		return -ENODEV;
	mutex_lock(&npu->lock);
	gpu = pnv_npu2_find_linked(npu, pdev->dev.of_node);
	if (!gpu)
		err = -ENODEV;
	else
		err = pnv_npu2_unstick(npu, gpu);
	if (!err && gpu->owner != PNV_NPU2_NOBODY)
		err = -EBUSY;
	if (!err)
		err = pnv_npu2_enter(npu, gpu, PNV_NPU2_PARTITION, lpid, msr);
	mutex_unlock(&npu->lock);
	return err;
}
EXPORT_SYMBOL_GPL(pnv_npu2_bind_gpu);

/**
 * pnv_npu2_unbind_gpu() - undo pnv_npu2_bind_gpu()
 * @pdev: the GPU
 *
 * Context: process context.
 * Return: 0, also when no partition has it any more; -ENODEV when it or all its
 * links are gone, and with them what was bound; else what firmware answered. The
 * partition may have it still then: nobody else gets the GPU, and the call can be
 * repeated.
 */
int pnv_npu2_unbind_gpu(struct pci_dev *pdev)
{
	struct pnv_npu2 *npu = pnv_npu2_of(pdev->dev.of_node);
	struct pnv_npu2_gpu *gpu;
	int err = 0;

	if (!npu)
		return -ENODEV;
	mutex_lock(&npu->lock);
	gpu = pnv_npu2_find_linked(npu, pdev->dev.of_node);
	if (!gpu)
		err = -ENODEV;
	else if (gpu->owner == PNV_NPU2_PARTITION ||
		 gpu->owner == PNV_NPU2_STUCK)
		err = pnv_npu2_leave_partition(npu, gpu);
	mutex_unlock(&npu->lock);
	return err;
}
EXPORT_SYMBOL_GPL(pnv_npu2_unbind_gpu);

/* The host bridge. */

/**
 * pnv_npu2_init() - set up what a host bridge needs beside what others do
 * @phb: the host bridge, before its bus is scanned
 *
 * Context: process context, at boot.
 * Return: 0 or -ENOMEM.
 */
int __init pnv_npu2_init(struct pnv_phb *phb)
{
	struct pnv_npu2 *npu = kzalloc(sizeof(*npu), GFP_KERNEL);

	if (!npu)
		return -ENOMEM;
	npu->phb = phb;
	mutex_init(&npu->lock);
	phb->npu2 = npu;
	return 0;
}

/**
 * pnv_npu2_shutdown() - leave the NPU2 as the next kernel expects it
 * @hose: its host bridge
 *
 * GPUs that partitions have become the host's again.
 *
 * Context: before a reboot or a kexec, or a panic: waits for nobody.
 */
void pnv_npu2_shutdown(struct pci_controller *hose)
{
	struct pnv_phb *phb = hose->private_data;
	struct pnv_npu2 *npu = phb->npu2;
	unsigned int i;

	if (npu && mutex_trylock(&npu->lock)) {
		for (i = 0; i < PNV_NPU2_MAX_GPUS; i++)
			pnv_npu2_to_host(npu, &npu->gpus[i]);
		mutex_unlock(&npu->lock);
	}
	opal_pci_reset(phb->opal_id, OPAL_RESET_PCI_IODA_TABLE,
		       OPAL_ASSERT_RESET);
}
