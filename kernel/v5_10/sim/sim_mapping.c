// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mapping of no RAM leads to. The kernel has tables of large pages for
 * these and no function for modules that reads them, so the simulator remembers
 * the last ones that were made: both drivers end up in ioremap_prot().
 */

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/spinlock.h>

/* vmalloc_to_pfn() is the one of this file everywhere else. */
#undef vmalloc_to_pfn

#define SIM_MAPPINGS	16

struct sim_mapping {
	unsigned long at;
	unsigned long len;
	u64 hpa;
};

static DEFINE_SPINLOCK(sim_lock);	/* of what follows */
static struct sim_mapping sim_mappings[SIM_MAPPINGS];
static unsigned int sim_next;

/* ioremap_prot(hpa, size, flags) */
static int sim_mapping_entry(struct kretprobe_instance *ri,
			     struct pt_regs *regs)
{
	struct sim_mapping *mapping = (void *)ri->data;

	mapping->hpa = regs->gpr[3];
	mapping->len = regs->gpr[4];
	return 0;
}

static int sim_mapping_return(struct kretprobe_instance *ri,
			      struct pt_regs *regs)
{
	struct sim_mapping *mapping = (void *)ri->data;
	unsigned long flags;

	mapping->at = regs_return_value(regs);
	spin_lock_irqsave(&sim_lock, flags);
	sim_mappings[sim_next++ % SIM_MAPPINGS] = *mapping;
	spin_unlock_irqrestore(&sim_lock, flags);
	return 0;
}

static struct kretprobe sim_mapping_probe = {
	.kp.symbol_name = "ioremap_prot",
	.entry_handler = sim_mapping_entry,
	.handler = sim_mapping_return,
	.data_size = sizeof(struct sim_mapping),
};

/**
 * sim_vmalloc_to_pfn() - the page frame behind a kernel address
 * @at: the address
 *
 * Context: any but NMI.
 * Return: the frame's number.
 */
unsigned long sim_vmalloc_to_pfn(const void *at)
{
	unsigned long skip, flags, pfn = 0;
	unsigned int i;

	spin_lock_irqsave(&sim_lock, flags);
	/* The newest first: addresses are used again. */
	for (i = 1; !pfn && i <= SIM_MAPPINGS; i++) {
		struct sim_mapping *mapping =
			&sim_mappings[(sim_next - i) % SIM_MAPPINGS];

		skip = (unsigned long)at - mapping->at;
		if (mapping->at && skip < mapping->len)
			pfn = PHYS_PFN(mapping->hpa + skip);
	}
	spin_unlock_irqrestore(&sim_lock, flags);
	return pfn ?: vmalloc_to_pfn(at);
}

/**
 * sim_mapping_init() - remember mappings from now on
 *
 * Context: process context.
 * Return: 0 or a negative errno.
 */
int sim_mapping_init(void)
{
	return register_kretprobe(&sim_mapping_probe);
}

/**
 * sim_mapping_exit() - undo sim_mapping_init()
 *
 * Context: process context.
 */
void sim_mapping_exit(void)
{
	unregister_kretprobe(&sim_mapping_probe);
}
