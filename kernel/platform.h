/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver needs of the platform, and who provides it. The driver never
 * calls firmware itself.
 */
#ifndef NVLINK2_PLATFORM_H
#define NVLINK2_PLATFORM_H

#include <linux/types.h>

struct module;
struct pci_dev;

/**
 * struct nvlink2_platform_ops - a provider of partition mappings
 * @owner: module that must stay while a GPU is bound, NULL for this driver
 * @name: for messages
 * @first_link_only: of a GPU's links, @bind binds the ATSD registers of the first
 *	  alone; a partition that uses those of another link invalidates nothing
 * @bind: let the translations of @lpid serve the GPU's accesses made with the
 *	  MSR bits @msr; 0 or a negative errno. Process context, may sleep.
 * @unbind: undo @bind; 0 or a negative errno. Process context, may sleep.
 */
struct nvlink2_platform_ops {
	struct module *owner;
	const char *name;
	bool first_link_only;
	int (*bind)(struct pci_dev *gpu, u64 lpid, u64 msr);
	int (*unbind)(struct pci_dev *gpu);
};

int nvlink2_platform_register(const struct nvlink2_platform_ops *ops);
void nvlink2_platform_unregister(const struct nvlink2_platform_ops *ops);

const struct nvlink2_platform_ops *nvlink2_platform_get(void);
void nvlink2_platform_put(const struct nvlink2_platform_ops *ops);

bool nvlink2_platform_first_link_only(void);

int nvlink2_platform_errno(int ret);

void nvlink2_platform_init(void);
void nvlink2_platform_exit(void);

/*
 * What kernels export, as they declare it: those with the patches of
 * kernel/powernv, and those up to 5.12. Asked for at run time, never linked with.
 */
int pnv_npu2_bind_gpu(struct pci_dev *pdev, u64 lpid, u64 msr);
int pnv_npu2_unbind_gpu(struct pci_dev *pdev);

int pnv_npu2_map_lpar_dev(struct pci_dev *gpdev, unsigned int lparid,
			  unsigned long msr);
int pnv_npu2_unmap_lpar_dev(struct pci_dev *gpdev);

#endif /* NVLINK2_PLATFORM_H */
