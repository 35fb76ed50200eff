/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the simulator share. */
#ifndef NVLINK2_SIM_H
#define NVLINK2_SIM_H

#include <linux/of.h>
#include <linux/pci.h>

struct dentry;
struct seq_file;

#define SIM_GPUS	6
#define SIM_BRIDGES	18
#define SIM_LINKS	8	/* ATSD register sets of one NPU */

/**
 * enum sim_flaw - what is wrong with the tree that is presented
 *
 * Each is named, for the ``flaw`` parameter, after the property and what is the
 * matter with it. Unless stated otherwise an open of the device that reads the
 * property must fail.
 */
enum sim_flaw {
	SIM_FLAW_NONE,
	SIM_NPU_DANGLING,
	SIM_NPU_AND_GPU,
	SIM_GPU_DANGLING,
	SIM_MEMORY_REGION_MISSING,
	SIM_MEMORY_REGION_DANGLING,
	SIM_REG_MISSING,
	SIM_REG_SHORT,
	SIM_SIZE_ZERO,
	SIM_SIZE_MISALIGNED,
	SIM_SIZE_HUGE,
	SIM_BASE_ZERO,
	SIM_BASE_MISALIGNED,
	SIM_BASE_WRAPS,
	SIM_BASE_SYSTEM_RAM,
	SIM_TGT_MISSING,
	SIM_TGT_SHORT,
	SIM_SPEED_MISSING,	/* no failure: the speed is unknown */
	SIM_SPEED_SHORT,
	SIM_NVLINK_MISSING,
	SIM_NVLINK_DANGLING,
	SIM_LINK_INDEX_MISSING,
	SIM_LINK_INDEX_SHORT,
	SIM_ATSD_MISSING,	/* no failure: no ATSD */
	SIM_ATSD_EMPTY,		/* likewise */
	SIM_ATSD_SHORT,
	SIM_ATSD_ZERO,
	SIM_ATSD_MISALIGNED,
	SIM_ATSD_SYSTEM_RAM,
};

/**
 * struct sim_gpu - a GPU to present
 * @pdev: the function that plays it, referenced
 * @base: host physical address of its window
 * @size: size of the window in bytes
 * @tgt: compressed address of the window
 * @mem: phandle of its memory node
 * @linked: a bridge leads to it
 * @bound: partition it is bound to, 0 for none
 */
struct sim_gpu {
	struct pci_dev *pdev;
	u64 base;
	u64 size;
	u64 tgt;
	phandle mem;
	bool linked;
	u64 bound;
};

/**
 * struct sim_bridge - a bridge to present
 * @pdev: the function that plays it, referenced
 * @gpu: the GPU behind the link
 * @speed: code of the link's speed
 * @link: index of the link in its NPU
 */
struct sim_bridge {
	struct pci_dev *pdev;
	struct sim_gpu *gpu;
	u32 speed;
	u32 link;
};

/**
 * struct sim_machine - all that is presented
 * @debugfs: folder of the files
 * @gpus: GPUs, @nr_gpus of them
 * @bridges: bridges, @nr_bridges of them
 * @atsd_base: host physical address of the first NPU's first register set; the
 *	       sets of all NPUs follow each other
 * @atsd_count: register sets of each NPU
 * @flaw: what is wrong with it
 */
struct sim_machine {
	struct dentry *debugfs;
	struct sim_gpu gpus[SIM_GPUS];
	unsigned int nr_gpus;
	struct sim_bridge bridges[SIM_BRIDGES];
	unsigned int nr_bridges;
	u64 atsd_base;
	unsigned int atsd_count;
	enum sim_flaw flaw;
};

int sim_tree_dress(struct sim_machine *machine);
void sim_tree_undress(void);
void sim_tree_show_references(struct seq_file *m);

int sim_platform_init(struct sim_machine *machine);
void sim_platform_exit(void);

extern const struct file_operations sim_hooks_fops;
extern const struct file_operations sim_references_fops;

void sim_memory_init(struct sim_machine *machine);
void sim_memory_exit(void);

#endif /* NVLINK2_SIM_H */
