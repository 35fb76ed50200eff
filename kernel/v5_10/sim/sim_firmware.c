// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's own NPU2 platform code meets in the simulated machine: host
 * bridges that are NPUs, functions of the right vendors, and a firmware that
 * knows partitions. Probes on the three calls answer instead of OPAL, whose
 * emulated machine has no NPU, and keep a record, one line a call, in debugfs
 * (nvlink2-sim/firmware):
 *
 *	OPAL_NPU_MAP_LPAR phb=0 bdfn=100 lparid=1 lpcr=0 -> 0
 *	OPAL_NPU_INIT_CONTEXT phb=0 unused=0 msr=4010 bdfn=100 -> 1
 *	OPAL_NPU_DESTROY_CONTEXT phb=0 unused=0 bdfn=100 -> 0
 *
 * What these calls are for is recorded beside it, in nvlink2-sim/partitions, as
 * the simulator of later kernels does. Writing to a file empties it.
 */

#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/seq_buf.h>
#include <linux/spinlock.h>
#include <asm/opal-api.h>
#include <asm/pci-bridge.h>

#include "nvlink2_contract.h"
#include "sim.h"

#define SIM_VENDOR_NVIDIA	0x10de
#define SIM_VENDOR_IBM		0x1014

static int fail_bind;
module_param(fail_bind, int, 0644);
MODULE_PARM_DESC(fail_bind, "errno that binding a GPU to a partition ends with, as a code of the firmware: 5 or 12; 0: it works");

static int fail_unbind;
module_param(fail_unbind, int, 0644);
MODULE_PARM_DESC(fail_unbind, "errno that unbinding a GPU ends with; 0: it works");

static DEFINE_SPINLOCK(sim_lock);	/* of both records */
static char sim_text[16384], sim_partitions_text[16384];
static struct seq_buf sim_record, sim_partitions;
static struct sim_machine *sim_machine;
static u16 sim_gpu_vendors[SIM_GPUS], sim_bridge_vendors[SIM_BRIDGES];
/* The platform code only asks whether there is one. */
static struct npu *const sim_npu = (void *)&sim_npu;

/* The code that becomes this errno, and back. */
static int sim_code(int err)
{
	switch (err) {
	case 0:
		return OPAL_SUCCESS;
	case ENOMEM:
		return OPAL_NO_MEM;
	default:
		return OPAL_HARDWARE;
	}
}

static int sim_errno(int code)
{
	switch (code) {
	case OPAL_HARDWARE:
		return -EIO;
	case OPAL_NO_MEM:
		return -ENOMEM;
	default:
		return code;
	}
}

/* Ends the call that is just being made, and gives an answer. */
static int sim_answer(struct pt_regs *regs, long ret)
{
	seq_buf_printf(&sim_record, " -> %ld\n", ret);
	regs->gpr[3] = ret;
	regs->nip = regs->link;
	return 1;
}

/* opal_npu_map_lpar(phb, bdf, lparid, lpcr) */
static int sim_map_lpar(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&sim_lock, flags);
	seq_buf_printf(&sim_record,
		       "OPAL_NPU_MAP_LPAR phb=%lu bdfn=%lx lparid=%lu lpcr=%lx",
		       regs->gpr[3], regs->gpr[4], regs->gpr[5], regs->gpr[6]);
	ret = sim_answer(regs, regs->gpr[5] ? sim_code(fail_bind) : OPAL_SUCCESS);
	spin_unlock_irqrestore(&sim_lock, flags);
	return ret;
}

/* opal_npu_init_context(phb, unused, msr, bdf); the answer is an index. */
static int sim_init_context(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&sim_lock, flags);
	seq_buf_printf(&sim_record,
		       "OPAL_NPU_INIT_CONTEXT phb=%lu unused=%lu msr=%lx bdfn=%lx",
		       regs->gpr[3], regs->gpr[4], regs->gpr[5], regs->gpr[6]);
	ret = sim_answer(regs, 1);
	spin_unlock_irqrestore(&sim_lock, flags);
	return ret;
}

