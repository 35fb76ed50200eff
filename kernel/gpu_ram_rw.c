// SPDX-License-Identifier: GPL-2.0-only
/*
 * read and write of GPU RAM through the device's file descriptor.
 *
 * The aperture is never mapped as a whole, nor for longer than a copy takes:
 * through a cacheable mapping the processor may prefetch, and touching GPU RAM
 * before NVLink is trained or while it is fenced raises a hardware management
 * interrupt that can take the host down. So each piece is mapped, copied and
 * unmapped with the gate held, and a reset finds no mapping of ours.
 *
 * User memory cannot be faulted in under the gate (see the lock order in
 * nvlink2.h): the copy runs with page faults off, and what it could not reach
 * is faulted in between two tries.
 */

#include <linux/io.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "device.h"
#include "gpu_ram.h"
#include "range.h"

/* Pages from which on it is cheaper to map the whole block around them. */
#define NVLINK2_MANY_PAGES	8
/* Tries in a row without a byte copied before the memory itself is blamed. */
#define NVLINK2_STUCK	8
/*
 * Bytes before a missing user page that copy_mc_to_user() may have filled with
 * what belongs elsewhere: copy_mc_generic() (arch/powerpc/lib/copy_mc_64.S)
 * advances the source of a 128-byte block before it stores the block, and a
 * store that faults makes it finish byte by byte from there.
 */
#define NVLINK2_MC_BLOCK	128

/*
 * Maps @len bytes at @pos, which lie in one block. Many pages are mapped by
 * mapping the block, which the radix MMU does by one entry: no more than what a
 * touch of the same bytes through mmap makes present, which fault_around limits.
 */
static void *nvlink2_piece_map(struct nvlink2_device *dev, u64 pos, size_t len,
			       size_t *skip)
{
	phys_addr_t hpa = dev->topo.gpu.hpa + pos;
	phys_addr_t base = round_down(hpa, PAGE_SIZE);
	size_t size = round_up(hpa - base + len, PAGE_SIZE);
	phys_addr_t block = round_down(hpa, NVLINK2_BLOCK);

	if (size > NVLINK2_MANY_PAGES * PAGE_SIZE && nvlink2_fills_block() &&
	    nvlink2_range_ok(block - dev->topo.gpu.hpa, NVLINK2_BLOCK,
			     dev->topo.gpu.size)) {
		base = block;
		size = NVLINK2_BLOCK;
	}
	*skip = hpa - base;
	return memremap(base, size, MEMREMAP_WB);
}

/*
 * Copies @len bytes at @pos, which lie in one block. Returns how many were surely
 * copied before a user page was missing or memory failed, or an errno.
 */
static ssize_t nvlink2_copy_piece(struct nvlink2_device *dev, char __user *buf,
				  u64 pos, size_t len, bool iswrite)
{
	size_t left, skip;
	ssize_t ret;
	void *map;

	ret = nvlink2_gate_enter(dev);
	if (ret)
		return ret;

	ret = -ENOMEM;
	map = nvlink2_piece_map(dev, pos, len, &skip);
	if (!map)
		goto leave;

	pagefault_disable();
	/*
	 * The inatomic copy, because copy_from_user() zeroes what it could not
	 * read, and here that would be the guest's memory. A store does not
	 * report failed memory to the instruction; a load does.
	 */
	if (iswrite)
		left = __copy_from_user_inatomic(map + skip, buf, len);
	else
		left = copy_mc_to_user(buf, map + skip, len);
	pagefault_enable();

	memunmap(map);
	nvlink2_gate_copied(dev);
	ret = len - left;
	if (left && !iswrite)
		ret = max_t(ssize_t, ret - NVLINK2_MC_BLOCK, 0);
leave:
	nvlink2_gate_leave(dev);
	return ret;
}

/* Makes user pages present; how many bytes of them can be. */
static size_t nvlink2_fault_in(char __user *buf, size_t len, bool iswrite)
{
	/* Not fault_in_writeable(): it writes zeroes to find out. */
	return len - (iswrite ? fault_in_readable(buf, len) :
				fault_in_safe_writeable(buf, len));
}

/*
 * One piece, faulting in user memory where it is missing. Returns the bytes
 * that were copied, fewer than @len when the rest cannot be, or an errno when
 * there was not one.
 */
static ssize_t nvlink2_rw_piece(struct nvlink2_device *dev, char __user *buf,
				u64 pos, size_t len, bool iswrite)
{
	size_t done = 0, end = len;
	unsigned int stuck = 0;
	ssize_t ret;

	while (stuck < NVLINK2_STUCK) {
		ret = nvlink2_copy_piece(dev, buf + done, pos + done,
					 end - done, iswrite);
		if (ret < 0)
			return done ?: ret;

		done += ret;
		if (done == len)
			return done;
		stuck = ret ? 0 : stuck + 1;

		/*
		 * Ask for no more than can be had, so that the next copy ends
		 * before the hole and is whole.
		 */
		end = done + nvlink2_fault_in(buf + done, len - done, iswrite);
		if (end == done)
			return done ?: -EFAULT;
	}
	return done ?: -EIO;
}

/**
 * nvlink2_gpu_ram_rw() - read or write GPU RAM
 * @core: the GPU
 * @buf: user memory
 * @count: bytes, not 0; clipped to the end of the window
 * @ppos: file position, region and offset; advanced by what was copied
 * @iswrite: direction
 *
 * Context: process context, sleeps, called without locks. Waits for the end of a
 * reset. A fatal signal ends the copy at the next piece.
 * Return: bytes copied; -EINVAL at or behind the end of the window, -EFAULT for
 * user memory that is not there, -EIO for GPU RAM that cannot be read or while
 * the GPU sleeps or has failed, -EINTR for a signal before the first byte, -ENOMEM.
 */
ssize_t nvlink2_gpu_ram_rw(struct vfio_pci_core_device *core, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite)
{
	struct nvlink2_device *dev = nvlink2_from_core(core);
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	size_t done = 0, len;
	ssize_t ret = 0;

	count = nvlink2_range_clip(pos, count, dev->topo.gpu.size);
	if (!count)
		return -EINVAL;
	if (!access_ok(buf, count))
		return -EFAULT;

	while (done < count) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		len = nvlink2_range_piece(dev->topo.gpu.hpa + pos + done,
					  count - done, NVLINK2_BLOCK);
		ret = nvlink2_rw_piece(dev, buf + done, pos + done, len,
				       iswrite);
		if (ret < 0)
			break;
		done += ret;
		if (ret < len)
			break;
		cond_resched();
	}

	if (!done)
		return ret;
	*ppos += done;
	return done;
}
