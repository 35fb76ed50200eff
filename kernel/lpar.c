// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which partition a GPU serves. Its address translation requests carry the
 * LPID it was bound to, so it must be the VM's, and only while the VM lives:
 * an LPID is used again after that. When there is a VM to bind to, main.c says.
 */

#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <asm/kvm_ppc.h>
#include <asm/mmu.h>
#include <asm/reg.h>

#include "compat.h"
#include "nvlink2.h"
#include "platform.h"

/* Accesses of user space programs of the guest, with translation on. */
#define NVLINK2_MSR	(MSR_DR | MSR_PR)

/**
 * struct nvlink2_lpar - the partition a GPU is bound to
 * @ops: provider that bound it, referenced
 * @lpid: the partition's id; it is the VM's while the VM is referenced
 * @domain: with @id, which function the GPU is
 * @id: bus, device and function
 * @node: on the list of those that could not be unbound
 */
struct nvlink2_lpar {
	const struct nvlink2_platform_ops *ops;
	u64 lpid;
	int domain;
	u16 id;
	struct list_head node;
};

/*
 * GPUs that the platform could not take back from a partition. Their requests
 * are translated by the tables of whichever VM has that LPID, so nobody gets
 * them until a later try succeeds. The list outlives the driver's hold on the
 * function.
 */
static LIST_HEAD(nvlink2_stuck);
static DEFINE_MUTEX(nvlink2_stuck_lock);

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

static void nvlink2_lpar_free(struct nvlink2_lpar *lpar)
{
	nvlink2_platform_put(lpar->ops);
	kfree(lpar);
}

/* One that is gone, with what was bound, needs no unbinding. */
static bool nvlink2_lpar_undo(struct pci_dev *pdev,
			      const struct nvlink2_lpar *lpar)
{
	int err = lpar->ops->unbind(pdev);

	if (!err || err == -ENODEV)
		return true;
	dev_err_ratelimited(&pdev->dev,
			    "%s: unbinding from partition %llu failed: %d; the GPU is out of use until that succeeds\n",
			    lpar->ops->name, lpar->lpid, err);
	return false;
}

/**
 * nvlink2_lpar_ready() - may the GPU be opened?
 * @pdev: the GPU
 *
 * Tries again to unbind it, when that failed before.
 *
 * Context: process context, from open.
 * Return: 0, or -EBUSY while it is still bound to an earlier VM's partition,
 * which has been reported in the log.
 */
int nvlink2_lpar_ready(struct pci_dev *pdev)
{
	struct nvlink2_lpar *lpar, *next;
	int err = 0;

	mutex_lock(&nvlink2_stuck_lock);
	list_for_each_entry_safe(lpar, next, &nvlink2_stuck, node) {
		if (lpar->domain != pci_domain_nr(pdev->bus) ||
		    lpar->id != pci_dev_id(pdev))
			continue;
		if (!nvlink2_lpar_undo(pdev, lpar)) {
			err = -EBUSY;
			continue;
		}
		list_del(&lpar->node);
		nvlink2_lpar_free(lpar);
	}
	mutex_unlock(&nvlink2_stuck_lock);
	return err;
}

/**
 * nvlink2_lpar_bind() - bind a GPU to the partition of the VM that owns it
 * @dev: the GPU, not bound yet; nvlink2_lpar_ready() let it pass
 * @kvm: the VM, referenced until the GPU is unbound
 *
 * Context: process context.
 * Return: 0; -ENODEV when there is no provider, -EINVAL or -EOPNOTSUPP for a VM
 * that has no usable partition, -ENOMEM, or the provider's errno. Each but
 * -ENOMEM has been reported in the log.
 */
int nvlink2_lpar_bind(struct nvlink2_device *dev, struct kvm *kvm)
{
	struct pci_dev *pdev = dev->pdev;
	struct nvlink2_lpar *lpar;
	u64 lpid;
	int err;

	err = nvlink2_lpid_of(pdev, kvm, &lpid);
	if (err)
		return err;

	/* Before it is bound: unbinding must not need memory. */
	lpar = NVLINK2_KZALLOC_OBJ(*lpar, GFP_KERNEL_ACCOUNT);
	if (!lpar)
		return -ENOMEM;
	lpar->lpid = lpid;
	lpar->domain = pci_domain_nr(pdev->bus);
	lpar->id = pci_dev_id(pdev);

	lpar->ops = nvlink2_platform_get();
	if (!lpar->ops) {
		pci_err(pdev, "a VM owns the GPU, but this kernel has no NPU2 platform code to bind it to partition %llu\n",
			lpid);
		err = -ENODEV;
		goto free;
	}

	err = lpar->ops->bind(pdev, lpid, NVLINK2_MSR);
	if (err) {
		pci_err(pdev, "%s: binding to partition %llu failed: %d\n",
			lpar->ops->name, lpid, err);
		goto put;
	}

	dev->lpar = lpar;
	return 0;

put:
	nvlink2_platform_put(lpar->ops);
free:
	kfree(lpar);
	return err;
}

/**
 * nvlink2_lpar_unbind() - undo nvlink2_lpar_bind()
 * @dev: the GPU; nothing happens when it was not bound
 *
 * When the platform cannot, nvlink2_lpar_ready() keeps the GPU from being opened.
 *
 * Context: process context; the VM is still there.
 */
void nvlink2_lpar_unbind(struct nvlink2_device *dev)
{
	struct nvlink2_lpar *lpar = dev->lpar;

	if (!lpar)
		return;

	dev->lpar = NULL;
	mutex_lock(&nvlink2_stuck_lock);
	if (nvlink2_lpar_undo(dev->pdev, lpar))
		nvlink2_lpar_free(lpar);
	else
		list_add_tail(&lpar->node, &nvlink2_stuck);
	mutex_unlock(&nvlink2_stuck_lock);
}

/**
 * nvlink2_lpar_exit() - the module goes, and forgets what it could not unbind
 *
 * Context: process context, module exit; no device is left.
 */
void nvlink2_lpar_exit(void)
{
	struct nvlink2_lpar *lpar, *next;

	list_for_each_entry_safe(lpar, next, &nvlink2_stuck, node) {
		pr_warn("nvlink2-vfio-pci: unloaded while a GPU could not be unbound from partition %llu; it will be forgotten\n",
			lpar->lpid);
		list_del(&lpar->node);
		nvlink2_lpar_free(lpar);
	}
}
