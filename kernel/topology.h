/* SPDX-License-Identifier: GPL-2.0-only */
/* What the device tree says of a GPU or a bridge, as checked numbers. */
#ifndef NVLINK2_TOPOLOGY_H
#define NVLINK2_TOPOLOGY_H

#include <linux/types.h>

struct device_node;
struct pci_dev;

/**
 * enum nvlink2_role - what a PCI function is to this driver
 * @NVLINK2_ROLE_NONE: neither; served as a plain vfio-pci device
 * @NVLINK2_ROLE_GPU: a GPU, because its node has ``ibm,npu``
 * @NVLINK2_ROLE_BRIDGE: an NVLink2 bridge, because its node has ``ibm,gpu``
 */
enum nvlink2_role {
	NVLINK2_ROLE_NONE,
	NVLINK2_ROLE_GPU,
	NVLINK2_ROLE_BRIDGE,
};

/**
 * struct nvlink2_gpu - GPU RAM as the firmware describes it
 * @hpa: first host physical address of the aperture, a multiple of 64 KiB
 * @size: size of the aperture in bytes, a multiple of 64 KiB; how much of it
 *	  is backed by memory only the GPU's own driver knows
 * @tgt: compressed address of @hpa, what the GPU calls it
 * @npu: the NPU that its links belong to, to be compared only
 */
struct nvlink2_gpu {
	phys_addr_t hpa;
	u64 size;
	u64 tgt;
	const struct device_node *npu;
};

/**
 * struct nvlink2_bridge - one NVLink to the processor
 * @is_first: the GPU's ``ibm,npu`` names this link first
 * @atsd_hpa: host physical address of its ATSD register set; unused when
 *	      @atsd_size is 0
 * @atsd_size: 64 KiB, or 0 when the link has no register set
 * @tgt: compressed address of the RAM of the GPU behind the link
 * @link_speed: code of ``ibm,nvlink-speed``, %NVLINK2_LINK_SPEED_UNKNOWN when
 *		the firmware does not say
 */
struct nvlink2_bridge {
	bool is_first;
	phys_addr_t atsd_hpa;
	u64 atsd_size;
	u64 tgt;
	u32 link_speed;
};

/**
 * struct nvlink2_topology - what a PCI function is, and its numbers
 * @role: GPU, bridge or neither
 * @atsd_warned: the warning of a bridge without ATSD registers of its own was
 *	  printed; one for each device is enough, however often it is opened
 * @gpu: the numbers of a GPU
 * @bridge: the numbers of a bridge
 */
struct nvlink2_topology {
	enum nvlink2_role role;
	bool atsd_warned;
	union {
		struct nvlink2_gpu gpu;
		struct nvlink2_bridge bridge;
	};
};

const struct device_node *nvlink2_topology_npu(struct pci_dev *pdev);
int nvlink2_topology_read(struct pci_dev *pdev, struct nvlink2_topology *topo);

#endif /* NVLINK2_TOPOLOGY_H */
