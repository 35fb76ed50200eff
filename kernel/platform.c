// SPDX-License-Identifier: GPL-2.0-only
/*
 * The platform interface. Two providers exist: the simulator, and "powernv",
 * which is the kernel's own code where the running kernel has it:
 * pnv_npu2_bind_gpu() and pnv_npu2_unbind_gpu() with the patches of
 * kernel/powernv, or up to 5.12 pnv_npu2_map_lpar_dev() and
 * pnv_npu2_unmap_lpar_dev() (arch/powerpc/platforms/powernv/npu-dma.c).
 */

#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <asm/opal.h>

#include "platform.h"

static DEFINE_MUTEX(nvlink2_platform_lock);
static const struct nvlink2_platform_ops *nvlink2_platform;

static int (*nvlink2_npu2_bind)(struct pci_dev *gpu, u64 lpid, u64 msr);
static int (*nvlink2_npu2_unbind)(struct pci_dev *gpu);
static int (*nvlink2_pnv_map)(struct pci_dev *gpdev, unsigned int lparid,
			      unsigned long msr);
static int (*nvlink2_pnv_unmap)(struct pci_dev *gpdev);

/**
 * nvlink2_platform_errno() - an errno of what the kernel's functions returned
 * @ret: 0, -ENODEV, or a code of the firmware
 *
 * pnv_npu2_map_lpar_dev() and its counterpart hand on what OPAL answered as if
 * it were an errno; the only one of their own is -ENODEV.
 *
 * Context: any.
 * Return: 0 or a negative errno.
 */
int nvlink2_platform_errno(int ret)
{
	if (!ret || ret == -ENODEV)
		return ret;
	/* The kernel's table knows no positive codes but OPAL_SUCCESS. */
	return ret < 0 ? opal_error_code(ret) : -EIO;
}

static int nvlink2_pnv_bind(struct pci_dev *gpu, u64 lpid, u64 msr)
{
	if (nvlink2_npu2_bind)
		return nvlink2_npu2_bind(gpu, lpid, msr);
	if (lpid > U32_MAX)
		return -ERANGE;
	return nvlink2_platform_errno(nvlink2_pnv_map(gpu, lpid, msr));
}

static int nvlink2_pnv_unbind(struct pci_dev *gpu)
{
	if (nvlink2_npu2_unbind)
		return nvlink2_npu2_unbind(gpu);
	return nvlink2_platform_errno(nvlink2_pnv_unmap(gpu));
}

static struct nvlink2_platform_ops nvlink2_powernv_ops = {
	.name = "powernv",
	.bind = nvlink2_pnv_bind,
	.unbind = nvlink2_pnv_unbind,
};

/**
 * nvlink2_platform_register() - offer to be the provider
 * @ops: what the provider can do; must live until it is unregistered
 *
 * Context: process context.
 * Return: 0, or -EBUSY when another provider is registered.
 */
int nvlink2_platform_register(const struct nvlink2_platform_ops *ops)
{
	int err = 0;

	mutex_lock(&nvlink2_platform_lock);
	if (nvlink2_platform)
		err = -EBUSY;
	else
		nvlink2_platform = ops;
	mutex_unlock(&nvlink2_platform_lock);
	return err;
}
EXPORT_SYMBOL_GPL(nvlink2_platform_register);

/**
 * nvlink2_platform_unregister() - take the offer back
 * @ops: what was registered; anything else is left alone
 *
 * A GPU that is bound holds a reference on the owner, so a module's exit
 * function can call this without looking.
 *
 * Context: process context.
 */
void nvlink2_platform_unregister(const struct nvlink2_platform_ops *ops)
{
	mutex_lock(&nvlink2_platform_lock);
	if (nvlink2_platform == ops)
		nvlink2_platform = NULL;
	mutex_unlock(&nvlink2_platform_lock);
}
EXPORT_SYMBOL_GPL(nvlink2_platform_unregister);

/**
 * nvlink2_platform_get() - take hold of the provider
 *
 * Context: process context.
 * Return: the provider, to be put by nvlink2_platform_put(), or NULL when there
 * is none or it is about to go.
 */
