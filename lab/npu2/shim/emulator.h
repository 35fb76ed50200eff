/* SPDX-License-Identifier: GPL-2.0-only */
/* What QEMU exports for the modules it loads: the part of its interface that is used here. */
#ifndef NPU2_SHIM_EMULATOR_H
#define NPU2_SHIM_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

struct notifier {
	void (*notify)(struct notifier *notifier, void *data);
	void *next;
	void **previous;
};

struct region_ops {
	uint64_t (*read)(void *opaque, uint64_t at, unsigned int size);
	void (*write)(void *opaque, uint64_t at, uint64_t value, unsigned int size);
	void *read_with_attrs;
	void *write_with_attrs;
	int endianness;
	struct {
		unsigned int min_size, max_size;
		bool unaligned;
		void *accepts;
	} valid;
	struct {
		unsigned int min_size, max_size;
		bool unaligned;
	} impl;
};

#define BIG_ENDIAN_DEVICE 1
/* No less than a MemoryRegion of any version has; QEMU fills it in. */
#define REGION_ROOM 4096

void qemu_add_machine_init_done_notifier(struct notifier *notifier);
void *object_resolve_path(const char *path, bool *ambiguous);
void memory_region_init_io(void *region, void *owner, const struct region_ops *ops, void *opaque,
			   const char *name, uint64_t size);
void memory_region_init_ram_ptr(void *region, void *owner, const char *name, uint64_t size,
				void *memory);
void memory_region_add_subregion_overlap(void *parent, uint64_t at, void *region, int priority);
void *get_system_memory(void);
uint32_t pci_default_read_config(void *device, uint32_t at, int size);

#endif /* NPU2_SHIM_EMULATOR_H */
