// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that fails: debugfs nvlink2-sim/fail_read holds a physical address (0:
 * none) from which nothing can be read, as if each load machine-checked there.
 *
 * A probe on copy_mc_generic() ends a copy that would reach the address just
 * before it, and reports the rest as not copied, which is what the function
 * does after a machine check. Plain loads, and plain copies, see nothing.
 */

#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/vmalloc.h>

#include "sim.h"

static DEFINE_MUTEX(sim_memory_lock);	/* of changing what follows */
static u64 sim_bad_hpa;

/* Bytes from @from, a mapping of what is no RAM, up to the bad address; @len when beyond. */
static unsigned long sim_good_bytes(const void *from, unsigned long len)
{
	u64 hpa;

	if (virt_addr_valid((void *)from))
		return len;
	hpa = PFN_PHYS(vmalloc_to_pfn(from)) + offset_in_page(from);
	if (sim_bad_hpa < hpa || sim_bad_hpa - hpa >= len)
		return len;
	return sim_bad_hpa - hpa;
}

/* copy_mc_generic(to, from, size): arguments in r3, r4 and r5. */
static int sim_copy_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long *withheld = (unsigned long *)ri->data;
	unsigned long len = regs->gpr[5];

	regs->gpr[5] = sim_good_bytes((const void *)regs->gpr[4], len);
	*withheld = len - regs->gpr[5];
	return 0;
}

static int sim_copy_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long *withheld = (unsigned long *)ri->data;

	regs_set_return_value(regs, regs_return_value(regs) + *withheld);
	return 0;
}

static struct kretprobe sim_copy_probe = {
	.kp.symbol_name = "copy_mc_generic",
	.entry_handler = sim_copy_entry,
	.handler = sim_copy_return,
	.data_size = sizeof(unsigned long),
};

/* The probe is there only while it is needed: it costs every copy. */
static int sim_fail_read_set(void *data, u64 hpa)
{
	int err = 0;

	mutex_lock(&sim_memory_lock);
	if (sim_bad_hpa)
		unregister_kretprobe(&sim_copy_probe);
	sim_bad_hpa = hpa;
	if (hpa) {
		/* What an earlier registration left in it. */
		sim_copy_probe.kp.addr = NULL;
		sim_copy_probe.kp.flags = 0;
		err = register_kretprobe(&sim_copy_probe);
		if (err)
			sim_bad_hpa = 0;
	}
	mutex_unlock(&sim_memory_lock);
	return err;
}

static int sim_fail_read_get(void *data, u64 *hpa)
{
	*hpa = sim_bad_hpa;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_fail_read_fops, sim_fail_read_get,
			 sim_fail_read_set, "0x%llx\n");

/**
 * sim_memory_init() - make the file
 * @machine: whose folder it goes into
 *
 * Context: process context.
 */
void sim_memory_init(struct sim_machine *machine)
{
	debugfs_create_file_unsafe("fail_read", 0600, machine->debugfs, NULL,
				   &sim_fail_read_fops);
}

/**
 * sim_memory_exit() - all memory is good again
 *
 * Context: process context; the file is gone.
 */
void sim_memory_exit(void)
{
	sim_fail_read_set(NULL, 0);
}