const struct nvlink2_platform_ops *nvlink2_platform_get(void)
{
	const struct nvlink2_platform_ops *ops;

	mutex_lock(&nvlink2_platform_lock);
	ops = nvlink2_platform;
	if (ops && !try_module_get(ops->owner))
		ops = NULL;
	mutex_unlock(&nvlink2_platform_lock);
	return ops;
}

/**
 * nvlink2_platform_put() - let go of the provider
 * @ops: from nvlink2_platform_get()
 *
 * Context: any.
 */
void nvlink2_platform_put(const struct nvlink2_platform_ops *ops)
{
	module_put(ops->owner);
}

/**
 * nvlink2_platform_first_link_only() - which ATSD registers can a VM use?
 *
 * Context: process context.
 * Return: true when the provider binds those of a GPU's first link alone.
 */
bool nvlink2_platform_first_link_only(void)
{
	bool first_only;

	mutex_lock(&nvlink2_platform_lock);
	first_only = nvlink2_platform && nvlink2_platform->first_link_only;
	mutex_unlock(&nvlink2_platform_lock);
	return first_only;
}

static bool nvlink2_has_npu2(void)
{
	struct device_node *dn;

	dn = of_find_compatible_node(NULL, NULL, "ibm,ioda2-npu2-phb");
	of_node_put(dn);
	return dn;
}

/* The present functions; false when there is one of them or none. */
static bool nvlink2_npu2_get(void)
{
	nvlink2_npu2_bind = symbol_get(pnv_npu2_bind_gpu);
	if (!nvlink2_npu2_bind)
		return false;
	nvlink2_npu2_unbind = symbol_get(pnv_npu2_unbind_gpu);
	if (nvlink2_npu2_unbind)
		return true;
	symbol_put(pnv_npu2_bind_gpu);
	nvlink2_npu2_bind = NULL;
	return false;
}

/* Those of up to 5.12. */
static bool nvlink2_pnv_get(void)
{
	nvlink2_pnv_map = symbol_get(pnv_npu2_map_lpar_dev);
	if (!nvlink2_pnv_map)
		return false;
	nvlink2_pnv_unmap = symbol_get(pnv_npu2_unmap_lpar_dev);
	if (nvlink2_pnv_unmap)
		return true;
	symbol_put(pnv_npu2_map_lpar_dev);
	nvlink2_pnv_map = NULL;
	return false;
}

/**
 * nvlink2_platform_init() - use the kernel's own provider where there is one
 *
 * Looked up at run time: the functions left the kernel in 5.13, patches bring
 * back others, and the same source serves all. On a machine without an NPU2
 * those of the patches have nothing to provide, and leave the place to the
 * simulator.
 *
 * Context: process context, module init.
 */
void nvlink2_platform_init(void)
{
	bool has_npu2 = nvlink2_has_npu2();

	/* Firmware has no call for the registers of the other links. */
	nvlink2_powernv_ops.first_link_only = has_npu2;
	if ((has_npu2 && nvlink2_npu2_get()) || nvlink2_pnv_get())
		nvlink2_platform_register(&nvlink2_powernv_ops);
	else if (has_npu2)
		pr_warn("nvlink2-vfio-pci: this machine has an NPU2, but this kernel has no code for it: its bridges are missing, and no GPU can be bound to a VM's partition\n");
}

/**
 * nvlink2_platform_exit() - undo nvlink2_platform_init()
 *
 * Context: process context, module exit.
 */
void nvlink2_platform_exit(void)
{
	nvlink2_platform_unregister(&nvlink2_powernv_ops);
	if (nvlink2_npu2_bind) {
		symbol_put(pnv_npu2_unbind_gpu);
		symbol_put(pnv_npu2_bind_gpu);
	}
	if (nvlink2_pnv_map) {
		symbol_put(pnv_npu2_unmap_lpar_dev);
		symbol_put(pnv_npu2_map_lpar_dev);
	}
}