/* opal_npu_destroy_context(phb, unused, bdf) */
static int sim_destroy_context(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&sim_lock, flags);
	seq_buf_printf(&sim_record,
		       "OPAL_NPU_DESTROY_CONTEXT phb=%lu unused=%lu bdfn=%lx",
		       regs->gpr[3], regs->gpr[4], regs->gpr[5]);
	ret = sim_answer(regs, sim_code(fail_unbind));
	spin_unlock_irqrestore(&sim_lock, flags);
	return ret;
}

/*
 * Never called. A probe that has one stays a trap; as a jump, which the kernel
 * makes of others, it cannot end the call.
 */
static void sim_stay_a_trap(struct kprobe *probe, struct pt_regs *regs,
			    unsigned long flags)
{
}

static struct kprobe sim_probes[] = {
	{ .symbol_name = "opal_npu_map_lpar", .pre_handler = sim_map_lpar,
	  .post_handler = sim_stay_a_trap },
	{ .symbol_name = "opal_npu_init_context",
	  .pre_handler = sim_init_context, .post_handler = sim_stay_a_trap },
	{ .symbol_name = "opal_npu_destroy_context",
	  .pre_handler = sim_destroy_context, .post_handler = sim_stay_a_trap },
};

/* What a GPU is bound to, and unbound from, as later kernels' simulator has it. */
struct sim_binding {
	struct pci_dev *pdev;
	u32 lpid;
	unsigned long msr;
};

static struct sim_gpu *sim_find_gpu(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++)
		if (sim_machine->gpus[i].pdev == pdev)
			return &sim_machine->gpus[i];
	return NULL;
}

/* pnv_npu2_map_lpar_dev(gpu, lparid, msr), pnv_npu2_unmap_lpar_dev(gpu) */
static int sim_bind_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct sim_binding *binding = (void *)ri->data;

	binding->pdev = (void *)regs->gpr[3];
	binding->lpid = regs->gpr[4];
	binding->msr = regs->gpr[5];
	return 0;
}

static int sim_bind_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct sim_binding *binding = (void *)ri->data;
	struct sim_gpu *gpu = sim_find_gpu(binding->pdev);
	int ret = sim_errno((int)regs_return_value(regs));
	unsigned long flags;

	if (!gpu)
		return 0;
	spin_lock_irqsave(&sim_lock, flags);
	seq_buf_printf(&sim_partitions, "bind %s lpid=%u msr=%lx -> %d\n",
		       pci_name(gpu->pdev), binding->lpid, binding->msr, ret);
	if (!ret)
		gpu->bound = binding->lpid;
	spin_unlock_irqrestore(&sim_lock, flags);
	return 0;
}

static int sim_unbind_return(struct kretprobe_instance *ri,
			     struct pt_regs *regs)
{
	struct sim_binding *binding = (void *)ri->data;
	struct sim_gpu *gpu = sim_find_gpu(binding->pdev);
	int ret = sim_errno((int)regs_return_value(regs));
	unsigned long flags;

	if (!gpu)
		return 0;
	spin_lock_irqsave(&sim_lock, flags);
	seq_buf_printf(&sim_partitions, "unbind %s lpid=%llu -> %d\n",
		       pci_name(gpu->pdev), gpu->bound, ret);
	if (!ret)
		gpu->bound = 0;
	spin_unlock_irqrestore(&sim_lock, flags);
	return 0;
}

static struct kretprobe sim_bindings[] = {
	{ .kp.symbol_name = "pnv_npu2_map_lpar_dev",
	  .entry_handler = sim_bind_entry, .handler = sim_bind_return,
	  .data_size = sizeof(struct sim_binding) },
	{ .kp.symbol_name = "pnv_npu2_unmap_lpar_dev",
	  .entry_handler = sim_bind_entry, .handler = sim_unbind_return,
	  .data_size = sizeof(struct sim_binding) },
};

