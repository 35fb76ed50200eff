// SPDX-License-Identifier: GPL-2.0-only
/*
 * References on what the simulator knows, in debugfs nvlink2-sim/references: one
 * line for each device node and function, with how many there are.
 */

#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "sim.h"

static void sim_show_function(struct seq_file *m, struct pci_dev *pdev)
{
	struct device_node *node = pci_device_to_OF_node(pdev);

	seq_printf(m, "function %s %u\n", pci_name(pdev),
		   kref_read(&pdev->dev.kobj.kref));
	seq_printf(m, "node %pOF %u\n", node, kref_read(&node->kobj.kref));
}

static int sim_references_show(struct seq_file *m, void *unused)
{
	struct sim_machine *machine = m->private;
	unsigned int i;

	for (i = 0; i < machine->nr_gpus; i++)
		sim_show_function(m, machine->gpus[i].pdev);
	for (i = 0; i < machine->nr_bridges; i++)
		sim_show_function(m, machine->bridges[i].pdev);
	sim_tree_show_references(m);
	return 0;
}

static int sim_references_open(struct inode *inode, struct file *file)
{
	return single_open(file, sim_references_show, inode->i_private);
}

/* The file's private data is the struct sim_machine. */
const struct file_operations sim_references_fops = {
	.owner = THIS_MODULE,
	.open = sim_references_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};
