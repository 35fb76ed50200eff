// SPDX-License-Identifier: GPL-2.0-only
/*
 * New nodes and properties for a changeset, by the names and with the meaning of
 * later kernels' functions. Linux 5.10 lets modules apply a changeset and leaves
 * it to them to make what is in it.
 */

#include <linux/kobject.h>
#include <linux/of.h>
#include <linux/slab.h>

static struct property *sim_property(const char *name, size_t len)
{
	struct property *prop = kzalloc(sizeof(*prop), GFP_KERNEL);

	if (!prop)
		return NULL;
	prop->name = kstrdup(name, GFP_KERNEL);
	/* A property without a value has a pointer all the same. */
	prop->value = kzalloc(len ?: 1, GFP_KERNEL);
	prop->length = len;
	of_property_set_flag(prop, OF_DYNAMIC);
	if (prop->name && prop->value)
		return prop;
	kfree(prop->name);
	kfree(prop->value);
	kfree(prop);
	return NULL;
}

static void sim_free_properties(struct property *prop)
{
	struct property *next;

	for (; prop; prop = next) {
		next = prop->next;
		kfree(prop->name);
		kfree(prop->value);
		kfree(prop);
	}
}

static void sim_node_release(struct kobject *kobj)
{
	struct device_node *np = container_of(kobj, struct device_node, kobj);

	sim_free_properties(np->properties);
	sim_free_properties(np->deadprops);
	kfree(np->full_name);
	kfree(np);
}

/* The kernel's own type of a node's kobject is not for modules. */
static struct kobj_type sim_node_ktype = {
	.release = sim_node_release,
	.sysfs_ops = &kobj_sysfs_ops,
};

/**
 * of_changeset_create_node() - make a node and have a changeset attach it
 * @ocs: the changeset
 * @parent: its parent; has to outlive it
 * @full_name: its name, with the unit address
 *
 * Context: process context.
 * Return: the node, with a reference for the caller, or NULL.
 */
struct device_node *of_changeset_create_node(struct of_changeset *ocs,
					     struct device_node *parent,
					     const char *full_name)
{
	struct device_node *np = kzalloc(sizeof(*np), GFP_KERNEL);

	if (!np)
		return NULL;
	np->full_name = kstrdup(full_name, GFP_KERNEL);
	if (!np->full_name) {
		kfree(np);
		return NULL;
	}
	np->name = "";
	np->parent = parent;
	of_node_set_flag(np, OF_DYNAMIC);
	of_node_set_flag(np, OF_DETACHED);
	kobject_init(&np->kobj, &sim_node_ktype);
	np->fwnode.ops = &of_fwnode_ops;

	if (of_changeset_attach_node(ocs, np)) {
		of_node_put(np);
		return NULL;
	}
	return np;
}

/**
 * of_changeset_add_prop_u32_array() - have a changeset add an array of cells
 * @ocs: the changeset
 * @np: the node that gets the property
 * @name: its name
 * @cells: its value, in the byte order of the machine
 * @count: how many cells
 *
 * Context: process context.
 * Return: 0 or -ENOMEM.
 */
int of_changeset_add_prop_u32_array(struct of_changeset *ocs,
				    struct device_node *np, const char *name,
				    const u32 *cells, size_t count)
{
	struct property *prop = sim_property(name, count * sizeof(*cells));
	__be32 *value;
	size_t i;
	int err;

	if (!prop)
		return -ENOMEM;
	value = prop->value;
	for (i = 0; i < count; i++)
		value[i] = cpu_to_be32(cells[i]);
	err = of_changeset_add_property(ocs, np, prop);
	if (err)
		sim_free_properties(prop);
	return err;
}

/**
 * of_changeset_add_prop_bool() - have a changeset add a property without a value
 * @ocs: the changeset
 * @np: the node that gets it
 * @name: its name
 *
 * Context: process context.
 * Return: 0 or -ENOMEM.
 */
int of_changeset_add_prop_bool(struct of_changeset *ocs,
			       struct device_node *np, const char *name)
{
	return of_changeset_add_prop_u32_array(ocs, np, name, NULL, 0);
}
