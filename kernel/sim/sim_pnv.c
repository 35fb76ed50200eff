// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvlink2-sim-pnv: exports what kernels up to 5.12 have to bind a GPU to a
 * partition, so that the driver's powernv provider can be tested. Loaded before
 * the driver. debugfs nvlink2-sim-pnv/calls has one line a call, as
 * nvlink2-sim/partitions has; writing to it empties it.
 */

#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_buf.h>

#include "platform.h"

static int map_returns;
module_param(map_returns, int, 0644);
MODULE_PARM_DESC(map_returns, "what pnv_npu2_map_lpar_dev() returns: 0, an errno, or a code of the firmware");

static int unmap_returns;
module_param(unmap_returns, int, 0644);
MODULE_PARM_DESC(unmap_returns, "what pnv_npu2_unmap_lpar_dev() returns");

static DEFINE_MUTEX(pnv_lock);	/* of the record */
static char pnv_text[4096];
static struct seq_buf pnv_record;
static struct dentry *pnv_debugfs;

int pnv_npu2_map_lpar_dev(struct pci_dev *gpdev, unsigned int lparid,
			  unsigned long msr)
{
	int ret = map_returns;

	mutex_lock(&pnv_lock);
	seq_buf_printf(&pnv_record, "bind %s lpid=%u msr=%lx -> %d\n",
		       pci_name(gpdev), lparid, msr, ret);
	mutex_unlock(&pnv_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(pnv_npu2_map_lpar_dev);

int pnv_npu2_unmap_lpar_dev(struct pci_dev *gpdev)
{
	int ret = unmap_returns;

	mutex_lock(&pnv_lock);
	seq_buf_printf(&pnv_record, "unbind %s -> %d\n", pci_name(gpdev), ret);
	mutex_unlock(&pnv_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(pnv_npu2_unmap_lpar_dev);

static ssize_t pnv_calls_read(struct file *file, char __user *buf, size_t count,
			      loff_t *ppos)
{
	ssize_t ret;

	mutex_lock(&pnv_lock);
	ret = simple_read_from_buffer(buf, count, ppos, pnv_text,
				      seq_buf_used(&pnv_record));
	mutex_unlock(&pnv_lock);
	return ret;
}

static ssize_t pnv_calls_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	mutex_lock(&pnv_lock);
	seq_buf_clear(&pnv_record);
	mutex_unlock(&pnv_lock);
	return count;
}

static const struct file_operations pnv_calls_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = pnv_calls_read,
	.write = pnv_calls_write,
	.llseek = default_llseek,
};

static int __init pnv_init(void)
{
	seq_buf_init(&pnv_record, pnv_text, sizeof(pnv_text));
	pnv_debugfs = debugfs_create_dir("nvlink2-sim-pnv", NULL);
	debugfs_create_file("calls", 0600, pnv_debugfs, NULL, &pnv_calls_fops);
	return 0;
}
module_init(pnv_init);

static void __exit pnv_exit(void)
{
	debugfs_remove_recursive(pnv_debugfs);
}
module_exit(pnv_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated partition functions of the powernv platform");
