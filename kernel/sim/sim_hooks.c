// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets and PCI errors as a driver sees them, from debugfs
 * (nvlink2-sim/hooks):
 *
 *	echo detected 0000:01:00.0 > /sys/kernel/debug/nvlink2-sim/hooks
 *
 * calls what the driver of that function has for it, as the PCI core would.
 * It is here because powernv's error recovery leaves functions that user space
 * owns alone (eeh_pe_passed()), so that none can be provoked from outside,
 * because a real reset cannot be held half-way, and because the emulated
 * controllers refuse to go to D3.
 */

#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "sim.h"

enum sim_hook {
	SIM_PREPARE,
	SIM_DONE,
	SIM_DETECTED,
	SIM_NONFATAL,
	SIM_RESUME,
	SIM_SLEEP,
};

static const char * const sim_hook_names[] = {
	[SIM_PREPARE]	= "prepare",	/* a reset begins */
	[SIM_DONE]	= "done",	/* it is over */
	[SIM_DETECTED]	= "detected",	/* an error; the channel is frozen */
	[SIM_NONFATAL]	= "nonfatal",	/* an error; the channel works on */
	[SIM_RESUME]	= "resume",	/* recovery is over */
	[SIM_SLEEP]	= "sleep",	/* as if it were in D3 */
};

static int sim_call(const struct pci_error_handlers *handlers,
		    struct pci_dev *pdev, enum sim_hook hook)
{
	if (hook == SIM_PREPARE && handlers->reset_prepare) {
		handlers->reset_prepare(pdev);
	} else if (hook == SIM_DONE && handlers->reset_done) {
		handlers->reset_done(pdev);
	} else if (hook == SIM_DETECTED && handlers->error_detected) {
		pdev->error_state = pci_channel_io_frozen;
		handlers->error_detected(pdev, pci_channel_io_frozen);
	} else if (hook == SIM_NONFATAL && handlers->error_detected) {
		handlers->error_detected(pdev, pci_channel_io_normal);
	} else if (hook == SIM_RESUME && handlers->resume) {
		pdev->error_state = pci_channel_io_normal;
		handlers->resume(pdev);
	} else if (hook == SIM_SLEEP) {
		pdev->current_state = PCI_D3hot;
	} else {
		return -ENODEV;
	}
	return 0;
}

static struct pci_dev *sim_find_name(struct sim_machine *machine,
				     const char *bdf)
{
	unsigned int i;

	for (i = 0; i < machine->nr_gpus; i++)
		if (!strcmp(pci_name(machine->gpus[i].pdev), bdf))
			return machine->gpus[i].pdev;
	for (i = 0; i < machine->nr_bridges; i++)
		if (!strcmp(pci_name(machine->bridges[i].pdev), bdf))
			return machine->bridges[i].pdev;
	return NULL;
}

static int sim_hook(struct sim_machine *machine, char *text)
{
	const char *verb = strsep(&text, " ");
	struct pci_dev *pdev;
	int hook, err;

	hook = match_string(sim_hook_names, ARRAY_SIZE(sim_hook_names), verb);
	if (hook < 0 || !text)
		return -EINVAL;
	pdev = sim_find_name(machine, text);
	if (!pdev)
		return -EINVAL;

	device_lock(&pdev->dev);
	if (pdev->driver && pdev->driver->err_handler)
		err = sim_call(pdev->driver->err_handler, pdev, hook);
	else
		err = -ENODEV;
	device_unlock(&pdev->dev);
	return err;
}

static ssize_t sim_hooks_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	char text[32];
	int err;

	if (!count || count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	if (text[count - 1] == '\n')
		text[count - 1] = 0;

	err = sim_hook(file_inode(file)->i_private, text);
	return err ?: count;
}

/* The file's private data is the struct sim_machine. */
const struct file_operations sim_hooks_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = sim_hooks_write,
};
