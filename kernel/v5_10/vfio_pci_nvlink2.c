// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVIDIA V100 GPUs with NVLink2 and their bridges, as a part of vfio-pci of
 * Linux 5.10. What is a region's is in the files below nvlink2/, the same as in
 * the driver for later kernels. Here is what this kernel does otherwise:
 *
 * - vfio-pci calls an init function when a device is opened, and the region's
 *   release when it is closed. Ours lives longer, as a resource of the PCI
 *   function: it remembers from one open to the next what it warned of.
 * - A notifier of the group says which VM owns a GPU, at any time.
 * - Resets unmap what vfio-pci has on its list of mappings, and keep faults out
 *   by its locks. GPU RAM takes part in that. A fault during a reset waits for
 *   its end. Of a reset that does not come through vfio-pci (sysfs) it knows
 *   nothing, as vfio-pci does not.
 *
 * Lock order, outermost first:
 *
 *	reflck.lock, device_lock	(vfio-pci: open, release, reset)
 *	mmap_lock			(mm: mmap, munmap, fault)
 *	core.vma_lock			(vfio-pci: its list of mappings)
 *	core.memory_lock		(vfio-pci: held for write by its resets)
 *
 *	group.notifier			(vfio: held for read while it calls us)
 *	vm_lock				(ours)
 *	platform's lock			(ours)
 *
 * The last reference on a VM is put with none of the second group held: its end
 * calls the group's notifier.
 */

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "nvlink2/compat.h"
#include "nvlink2/device.h"
#include "nvlink2/platform.h"

/* The gate. */

static bool nvlink2_gate_closed(struct vfio_pci_device *core)
{
	pci_power_t state = core->pdev->current_state;

	lockdep_assert_held(&core->memory_lock);
	return pci_channel_offline(core->pdev) || state == PCI_D3hot ||
	       state == PCI_D3cold;
}

/**
 * nvlink2_gate_enter() - begin to touch GPU RAM
 * @dev: the GPU
 *
 * Context: process context, sleeps while vfio-pci resets the GPU. Nothing that
 * can fault on user memory may be done inside.
 * Return: 0, to be ended by nvlink2_gate_leave(); -EIO when nobody may.
 */
int nvlink2_gate_enter(struct nvlink2_device *dev)
{
	struct vfio_pci_device *core = nvlink2_core(dev);

	down_read(&core->memory_lock);
	if (!nvlink2_gate_closed(core))
		return 0;
	up_read(&core->memory_lock);
	return -EIO;
}

/**
 * nvlink2_gate_leave() - GPU RAM was touched
 * @dev: the GPU
 *
 * Context: inside the gate.
 */
void nvlink2_gate_leave(struct nvlink2_device *dev)
{
	up_read(&nvlink2_core(dev)->memory_lock);
}

/* Puts a mapping on the list of those that resets unmap, once. */
static vm_fault_t nvlink2_list_vma(struct vfio_pci_device *core,
				   struct vm_area_struct *vma)
{
	struct vfio_pci_mmap_vma *entry;

	list_for_each_entry(entry, &core->vma_list, vma_next)
		if (entry->vma == vma)
			return 0;

	entry = kmalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return VM_FAULT_OOM;
	entry->vma = vma;
	list_add(&entry->vma_next, &core->vma_list);
	return 0;
}

/**
 * nvlink2_gate_fault() - begin to insert pages
 * @dev: the GPU
 * @vmf: the fault
 * @alone: let nobody else insert any meanwhile; so it always is here
 *
 * Context: as nvlink2_gate_enter(), in a fault.
 * Return: 0, to be ended by nvlink2_gate_fault_end(); VM_FAULT_SIGBUS when
 * nobody may; VM_FAULT_OOM.
 */
vm_fault_t nvlink2_gate_fault(struct nvlink2_device *dev,
			      struct vm_fault *vmf, bool alone)
{
	struct vfio_pci_device *core = nvlink2_core(dev);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mutex_lock(&core->vma_lock);
	down_read(&core->memory_lock);
	if (!nvlink2_gate_closed(core))
		ret = nvlink2_list_vma(core, vmf->vma);
	if (ret)
		nvlink2_gate_fault_end(dev, alone);
	return ret;
}

