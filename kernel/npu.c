// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links that are opened, closed or reset, and the GPUs whose RAM is reached
 * through links of the same NPU.
 *
 * Each of these resets the link, and closing the last one resets the whole NPU.
 * A processor that touches GPU RAM while a link is down, or prefetches from it,
 * can stop the host. So the gates of all open GPUs of an NPU are closed as long
 * as one of its links is changing.
 *
 * Links that another driver has are not seen here.
 */

#include <linux/list.h>
#include <linux/mutex.h>

#include "device.h"
#include "topology.h"

/* Leaf lock: of the lists and of what links keep here; gates are closed inside. */
static DEFINE_MUTEX(nvlink2_npu_lock);
static LIST_HEAD(nvlink2_npu_gpus);	/* that are open */
static LIST_HEAD(nvlink2_npu_links);	/* that are changing */

/**
 * nvlink2_npu_gpu_opened() - a GPU is about to be opened
 * @gpu: the GPU; its topology has been read
 *
 * Its gate is closed while a link of its NPU is changing.
 *
 * Context: process context, before GPU RAM can be reached.
 */
void nvlink2_npu_gpu_opened(struct nvlink2_vfio_device *gpu)
{
	struct nvlink2_vfio_device *link;

	mutex_lock(&nvlink2_npu_lock);
	list_add(&gpu->npu_node, &nvlink2_npu_gpus);
	list_for_each_entry(link, &nvlink2_npu_links, npu_node)
		if (link->npu == gpu->dev.topo.gpu.npu)
			nvlink2_gate_block(gpu);
	mutex_unlock(&nvlink2_npu_lock);
}

/**
 * nvlink2_npu_gpu_closed() - undo nvlink2_npu_gpu_opened()
 * @gpu: the GPU
 *
 * Context: process context, when no mapping of GPU RAM is left.
 */
void nvlink2_npu_gpu_closed(struct nvlink2_vfio_device *gpu)
{
	struct nvlink2_vfio_device *link;

	mutex_lock(&nvlink2_npu_lock);
	list_del(&gpu->npu_node);
	list_for_each_entry(link, &nvlink2_npu_links, npu_node)
		if (link->npu == gpu->dev.topo.gpu.npu)
			nvlink2_gate_unblock(gpu);
	mutex_unlock(&nvlink2_npu_lock);
}

/**
 * nvlink2_npu_link_begin() - a function is about to be opened, closed or reset
 * @link: the function; nothing happens when it is no link
 *
 * When this returns, GPU RAM behind links of the same NPU is out of bounds until
 * nvlink2_npu_link_end(). Nests.
 *
 * Context: process context; device_lock, possibly memory_lock of @link held.
 */
void nvlink2_npu_link_begin(struct nvlink2_vfio_device *link)
{
	struct nvlink2_vfio_device *gpu;

	mutex_lock(&nvlink2_npu_lock);
	if (!link->npu_changes++) {
		/* Also of one that was never opened: sysfs resets it. */
		link->npu = nvlink2_topology_npu(link->core.pdev);
		if (link->npu) {
			list_add(&link->npu_node, &nvlink2_npu_links);
			list_for_each_entry(gpu, &nvlink2_npu_gpus, npu_node)
				if (gpu->dev.topo.gpu.npu == link->npu)
					nvlink2_gate_block(gpu);
		}
	}
	mutex_unlock(&nvlink2_npu_lock);
}

/**
 * nvlink2_npu_link_end() - undo nvlink2_npu_link_begin()
 * @link: the function
 *
 * Context: as nvlink2_npu_link_begin().
 */
void nvlink2_npu_link_end(struct nvlink2_vfio_device *link)
{
	struct nvlink2_vfio_device *gpu;

	mutex_lock(&nvlink2_npu_lock);
	if (!--link->npu_changes && link->npu) {
		list_del(&link->npu_node);
		list_for_each_entry(gpu, &nvlink2_npu_gpus, npu_node)
			if (gpu->dev.topo.gpu.npu == link->npu)
				nvlink2_gate_unblock(gpu);
	}
	mutex_unlock(&nvlink2_npu_lock);
}