/* The file's private data is the record. */
static ssize_t sim_firmware_read(struct file *file, char __user *buf,
				 size_t count, loff_t *ppos)
{
	struct seq_buf *record = file->private_data;

	return simple_read_from_buffer(buf, count, ppos, record->buffer,
				       seq_buf_used(record));
}

static ssize_t sim_firmware_write(struct file *file, const char __user *buf,
				  size_t count, loff_t *ppos)
{
	spin_lock_irq(&sim_lock);
	seq_buf_clear(file->private_data);
	spin_unlock_irq(&sim_lock);
	return count;
}

static const struct file_operations sim_firmware_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = sim_firmware_read,
	.write = sim_firmware_write,
	.llseek = default_llseek,
};

/* vfio-pci asks the vendor which of its parts a function is for. */
static void sim_dress_functions(void)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++) {
		struct pci_dev *pdev = sim_machine->gpus[i].pdev;

		sim_gpu_vendors[i] = pdev->vendor;
		pdev->vendor = SIM_VENDOR_NVIDIA;
	}
	for (i = 0; i < sim_machine->nr_bridges; i++) {
		struct pci_dev *pdev = sim_machine->bridges[i].pdev;

		sim_bridge_vendors[i] = pdev->vendor;
		pdev->vendor = SIM_VENDOR_IBM;
		pci_bus_to_host(pdev->bus)->npu = sim_npu;
	}
}

static void sim_undress_functions(void)
{
	unsigned int i;

	for (i = 0; i < sim_machine->nr_gpus; i++)
		sim_machine->gpus[i].pdev->vendor = sim_gpu_vendors[i];
	for (i = 0; i < sim_machine->nr_bridges; i++) {
		struct pci_dev *pdev = sim_machine->bridges[i].pdev;

		pdev->vendor = sim_bridge_vendors[i];
		pci_bus_to_host(pdev->bus)->npu = NULL;
	}
}

/**
 * sim_platform_init() - be the machine that the kernel's platform code expects
 * @machine: what is presented; must stay until sim_platform_exit()
 *
 * Context: process context.
 * Return: 0, or why a call of the firmware cannot be answered.
 */
int sim_platform_init(struct sim_machine *machine)
{
	struct kprobe *probes[] = {
		&sim_probes[0], &sim_probes[1], &sim_probes[2],
	};
	struct kretprobe *bindings[] = { &sim_bindings[0], &sim_bindings[1] };
	int err;

	sim_machine = machine;
	seq_buf_init(&sim_record, sim_text, sizeof(sim_text));
	seq_buf_init(&sim_partitions, sim_partitions_text,
		     sizeof(sim_partitions_text));
	err = register_kprobes(probes, ARRAY_SIZE(probes));
	if (err)
		goto forget;
	err = register_kretprobes(bindings, ARRAY_SIZE(bindings));
	if (err)
		goto unregister;
	err = sim_mapping_init();
	if (err)
		goto unregister_bindings;
	sim_dress_functions();
	debugfs_create_file("firmware", 0600, machine->debugfs, &sim_record,
			    &sim_firmware_fops);
	debugfs_create_file("partitions", 0600, machine->debugfs,
			    &sim_partitions, &sim_firmware_fops);
	return 0;

unregister_bindings:
	unregister_kretprobes(bindings, ARRAY_SIZE(bindings));
unregister:
	unregister_kprobes(probes, ARRAY_SIZE(probes));
forget:
	sim_machine = NULL;
	return err;
}

/**
 * sim_platform_exit() - undo sim_platform_init()
 *
 * Context: process context.
 */
void sim_platform_exit(void)
{
	unsigned int i;

	/* With platform=0 there is nothing to undo. */
	if (!sim_machine)
		return;
	sim_undress_functions();
	sim_mapping_exit();
	for (i = 0; i < ARRAY_SIZE(sim_bindings); i++)
		unregister_kretprobe(&sim_bindings[i]);
	for (i = 0; i < ARRAY_SIZE(sim_probes); i++)
		unregister_kprobe(&sim_probes[i]);
	sim_machine = NULL;
}