/**
 * nvlink2_gate_fault_end() - the pages are in
 * @dev: the GPU
 * @alone: as for nvlink2_gate_fault()
 *
 * Context: inside the gate.
 */
void nvlink2_gate_fault_end(struct nvlink2_device *dev, bool alone)
{
	struct vfio_pci_device *core = nvlink2_core(dev);

	up_read(&core->memory_lock);
	mutex_unlock(&core->vma_lock);
}

/**
 * nvlink2_gate_vma_open() - a mapping was split
 * @dev: the GPU
 * @vma: the new part; it goes on the list with its first fault
 *
 * Context: mmap_lock held for write.
 */
void nvlink2_gate_vma_open(struct nvlink2_device *dev,
			   struct vm_area_struct *vma)
{
	zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
}

/**
 * nvlink2_gate_vma_close() - a mapping goes
 * @dev: the GPU
 * @vma: the mapping
 *
 * Context: mmap_lock held for write.
 */
void nvlink2_gate_vma_close(struct nvlink2_device *dev,
			    struct vm_area_struct *vma)
{
	struct vfio_pci_device *core = nvlink2_core(dev);
	struct vfio_pci_mmap_vma *entry;

	mutex_lock(&core->vma_lock);
	list_for_each_entry(entry, &core->vma_list, vma_next)
		if (entry->vma == vma) {
			list_del(&entry->vma_next);
			kfree(entry);
			break;
		}
	mutex_unlock(&core->vma_lock);
}

/* The VM that owns the GPU. */

static void nvlink2_vm_put(struct kvm *kvm)
{
	void (*put)(struct kvm *kvm) = symbol_get(kvm_put_kvm);

	/* Its module stays as long as there is a VM. */
	if (!put)
		return;
	put(kvm);
	symbol_put(kvm_put_kvm);
}

/*
 * A VM was attached. The reference keeps its partition's id from being given to
 * another one. Of two VMs the first has the GPU: letting go of it here might end
 * it, and that would call this notifier again.
 */
static int nvlink2_vm_attach(struct nvlink2_vfio_device *vfio, struct kvm *kvm)
{
	int err;

	lockdep_assert_held(&vfio->vm_lock);
	if (vfio->kvm && vfio->kvm != kvm) {
		pci_err(vfio->dev.pdev, "another VM was attached; the GPU stays with the first one until it is closed\n");
		return -EBUSY;
	}
	/* Told once more, as each device of the group is opened. */
	if (vfio->dev.lpar)
		return 0;
	if (!vfio->kvm && !refcount_inc_not_zero(&kvm->users_count))
		return -ENODEV;
	vfio->kvm = kvm;
	/* An earlier VM that was detached since the open may have left it bound. */
	err = nvlink2_lpar_ready(vfio->dev.pdev);
	if (!err)
		err = nvlink2_lpar_bind(&vfio->dev, kvm);
	/* Whoever attaches it has a reference as well. */
	if (err && refcount_dec_not_one(&kvm->users_count))
		vfio->kvm = NULL;
	return err;
}

/* A VM was detached. When ours is the last reference, closing the GPU ends it. */
static void nvlink2_vm_detach(struct nvlink2_vfio_device *vfio)
{
	lockdep_assert_held(&vfio->vm_lock);
	nvlink2_lpar_unbind(&vfio->dev);
	if (vfio->kvm && refcount_dec_not_one(&vfio->kvm->users_count))
		vfio->kvm = NULL;
}

static int nvlink2_vm_notify(struct notifier_block *nb, unsigned long action,
			     void *opaque)
{
	struct nvlink2_vfio_device *vfio =
		container_of(nb, struct nvlink2_vfio_device, nb);
	struct kvm *kvm = opaque;

	if (action != VFIO_GROUP_NOTIFY_SET_KVM)
		return NOTIFY_OK;

	mutex_lock(&vfio->vm_lock);
	vfio->err = 0;
	if (kvm)
		vfio->err = nvlink2_vm_attach(vfio, kvm);
	else
		nvlink2_vm_detach(vfio);
	mutex_unlock(&vfio->vm_lock);

	/* The other GPUs of the group are to hear of it in any case. */
	return NOTIFY_OK;
}

