// SPDX-License-Identifier: GPL-2.0-only
/* The platform interface: who may register, and what errors become. */

#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <asm/opal-api.h>

#include "platform.h"

static int fake_bind(struct pci_dev *gpu, u64 lpid, u64 msr)
{
	return 0;
}

static int fake_unbind(struct pci_dev *gpu)
{
	return 0;
}

static const struct nvlink2_platform_ops first = {
	.name = "first", .bind = fake_bind, .unbind = fake_unbind,
};

static const struct nvlink2_platform_ops second = {
	.name = "second", .bind = fake_bind, .unbind = fake_unbind,
};

static void test_platform_one_provider_only(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, nvlink2_platform_get());
	KUNIT_ASSERT_EQ(test, nvlink2_platform_register(&first), 0);
	KUNIT_EXPECT_EQ(test, nvlink2_platform_register(&second), -EBUSY);
	KUNIT_EXPECT_EQ(test, nvlink2_platform_register(&first), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, nvlink2_platform_get(), &first);
	nvlink2_platform_put(&first);
	nvlink2_platform_unregister(&first);
	KUNIT_EXPECT_NULL(test, nvlink2_platform_get());
}

static void test_platform_unregister_of_another(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, nvlink2_platform_register(&first), 0);
	nvlink2_platform_unregister(&second);
	KUNIT_EXPECT_PTR_EQ(test, nvlink2_platform_get(), &first);
	nvlink2_platform_put(&first);
	nvlink2_platform_unregister(&first);
	KUNIT_ASSERT_EQ(test, nvlink2_platform_register(&second), 0);
	nvlink2_platform_unregister(&second);
}

/* OPAL's numbers are small, and read as errnos they would say something else. */
static void test_platform_errno_translates_D24(struct kunit *test)
{
	static const struct {
		int ret, err;
	} known[] = {
		{ 0, 0 },
		{ -ENODEV, -ENODEV },
		{ OPAL_PARAMETER, -EINVAL },
		{ OPAL_BUSY, -EBUSY },
		{ OPAL_HARDWARE, -EIO },
		{ OPAL_UNSUPPORTED, -EIO },
		{ OPAL_NO_MEM, -ENOMEM },
		{ OPAL_PERMISSION, -EPERM },
	};
	int i, err;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		KUNIT_EXPECT_EQ_MSG(test, nvlink2_platform_errno(known[i].ret),
				    known[i].err, "code %d", known[i].ret);
	/* Whatever comes, it is an errno, and no success. */
	for (i = -64; i < 64; i++) {
		err = nvlink2_platform_errno(i);
		if (i)
			KUNIT_EXPECT_TRUE_MSG(test, err < 0 && err >= -MAX_ERRNO,
					      "%d became %d", i, err);
	}
	KUNIT_EXPECT_EQ(test, nvlink2_platform_errno(INT_MAX), -EIO);
	KUNIT_EXPECT_EQ(test, nvlink2_platform_errno(INT_MIN), -EIO);
}

static struct kunit_case nvlink2_platform_cases[] = {
	KUNIT_CASE(test_platform_one_provider_only),
	KUNIT_CASE(test_platform_unregister_of_another),
	KUNIT_CASE(test_platform_errno_translates_D24),
	{}
};

static struct kunit_suite nvlink2_platform_suite = {
	.name = "nvlink2_platform",
	.test_cases = nvlink2_platform_cases,
};

kunit_test_suite(nvlink2_platform_suite);
