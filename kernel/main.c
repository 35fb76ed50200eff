// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci variant driver for NVIDIA V100 GPUs with NVLink2 on POWER9 and the
 * NVLink2 bridges that connect them.
 */

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "device.h"
#include "nvlink2_contract.h"
#include "platform.h"

/* Of a call for which user memory has to be faulted in. */
#define NVLINK2_SLEEP_TRIES	8

static struct nvlink2_vfio_device *nvlink2_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct nvlink2_vfio_device, core.vdev);
}

static struct nvlink2_vfio_device *nvlink2_from_pdev(struct pci_dev *pdev)
{
	return nvlink2_vfio(dev_get_drvdata(&pdev->dev));
}

static int nvlink2_register_regions(struct nvlink2_device *dev)
{
	switch (dev->topo.role) {
	case NVLINK2_ROLE_GPU:
		return nvlink2_gpu_ram_register(dev);
	case NVLINK2_ROLE_BRIDGE:
		return nvlink2_atsd_register(dev);
	default:
		return 0;
	}
}

/*
 * vfio holds a reference on the VM from before open_device to after
 * close_device (vfio_device_get_kvm_safe(), vfio_df_group_open()), and
 * vdev->kvm does not change in between. A VM that is attached later cannot be
 * seen; user space has to attach it first (KVM_DEV_VFIO_FILE_ADD). Without one
 * there is nothing to bind: no page tables answer the GPU's translation requests
 * then, and it reaches memory through its IOMMU tables alone.
 */
static int nvlink2_bind_to_vm(struct nvlink2_vfio_device *vfio)
{
	struct kvm *kvm = vfio->core.vdev.kvm;

	if (vfio->dev.topo.role != NVLINK2_ROLE_GPU)
		return 0;
	if (kvm)
		return nvlink2_lpar_bind(&vfio->dev, kvm);
	dev_info_once(&vfio->dev.pdev->dev, "opened without a VM: the GPU is bound to no partition, and a VM attached from now on is not seen\n");
	return 0;
}

/*
 * Disabling a function resets it, which takes a link down, and does not announce it
 * to the driver; enabling it does.
 */
static void nvlink2_disable(struct nvlink2_vfio_device *vfio)
{
	nvlink2_npu_link_begin(vfio);
	vfio_pci_core_disable(&vfio->core);
	nvlink2_npu_link_end(vfio);
}

static int nvlink2_open_gpu(struct nvlink2_vfio_device *vfio)
{
	int err = nvlink2_lpar_ready(vfio->dev.pdev);

	if (!err)
		err = nvlink2_gpu_ram_ready(&vfio->dev);
	if (!err)
		nvlink2_npu_gpu_opened(vfio);
	return err;
}

static void nvlink2_close_gpu(struct nvlink2_vfio_device *vfio)
{
	if (vfio->dev.topo.role == NVLINK2_ROLE_GPU)
		nvlink2_npu_gpu_closed(vfio);
}

static int nvlink2_open_device(struct vfio_device *vdev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_vdev(vdev);
	int err;

	err = nvlink2_topology_read(vfio->dev.pdev, &vfio->dev.topo);
	if (!err && vfio->dev.topo.role == NVLINK2_ROLE_GPU)
		err = nvlink2_open_gpu(vfio);
	if (err)
		return err;

	/* Before the function is enabled, so that no later error gets lost. */
	nvlink2_gate_thaw(vfio);
	err = vfio_pci_core_enable(&vfio->core);
	if (err)
		goto close;

	err = nvlink2_register_regions(&vfio->dev);
	if (!err)
		err = nvlink2_bind_to_vm(vfio);
	if (err)
		goto disable;

	vfio_pci_core_finish_enable(&vfio->core);
	return 0;

disable:
	/* Releases the regions as well. */
	nvlink2_disable(vfio);
close:
	nvlink2_close_gpu(vfio);
	return err;
}

static void nvlink2_close_device(struct vfio_device *vdev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_vdev(vdev);

	nvlink2_npu_link_begin(vfio);
	vfio_pci_core_close_device(vdev);
	nvlink2_npu_link_end(vfio);
	/* The GPU asks for no translation any more; vfio still holds the VM. */
	nvlink2_lpar_unbind(&vfio->dev);
	nvlink2_close_gpu(vfio);
}

/*
 * Where vfio-pci takes the BARs away because the function is put to sleep, GPU
 * RAM goes as well. Between nvlink2_sleep_begin() and _end() the state changes; from
 * then on it is the state that keeps everybody out.
 *
 * User memory that vfio-pci reads meanwhile can be GPU RAM, and a fault on it would
 * wait for itself. So it is not faulted in then, but between two tries; the RAM of
 * this GPU cannot be had in that way, which is EFAULT.
 */
static void nvlink2_sleep_begin(struct nvlink2_vfio_device *vfio)
{
	nvlink2_gate_block(vfio);
	pagefault_disable();
}

static void nvlink2_sleep_end(struct nvlink2_vfio_device *vfio)
{
	pagefault_enable();
	nvlink2_gate_unblock(vfio);
}

/* Was user memory missing, and is it there now? It may go again, and not for ever. */
static bool nvlink2_sleep_again(ssize_t ret, const void __user *arg, size_t len,
				unsigned int *tries)
{
	return ret == -EFAULT && ++*tries < NVLINK2_SLEEP_TRIES &&
	       !fatal_signal_pending(current) &&
	       !fault_in_readable(arg, min(len, PAGE_SIZE));
}

/* Only a SET that is no question about it puts the function to sleep. */
static bool nvlink2_feature_sleeps(u32 flags)
{
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;

	return (flags & VFIO_DEVICE_FEATURE_SET) &&
	       !(flags & (VFIO_DEVICE_FEATURE_PROBE |
			  VFIO_DEVICE_FEATURE_GET)) &&
	       (feature == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY ||
		feature == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP);
}

