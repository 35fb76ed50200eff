// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver is measured against: the same memory, mapped and copied in the
 * ways there are without it.
 *
 *	/dev/nvlink2-bench-page		one clean page for each fault, as the
 *					driver of Linux 4.20 to 5.12 did
 *	/dev/nvlink2-bench-populate	all of it by remap_pfn_range() at mmap
 *
 * read and write of either copy by the primitives the driver has, from and to a
 * mapping that was there before.
 *
 * It hands physical memory to user space, and keeps it mapped: for machines that
 * exist to be measured on.
 */

#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

static ulong base;
module_param(base, ulong, 0);
MODULE_PARM_DESC(base, "physical address of the memory, a multiple of the page size");

static ulong size;
module_param(size, ulong, 0);
MODULE_PARM_DESC(size, "its size in bytes");

static ulong copied;
module_param(copied, ulong, 0);
MODULE_PARM_DESC(copied, "how many bytes of it can be read and written");

static void *bench_map;

static bool bench_fits(const struct vm_area_struct *vma)
{
	unsigned long len = vma->vm_end - vma->vm_start;
	unsigned long pos = vma->vm_pgoff << PAGE_SHIFT;

	return vma->vm_pgoff <= size >> PAGE_SHIFT && len <= size - pos;
}

static vm_fault_t bench_fault(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf->vma, vmf->address,
			      PHYS_PFN(base) + vmf->pgoff);
}

static const struct vm_operations_struct bench_vm_ops = {
	.fault = bench_fault,
};

static int bench_mmap_page(struct file *file, struct vm_area_struct *vma)
{
	if (!bench_fits(vma))
		return -EINVAL;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP |
		     VM_DONTCOPY);
	vma->vm_ops = &bench_vm_ops;
	return 0;
}

static int bench_mmap_populate(struct file *file, struct vm_area_struct *vma)
{
	if (!bench_fits(vma))
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start,
			       PHYS_PFN(base) + vma->vm_pgoff,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static ssize_t bench_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos)
{
	if (*ppos < 0 || *ppos > copied || count > copied - *ppos)
		return -EINVAL;
	if (copy_mc_to_user(buf, bench_map + *ppos, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static ssize_t bench_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	if (*ppos < 0 || *ppos > copied || count > copied - *ppos)
		return -EINVAL;
	if (!access_ok(buf, count))
		return -EFAULT;
	if (__copy_from_user_inatomic(bench_map + *ppos, buf, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static const struct file_operations bench_page_fops = {
	.owner = THIS_MODULE,
	.mmap = bench_mmap_page,
	.read = bench_read,
	.write = bench_write,
};

static const struct file_operations bench_populate_fops = {
	.owner = THIS_MODULE,
	.mmap = bench_mmap_populate,
	.read = bench_read,
	.write = bench_write,
};

static struct miscdevice bench_page = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvlink2-bench-page",
	.fops = &bench_page_fops,
};

static struct miscdevice bench_populate = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvlink2-bench-populate",
	.fops = &bench_populate_fops,
};

static int __init bench_init(void)
{
	int err;

	if (!size || !copied || copied > size || !PAGE_ALIGNED(base | size))
		return -EINVAL;
	bench_map = memremap(base, copied, MEMREMAP_WB);
	if (!bench_map)
		return -ENOMEM;
	err = misc_register(&bench_page);
	if (err)
		goto unmap;
	err = misc_register(&bench_populate);
	if (err)
		goto deregister;
	return 0;

deregister:
	misc_deregister(&bench_page);
unmap:
	memunmap(bench_map);
	return err;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	misc_deregister(&bench_populate);
	misc_deregister(&bench_page);
	memunmap(bench_map);
}
module_exit(bench_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What the NVLink2 VFIO driver is measured against");
