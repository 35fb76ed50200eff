// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which partition a GPU serves. Its address translation requests carry the
 * LPID it was bound to, so it must be the VM's, and only while the VM lives:
 * an LPID is used again after that. When there is a VM to bind to, main.c says.
 */

#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/kvm_ppc.h>
#include <asm/mmu.h>
#include <asm/reg.h>

#include "nvlink2.h"
#include "platform.h"

/* Accesses of user space programs of the guest, with translation on. */
#define NVLINK2_MSR	(MSR_DR | MSR_PR)

#ifdef CONFIG_KVM_BOOK3S_HV_POSSIBLE
/* Only kvm_hv runs a guest in a partition of its own. */
static bool nvlink2_kvm_is_hv(struct kvm *kvm)
{
	struct kvmppc_ops **hv_ops = symbol_get(kvmppc_hv_ops);
	bool hv;

	if (!hv_ops)
		return false;
	hv = *hv_ops && kvm->arch.kvm_ops == *hv_ops;
	symbol_put(kvmppc_hv_ops);
	return hv;
}

static u64 nvlink2_kvm_lpid(struct kvm *kvm)
{
	return kvm->arch.lpid;
}
#else
static bool nvlink2_kvm_is_hv(struct kvm *kvm)
{
	return false;
}

static u64 nvlink2_kvm_lpid(struct kvm *kvm)
{
	return 0;
}
#endif

/**
 * nvlink2_lpid_of() - the partition a VM runs in
 * @pdev: the GPU, for messages
 * @kvm: the VM, referenced
 * @lpid: its partition id, never 0; valid while @kvm is referenced
 *
 * Context: process context.
 * Return: 0; -EOPNOTSUPP on a host that cannot serve partitions, -EINVAL for a
 * VM that has none. Both have been reported in the log.
 */
int nvlink2_lpid_of(struct pci_dev *pdev, struct kvm *kvm, u64 *lpid)
{
	if (!cpu_has_feature(CPU_FTR_HVMODE) || !radix_enabled()) {
		pci_err(pdev, "a VM's partition can only be served on a bare-metal host with the radix MMU\n");
		return -EOPNOTSUPP;
	}
	if (!nvlink2_kvm_is_hv(kvm)) {
		pci_err(pdev, "the VM is not run by kvm_hv, it has no partition\n");
		return -EINVAL;
	}
	*lpid = nvlink2_kvm_lpid(kvm);
	/* Partition 0 is the host. */
	if (!*lpid) {
		pci_err(pdev, "the VM's partition id is 0, which is the host's\n");
		return -EINVAL;
	}
	return 0;
}

/**
 * nvlink2_lpar_bind() - bind a GPU to the partition of the VM that owns it
 * @dev: the GPU, not bound yet
 * @kvm: the VM, referenced until the GPU is unbound
 *
 * Context: process context.
 * Return: 0; -ENODEV when there is no provider, -EINVAL or -EOPNOTSUPP for a VM
 * that has no usable partition, or the provider's errno. Each has been reported
 * in the log.
 */
int nvlink2_lpar_bind(struct nvlink2_device *dev, struct kvm *kvm)
{
	const struct nvlink2_platform_ops *ops;
	struct pci_dev *pdev = dev->pdev;
	u64 lpid;
	int err;

	err = nvlink2_lpid_of(pdev, kvm, &lpid);
	if (err)
		return err;

	ops = nvlink2_platform_get();
	if (!ops) {
		pci_err(pdev, "a VM owns the GPU, but this kernel has no NPU2 platform code to bind it to partition %llu\n",
			lpid);
		return -ENODEV;
	}

	err = ops->bind(pdev, lpid, NVLINK2_MSR);
	if (err) {
		pci_err(pdev, "%s: binding to partition %llu failed: %d\n",
			ops->name, lpid, err);
		nvlink2_platform_put(ops);
		return err;
	}

	dev->lpar.ops = ops;
	dev->lpar.lpid = lpid;
	return 0;
}

/**
 * nvlink2_lpar_unbind() - undo nvlink2_lpar_bind()
 * @dev: the GPU; nothing happens when it was not bound
 *
 * Context: process context; the VM is still there.
 */
void nvlink2_lpar_unbind(struct nvlink2_device *dev)
{
	const struct nvlink2_platform_ops *ops = dev->lpar.ops;
	int err;

	if (!ops)
		return;

	dev->lpar.ops = NULL;
	err = ops->unbind(dev->pdev);
	if (err)
		dev_err_ratelimited(&dev->pdev->dev,
				    "%s: unbinding from partition %llu failed: %d\n",
				    ops->name, dev->lpar.lpid, err);
	nvlink2_platform_put(ops);
}