static int nvlink2_device_feature(struct vfio_device *vdev, u32 flags,
				  void __user *arg, size_t argsz)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_vdev(vdev);
	unsigned int tries = 0;
	int ret;

	if (!nvlink2_feature_sleeps(flags))
		return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);

	do {
		nvlink2_sleep_begin(vfio);
		ret = vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
		nvlink2_sleep_end(vfio);
	} while (nvlink2_sleep_again(ret, arg, argsz, &tries));
	return ret;
}

/* Does a write reach the register that holds the power state? */
static bool nvlink2_sets_power(struct pci_dev *pdev, u64 ppos, size_t count)
{
	u64 pos = ppos & VFIO_PCI_OFFSET_MASK;
	u64 ctrl = pdev->pm_cap + PCI_PM_CTRL;

	return pdev->pm_cap &&
	       VFIO_PCI_OFFSET_TO_INDEX(ppos) == VFIO_PCI_CONFIG_REGION_INDEX &&
	       pos <= ctrl && count > ctrl - pos;
}

static ssize_t nvlink2_write(struct vfio_device *vdev, const char __user *buf,
			     size_t count, loff_t *ppos)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_vdev(vdev);
	unsigned int tries = 0;
	ssize_t ret;

	if (!nvlink2_sets_power(vfio->dev.pdev, *ppos, count))
		return vfio_pci_core_write(vdev, buf, count, ppos);

	/* What is written is not known before vfio-pci has read it. */
	do {
		nvlink2_sleep_begin(vfio);
		ret = vfio_pci_core_write(vdev, buf, count, ppos);
		nvlink2_sleep_end(vfio);
	} while (nvlink2_sleep_again(ret, buf, count, &tries));
	return ret;
}

static int nvlink2_init_dev(struct vfio_device *vdev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_vdev(vdev);
	int err;

	nvlink2_gate_init(vfio);
	err = vfio_pci_core_init_dev(vdev);
	vfio->dev.pdev = vfio->core.pdev;
	return err;
}

static const struct vfio_device_ops nvlink2_ops = {
	.name		= "nvlink2-vfio-pci",
	.init		= nvlink2_init_dev,
	.release	= vfio_pci_core_release_dev,
	.open_device	= nvlink2_open_device,
	.close_device	= nvlink2_close_device,
	.ioctl		= vfio_pci_core_ioctl,
	.device_feature	= nvlink2_device_feature,
	.read		= vfio_pci_core_read,
	.write		= nvlink2_write,
	.mmap		= vfio_pci_core_mmap,
	.request	= vfio_pci_core_request,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
	NVLINK2_OPS_OF_VERSION,
};

static int nvlink2_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct nvlink2_vfio_device *vfio;
	int err;

	vfio = vfio_alloc_device(nvlink2_vfio_device, core.vdev, &pdev->dev,
				 &nvlink2_ops);
	if (IS_ERR(vfio))
		return PTR_ERR(vfio);

	dev_set_drvdata(&pdev->dev, &vfio->core);
	err = vfio_pci_core_register_device(&vfio->core);
	if (err)
		vfio_put_device(&vfio->core.vdev);
	return err;
}

static void nvlink2_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

/* Every reset of the function, whoever asked for it, passes through these. */
static void nvlink2_reset_prepare(struct pci_dev *pdev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_pdev(pdev);

	nvlink2_npu_link_begin(vfio);
	nvlink2_gate_block(vfio);
}

static void nvlink2_reset_done(struct pci_dev *pdev)
{
	struct nvlink2_vfio_device *vfio = nvlink2_from_pdev(pdev);

	nvlink2_gate_unblock(vfio);
	nvlink2_npu_link_end(vfio);
}

static pci_ers_result_t nvlink2_error_detected(struct pci_dev *pdev,
					       pci_channel_state_t state)
{
	nvlink2_gate_freeze(nvlink2_from_pdev(pdev));
	return vfio_pci_core_aer_err_detected(pdev, state);
}

static void nvlink2_resume(struct pci_dev *pdev)
{
	nvlink2_gate_thaw(nvlink2_from_pdev(pdev));
}

static const struct pci_error_handlers nvlink2_err_handlers = {
	.error_detected	= nvlink2_error_detected,
	.resume		= nvlink2_resume,
	.reset_prepare	= nvlink2_reset_prepare,
	.reset_done	= nvlink2_reset_done,
};

/* Only for the module alias: what a function is, the device tree decides. */
#define NVLINK2_ID(vendor, device) \
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(vendor, device) },

static const struct pci_device_id nvlink2_id_table[] = {
	NVLINK2_PCI_IDS(NVLINK2_ID)
	{ }
};
MODULE_DEVICE_TABLE(pci, nvlink2_id_table);

static struct pci_driver nvlink2_driver = {
	.name			= "nvlink2-vfio-pci",
	.id_table		= nvlink2_id_table,
	.probe			= nvlink2_probe,
	.remove			= nvlink2_remove,
	.err_handler		= &nvlink2_err_handlers,
	.driver_managed_dma	= true,
};

static int __init nvlink2_init(void)
{
	int err;

	nvlink2_platform_init();
	err = pci_register_driver(&nvlink2_driver);
	if (err)
		nvlink2_platform_exit();
	return err;
}
module_init(nvlink2_init);

static void __exit nvlink2_exit(void)
{
	pci_unregister_driver(&nvlink2_driver);
	nvlink2_lpar_exit();
	nvlink2_platform_exit();
	nvlink2_quarantine_exit();
}
module_exit(nvlink2_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO for NVIDIA V100 GPUs with NVLink2 on POWER9");
