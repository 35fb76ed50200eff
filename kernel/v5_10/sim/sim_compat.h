/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What later kernels have: for changes of the device tree (sim_changeset.c), and to
 * follow a mapping.
 */
#ifndef NVLINK2_SIM_COMPAT_H
#define NVLINK2_SIM_COMPAT_H

#include <linux/mm.h>
#include <linux/of.h>

struct device_node *of_changeset_create_node(struct of_changeset *ocs,
					     struct device_node *parent,
					     const char *full_name);
int of_changeset_add_prop_u32_array(struct of_changeset *ocs,
				    struct device_node *np, const char *name,
				    const u32 *cells, size_t count);
int of_changeset_add_prop_bool(struct of_changeset *ocs,
			       struct device_node *np, const char *name);

static inline int of_changeset_add_prop_u32(struct of_changeset *ocs,
					    struct device_node *np,
					    const char *name, const u32 value)
{
	return of_changeset_add_prop_u32_array(ocs, np, name, &value, 1);
}

/* The kernel's own knows no large pages of a mapping; sim_mapping.c. */
unsigned long sim_vmalloc_to_pfn(const void *at);
#define vmalloc_to_pfn sim_vmalloc_to_pfn

int sim_mapping_init(void);
void sim_mapping_exit(void);

#endif /* NVLINK2_SIM_COMPAT_H */
