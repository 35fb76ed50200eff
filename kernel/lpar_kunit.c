// SPDX-License-Identifier: GPL-2.0-only
/* Which partition a VM has: VMs are made up here, with the ops of the real ones. */

#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/kvm_ppc.h>

#include "nvlink2.h"

struct made_up {
	struct pci_dev *pdev;
	struct kvm *kvm;
};

/* A VM run by kvm_hv, which must be loaded, in partition @lpid. */
static struct made_up make_up(struct kunit *test, u64 lpid)
{
	struct kvmppc_ops **hv_ops = symbol_get(kvmppc_hv_ops);
	struct made_up it;

	KUNIT_ASSERT_NOT_NULL(test, hv_ops);
	symbol_put(kvmppc_hv_ops);
	it.pdev = kunit_kzalloc(test, sizeof(*it.pdev), GFP_KERNEL);
	it.kvm = kunit_kzalloc(test, sizeof(*it.kvm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, it.pdev);
	KUNIT_ASSERT_NOT_NULL(test, it.kvm);
	it.pdev->dev.init_name = "made-up";
	KUNIT_ASSERT_NOT_NULL(test, *hv_ops);
	it.kvm->arch.kvm_ops = *hv_ops;
	it.kvm->arch.lpid = lpid;
	return it;
}

static void test_lpar_id_of_a_vm(struct kunit *test)
{
	struct made_up it = make_up(test, 7);
	u64 lpid = 0;

	KUNIT_EXPECT_EQ(test, nvlink2_lpid_of(it.pdev, it.kvm, &lpid), 0);
	KUNIT_EXPECT_EQ(test, lpid, 7);
}

static void test_lpar_zero_is_the_host_D29(struct kunit *test)
{
	struct made_up it = make_up(test, 0);
	u64 lpid;

	KUNIT_EXPECT_EQ(test, nvlink2_lpid_of(it.pdev, it.kvm, &lpid),
			-EINVAL);
}

/* A VM that another backend runs has no partition of its own. */
static void test_lpar_vm_of_another_backend(struct kunit *test)
{
	struct made_up it = make_up(test, 7);
	u64 lpid;

	it.kvm->arch.kvm_ops = NULL;
	KUNIT_EXPECT_EQ(test, nvlink2_lpid_of(it.pdev, it.kvm, &lpid),
			-EINVAL);
}

static struct kunit_case nvlink2_lpar_cases[] = {
	KUNIT_CASE(test_lpar_id_of_a_vm),
	KUNIT_CASE(test_lpar_zero_is_the_host_D29),
	KUNIT_CASE(test_lpar_vm_of_another_backend),
	{}
};

static struct kunit_suite nvlink2_lpar_suite = {
	.name = "nvlink2_lpar",
	.test_cases = nvlink2_lpar_cases,
};

kunit_test_suite(nvlink2_lpar_suite);