/* Binds to the VM that is there already, and to one that is attached later. */
static int nvlink2_vm_listen(struct nvlink2_vfio_device *vfio)
{
	unsigned long events = VFIO_GROUP_NOTIFY_SET_KVM;
	int err;

	vfio->err = 0;
	vfio->nb.notifier_call = nvlink2_vm_notify;
	err = vfio_register_notifier(&vfio->dev.pdev->dev, VFIO_GROUP_NOTIFY,
				     &events, &vfio->nb);
	if (err)
		return err;
	vfio->listens = true;
	return vfio->err;
}

static void nvlink2_vm_forget(struct nvlink2_vfio_device *vfio)
{
	struct kvm *kvm;

	if (vfio->listens)
		vfio_unregister_notifier(&vfio->dev.pdev->dev,
					 VFIO_GROUP_NOTIFY, &vfio->nb);
	vfio->listens = false;

	mutex_lock(&vfio->vm_lock);
	nvlink2_lpar_unbind(&vfio->dev);
	kvm = vfio->kvm;
	vfio->kvm = NULL;
	mutex_unlock(&vfio->vm_lock);
	if (kvm)
		nvlink2_vm_put(kvm);
}

/* Between the region's functions and those that vfio-pci calls. */

#undef vfio_pci_regops

static struct nvlink2_vfio_device *nvlink2_vfio(struct vfio_pci_device *core)
{
	return nvlink2_vfio_of(nvlink2_from_core(core));
}

static size_t nvlink2_region_rw(struct vfio_pci_device *core, char __user *buf,
				size_t count, loff_t *ppos, bool iswrite)
{
	return nvlink2_vfio(core)->ops->rw(core, buf, count, ppos, iswrite);
}

static int nvlink2_region_mmap(struct vfio_pci_device *core,
			       struct vfio_pci_region *region,
			       struct vm_area_struct *vma)
{
	return nvlink2_vfio(core)->ops->mmap(core, region, vma);
}

static int nvlink2_region_add_capability(struct vfio_pci_device *core,
					 struct vfio_pci_region *region,
					 struct vfio_info_cap *caps)
{
	return nvlink2_vfio(core)->ops->add_capability(core, region, caps);
}

/* The device is closed; no mapping is left. */
static void nvlink2_region_release(struct vfio_pci_device *core,
				   struct vfio_pci_region *region)
{
	struct nvlink2_vfio_device *vfio = nvlink2_vfio(core);

	nvlink2_vm_forget(vfio);
	vfio->ops->release(core, region);
	vfio->core = NULL;
}

static const struct vfio_pci_regops nvlink2_regops_of_5_10 = {
	.rw = nvlink2_region_rw,
	.mmap = nvlink2_region_mmap,
	.add_capability = nvlink2_region_add_capability,
	.release = nvlink2_region_release,
};

/**
 * nvlink2_register_dev_region() - vfio_pci_core_register_dev_region() for 5.10
 * @vdev: the device being opened
 * @type: type of the region
 * @subtype: its subtype
 * @ops: its functions
 * @size: its size in bytes
 * @flags: VFIO_REGION_INFO_FLAG_*
 * @data: struct nvlink2_device
 *
 * Context: process context, from an init function of vfio-pci.
 * Return: 0 or -ENOMEM.
 */
int nvlink2_register_dev_region(struct vfio_pci_device *vdev,
				unsigned int type, unsigned int subtype,
				const struct nvlink2_regops *ops, size_t size,
				u32 flags, void *data)
{
	nvlink2_vfio_of(data)->ops = ops;
	return vfio_pci_register_dev_region(vdev, type, subtype,
					    &nvlink2_regops_of_5_10, size,
					    flags, data);
}

/* Open. */

static void nvlink2_devres_release(struct device *device, void *res)
{
	/* vfio-pci was unbound, which waits until the device is closed. */
}

static struct nvlink2_vfio_device *nvlink2_vfio_get(struct pci_dev *pdev)
{
	struct nvlink2_vfio_device *vfio;

