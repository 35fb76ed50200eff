// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated platform: answers for the firmware, and keeps a record of what
 * was asked, one line a call, in debugfs (nvlink2-sim/partitions):
 *
 *	bind 0000:01:00.0 lpid=1 msr=4010 -> 0
 *	unbind 0000:01:00.0 lpid=1 -> 0
 *
 * Writing to the file empties it.
 */

#include <linux/debugfs.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "platform.h"
#include "sim.h"

#define SIM_RECORDS	256

struct sim_record {
	struct pci_dev *gpu;	/* one of the machine's, which outlive us */
	bool bind;
	u64 lpid;
	u64 msr;
	int ret;
};

static int fail_bind;
module_param(fail_bind, int, 0644);
MODULE_PARM_DESC(fail_bind, "errno with which binding a GPU fails, e.g. 5; 0: it works");

static int fail_unbind;
module_param(fail_unbind, int, 0644);
MODULE_PARM_DESC(fail_unbind, "errno with which unbinding a GPU fails; 0: it works");

static bool first_link_only;
module_param(first_link_only, bool, 0444);
MODULE_PARM_DESC(first_link_only, "bind the ATSD registers of a GPU's first link alone, as firmware does (default false)");

static DEFINE_MUTEX(sim_lock);	/* protects all below, and gpus[].bound */
static struct sim_machine *sim_machine;
static struct sim_record sim_records[SIM_RECORDS];
static unsigned int sim_nr_records;

static struct sim_gpu *sim_find_gpu(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++)
		if (sim_machine->gpus[i].pdev == pdev)
			return &sim_machine->gpus[i];
	return NULL;
}

static int sim_note(struct pci_dev *pdev, bool bind, u64 lpid, u64 msr, int ret)
{
	/* A full record keeps its start: that is where a test went wrong. */
	if (sim_nr_records < SIM_RECORDS)
		sim_records[sim_nr_records++] = (struct sim_record) {
			.gpu = pdev, .bind = bind, .lpid = lpid, .msr = msr,
			.ret = ret,
		};
	return ret;
}

static int sim_bind(struct pci_dev *pdev, u64 lpid, u64 msr)
{
	struct sim_gpu *gpu;
	int ret = 0;

	mutex_lock(&sim_lock);
	gpu = sim_find_gpu(pdev);
	if (!gpu)
		ret = -ENODEV;
	else if (gpu->bound)
		ret = -EBUSY;
	else if (fail_bind)
		ret = -abs(fail_bind);
	else
		gpu->bound = lpid;
	if (gpu)
		sim_note(pdev, true, lpid, msr, ret);
	mutex_unlock(&sim_lock);
	return ret;
}

static int sim_unbind(struct pci_dev *pdev)
{
	struct sim_gpu *gpu;
	int ret = 0;

	mutex_lock(&sim_lock);
	gpu = sim_find_gpu(pdev);
	if (!gpu) {
		ret = -ENODEV;
	} else {
		if (!gpu->bound)
			ret = -EINVAL;
		else if (fail_unbind)
			ret = -abs(fail_unbind);
		sim_note(pdev, false, gpu->bound, 0, ret);
		if (!ret)
			gpu->bound = 0;
	}
	mutex_unlock(&sim_lock);
	return ret;
}

static struct nvlink2_platform_ops sim_ops = {
	.owner = THIS_MODULE,
	.name = "nvlink2-sim",
	.bind = sim_bind,
	.unbind = sim_unbind,
};

static int sim_partitions_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	mutex_lock(&sim_lock);
	for (i = 0; i < sim_nr_records; i++) {
		const struct sim_record *r = &sim_records[i];

		if (r->bind)
			seq_printf(m, "bind %s lpid=%llu msr=%llx -> %d\n",
				   pci_name(r->gpu), r->lpid, r->msr, r->ret);
		else
			seq_printf(m, "unbind %s lpid=%llu -> %d\n",
				   pci_name(r->gpu), r->lpid, r->ret);
	}
	mutex_unlock(&sim_lock);
	return 0;
}

static int sim_partitions_open(struct inode *inode, struct file *file)
{
	return single_open(file, sim_partitions_show, NULL);
}

static ssize_t sim_partitions_write(struct file *file, const char __user *buf,
				    size_t count, loff_t *ppos)
{
	mutex_lock(&sim_lock);
	sim_nr_records = 0;
	mutex_unlock(&sim_lock);
	return count;
}

static const struct file_operations sim_partitions_fops = {
	.owner = THIS_MODULE,
	.open = sim_partitions_open,
	.read = seq_read,
	.write = sim_partitions_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * sim_platform_init() - become the provider
 * @machine: whose GPUs can be bound; must stay until sim_platform_exit()
 *
 * Context: process context.
 * Return: 0, or -EBUSY where a platform is, as on a real machine.
 */
int sim_platform_init(struct sim_machine *machine)
{
	int err;

	sim_machine = machine;
	sim_ops.first_link_only = first_link_only;
	err = nvlink2_platform_register(&sim_ops);
	if (err)
		return err;
	debugfs_create_file("partitions", 0600, machine->debugfs, NULL,
			    &sim_partitions_fops);
	return 0;
}

/**
 * sim_platform_exit() - undo sim_platform_init()
 *
 * Context: process context.
 */
void sim_platform_exit(void)
{
	nvlink2_platform_unregister(&sim_ops);
}
