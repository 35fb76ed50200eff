/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints under the names and with the fields that tools have known since
 * Linux 4.20, so that a script written for the driver of then reads ours. The
 * device's name is copied into the record: the record may be read after the
 * device is gone.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_pci

#if !defined(NVLINK2_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NVLINK2_TRACE_H

#include <linux/mm_types.h>
#include <linux/pci.h>
#include <linux/tracepoint.h>

TRACE_EVENT(vfio_pci_nvgpu_mmap_fault,
	TP_PROTO(struct pci_dev *pdev, unsigned long hpa, unsigned long ua,
		 vm_fault_t ret),
	TP_ARGS(pdev, hpa, ua, ret),
	TP_STRUCT__entry(
		__string(name, pci_name(pdev))
		__field(unsigned long, hpa)
		__field(unsigned long, ua)
		__field(int, ret)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->hpa = hpa;
		__entry->ua = ua;
		__entry->ret = (__force int)ret;
	),
	TP_printk("%s: %lx -> %lx ret=%d", __get_str(name), __entry->hpa,
		  __entry->ua, __entry->ret)
);

DECLARE_EVENT_CLASS(nvlink2_mmap,
	TP_PROTO(struct pci_dev *pdev, unsigned long hpa, unsigned long ua,
		 unsigned long size, int ret),
	TP_ARGS(pdev, hpa, ua, size, ret),
	TP_STRUCT__entry(
		__string(name, pci_name(pdev))
		__field(unsigned long, hpa)
		__field(unsigned long, ua)
		__field(unsigned long, size)
		__field(int, ret)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->hpa = hpa;
		__entry->ua = ua;
		__entry->size = size;
		__entry->ret = ret;
	),
	TP_printk("%s: %lx -> %lx size=%lx ret=%d", __get_str(name),
		  __entry->hpa, __entry->ua, __entry->size, __entry->ret)
);

DEFINE_EVENT(nvlink2_mmap, vfio_pci_nvgpu_mmap,
	TP_PROTO(struct pci_dev *pdev, unsigned long hpa, unsigned long ua,
		 unsigned long size, int ret),
	TP_ARGS(pdev, hpa, ua, size, ret)
);

DEFINE_EVENT(nvlink2_mmap, vfio_pci_npu2_mmap,
	TP_PROTO(struct pci_dev *pdev, unsigned long hpa, unsigned long ua,
		 unsigned long size, int ret),
	TP_ARGS(pdev, hpa, ua, size, ret)
);

TRACE_EVENT(nvlink2_gpu_ram_fill,
	TP_PROTO(struct pci_dev *pdev, unsigned long hpa, unsigned long ua,
		 unsigned long size, unsigned int order, bool leaf),
	TP_ARGS(pdev, hpa, ua, size, order, leaf),
	TP_STRUCT__entry(
		__string(name, pci_name(pdev))
		__field(unsigned long, hpa)
		__field(unsigned long, ua)
		__field(unsigned long, size)
		__field(unsigned int, order)
		__field(bool, leaf)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->hpa = hpa;
		__entry->ua = ua;
		__entry->size = size;
		__entry->order = order;
		__entry->leaf = leaf;
	),
	TP_printk("%s: %lx -> %lx size=%lx order=%u leaf=%d", __get_str(name),
		  __entry->hpa, __entry->ua, __entry->size, __entry->order,
		  __entry->leaf)
);

#endif /* NVLINK2_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