	vfio = devres_find(&pdev->dev, nvlink2_devres_release, NULL, NULL);
	if (vfio)
		return vfio;
	vfio = devres_alloc(nvlink2_devres_release, sizeof(*vfio), GFP_KERNEL);
	if (!vfio)
		return NULL;
	vfio->dev.pdev = pdev;
	mutex_init(&vfio->vm_lock);
	devres_add(&pdev->dev, vfio);
	return vfio;
}

/* The kernel's own platform; there is no end of it to undo this at. */
static void nvlink2_platform_once(void)
{
	static DEFINE_MUTEX(lock);
	static bool done;

	mutex_lock(&lock);
	if (!done)
		nvlink2_platform_init();
	done = true;
	mutex_unlock(&lock);
}

static int nvlink2_open_gpu(struct nvlink2_vfio_device *vfio)
{
	int err = nvlink2_lpar_ready(vfio->dev.pdev);

	if (!err)
		err = nvlink2_gpu_ram_ready(&vfio->dev);
	if (!err)
		err = nvlink2_gpu_ram_register(&vfio->dev);
	if (err)
		return err;
	nvlink2_platform_once();
	/* When it fails vfio-pci releases the region, and that undoes it. */
	return nvlink2_vm_listen(vfio);
}

/*
 * vfio-pci takes -ENODEV for a function without NVLink, which it opens as any
 * other. A broken device tree is not that.
 */
static int nvlink2_open(struct vfio_pci_device *core, enum nvlink2_role role)
{
	struct nvlink2_vfio_device *vfio = nvlink2_vfio_get(core->pdev);
	int err;

	if (!vfio)
		return -ENOMEM;
	err = nvlink2_topology_read(core->pdev, &vfio->dev.topo);
	if (!err && vfio->dev.topo.role != role)
		return -ENODEV;
	if (!err) {
		vfio->core = core;
		if (role == NVLINK2_ROLE_GPU)
			err = nvlink2_open_gpu(vfio);
		else
			err = nvlink2_atsd_register(&vfio->dev);
	}
	return err == -ENODEV ? -EINVAL : err;
}

/**
 * vfio_pci_nvdia_v100_nvlink2_init() - a function of NVIDIA is being opened
 * @vdev: vfio-pci's device
 *
 * Context: process context, reflck.lock held.
 * Return: 0; -ENODEV for one that is no GPU with NVLink2; -EINVAL for a broken
 * device tree, which was reported; -EBUSY while the GPU RAM is registered by an
 * earlier owner; -ENOMEM; or what binding to the VM's partition returned.
 */
int vfio_pci_nvdia_v100_nvlink2_init(struct vfio_pci_device *vdev)
{
	return nvlink2_open(vdev, NVLINK2_ROLE_GPU);
}

/**
 * vfio_pci_ibm_npu2_init() - a function of IBM is being opened
 * @vdev: vfio-pci's device
 *
 * Context: process context, reflck.lock held.
 * Return: 0; -ENODEV for one that is no NVLink2 bridge; -EINVAL for a broken
 * device tree, which was reported; -ENOMEM.
 */
int vfio_pci_ibm_npu2_init(struct vfio_pci_device *vdev)
{
	return nvlink2_open(vdev, NVLINK2_ROLE_BRIDGE);
}

/*
 * vfio-pci's Makefile has one object for all of this, and is not changed. The
 * tracepoints come last: they are made in the file that includes trace.h then.
 * Modules could hook into those of 2018, and can into these.
 */
#define vfio_pci_regops		nvlink2_regops

#include "nvlink2/topology.c"
#include "nvlink2/platform.c"
#include "nvlink2/lpar.c"
#include "nvlink2/registration.c"
#include "nvlink2/atsd.c"
#include "nvlink2/gpu_ram_rw.c"
#include "nvlink2/gpu_ram_fault.c"
#include "nvlink2/gpu_ram.c"

EXPORT_TRACEPOINT_SYMBOL_GPL(vfio_pci_nvgpu_mmap_fault);
EXPORT_TRACEPOINT_SYMBOL_GPL(vfio_pci_nvgpu_mmap);
EXPORT_TRACEPOINT_SYMBOL_GPL(vfio_pci_npu2_mmap);
