// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a function from outside of its driver, on request, in debugfs
 * below nvlink2-sim/:
 *
 * hooks: "prepare BDF", "done BDF", "detected BDF" and "resume BDF" call the
 * error handlers of the bound driver as the PCI core does around a reset and a
 * recovery. On powernv nobody else would: recovery leaves alone what user space
 * owns (eeh_edev_actionable()), and a reset cannot be stopped half-way.
 *
 * references: one line for each device node and function the simulator knows,
 * with the references there are on it.
 */

#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "sim.h"

static struct sim_machine *sim_machine;

static struct pci_dev *sim_function(const char *bdf)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++)
		if (!strcmp(pci_name(sim_machine->gpus[i].pdev), bdf))
			return sim_machine->gpus[i].pdev;
	for (i = 0; i < sim_machine->nr_bridges; i++)
		if (!strcmp(pci_name(sim_machine->bridges[i].pdev), bdf))
			return sim_machine->bridges[i].pdev;
	return NULL;
}

static int sim_call_hook(struct pci_dev *pdev, const char *verb)
{
	const struct pci_error_handlers *hooks = NULL;
	int ret = 0;

	device_lock(&pdev->dev);
	if (pdev->driver)
		hooks = pdev->driver->err_handler;
	if (!hooks)
		ret = -ENODEV;
	else if (!strcmp(verb, "prepare") && hooks->reset_prepare)
		hooks->reset_prepare(pdev);
	else if (!strcmp(verb, "done") && hooks->reset_done)
		hooks->reset_done(pdev);
	else if (!strcmp(verb, "detected") && hooks->error_detected)
		hooks->error_detected(pdev, pci_channel_io_frozen);
	else if (!strcmp(verb, "resume") && hooks->resume)
		hooks->resume(pdev);
	else
		ret = -EOPNOTSUPP;
	device_unlock(&pdev->dev);
	return ret;
}

static ssize_t sim_hooks_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	char line[64], verb[16], bdf[32];
	struct pci_dev *pdev;
	int err;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = 0;
	if (sscanf(line, "%15s %31s", verb, bdf) != 2)
		return -EINVAL;
	pdev = sim_function(bdf);
	if (!pdev)
		return -ENODEV;
	err = sim_call_hook(pdev, verb);
	return err ?: count;
}

static const struct file_operations sim_hooks_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = sim_hooks_write,
	.llseek = noop_llseek,
};

static void sim_show_function(struct seq_file *m, struct pci_dev *pdev)
{
	struct device_node *node = pci_device_to_OF_node(pdev);

	seq_printf(m, "function %s %u\n", pci_name(pdev),
		   kref_read(&pdev->dev.kobj.kref));
	seq_printf(m, "node %pOF %u\n", node, kref_read(&node->kobj.kref));
}

static int sim_references_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++)
		sim_show_function(m, sim_machine->gpus[i].pdev);
	for (i = 0; i < sim_machine->nr_bridges; i++)
		sim_show_function(m, sim_machine->bridges[i].pdev);
	sim_tree_show_references(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sim_references);

/**
 * sim_hooks_init() - make the files
 * @machine: whose functions can be asked for; must stay until the folder is
 *	     removed
 *
 * Context: process context.
 */
void sim_hooks_init(struct sim_machine *machine)
{
	sim_machine = machine;
	debugfs_create_file("hooks", 0200, machine->debugfs, NULL,
			    &sim_hooks_fops);
	debugfs_create_file("references", 0400, machine->debugfs, NULL,
			    &sim_references_fops);
}
