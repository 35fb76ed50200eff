// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: who is let in when. The device here is no GPU, so that nothing is
 * zapped; that resets do zap is the end-to-end tests' matter.
 */

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "nvlink2.h"

static struct nvlink2_device *device(struct kunit *test)
{
	struct nvlink2_device *dev = kunit_kzalloc(test, sizeof(*dev),
						   GFP_KERNEL);
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->error_state = pci_channel_io_normal;
	dev->core.pdev = pdev;
	nvlink2_gpu_ram_init(dev);
	return dev;
}

static bool blocked(struct nvlink2_device *dev)
{
	bool ret;

	down_read(&dev->gate);
	ret = nvlink2_gpu_ram_blocked(dev);
	up_read(&dev->gate);
	return ret;
}

static void test_gate_is_open_at_first(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, blocked(device(test)));
}

static void test_gate_resets_nest_D7(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	nvlink2_gpu_ram_block(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	nvlink2_gpu_ram_block(dev);
	nvlink2_gpu_ram_unblock(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	nvlink2_gpu_ram_unblock(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
}

/* An error may be reported several times; recovery is over once. */
static void test_gate_freeze_does_not_nest(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	nvlink2_gpu_ram_freeze(dev);
	nvlink2_gpu_ram_freeze(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
}

/* A recovery resets the function in its middle. */
static void test_gate_reset_inside_recovery(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	nvlink2_gpu_ram_freeze(dev);
	nvlink2_gpu_ram_block(dev);
	nvlink2_gpu_ram_unblock(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
}

/* Nor does the end of a recovery let anybody into a reset. */
static void test_gate_recovery_inside_reset(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	nvlink2_gpu_ram_block(dev);
	nvlink2_gpu_ram_freeze(dev);
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	nvlink2_gpu_ram_unblock(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
}

/* An open in the midst of a recovery does not end it. */
static void test_gate_thaw_of_a_channel_that_is_offline(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	nvlink2_gpu_ram_freeze(dev);
	dev->core.pdev->error_state = pci_channel_io_frozen;
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	dev->core.pdev->error_state = pci_channel_io_normal;
	nvlink2_gpu_ram_thaw(dev);
	KUNIT_EXPECT_FALSE(test, blocked(dev));
}

static void test_gate_is_shut_while_asleep(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	dev->core.pdev->current_state = PCI_D3hot;
	KUNIT_EXPECT_TRUE(test, blocked(dev));
	dev->core.pdev->current_state = PCI_D0;
	KUNIT_EXPECT_FALSE(test, blocked(dev));
	dev->core.pm_runtime_engaged = true;
	KUNIT_EXPECT_TRUE(test, blocked(dev));
}

static void test_quarantine_is_empty_at_first(struct kunit *test)
{
	struct nvlink2_device *dev = device(test);

	dev->topo.gpu.hpa = SZ_2G;
	dev->topo.gpu.size = SZ_64M;
	KUNIT_EXPECT_EQ(test, nvlink2_gpu_ram_ready(dev), 0);
	KUNIT_EXPECT_FALSE(test, nvlink2_quarantined(0, U64_MAX));
}

static struct kunit_case nvlink2_gpu_ram_cases[] = {
	KUNIT_CASE(test_gate_is_open_at_first),
	KUNIT_CASE(test_gate_resets_nest_D7),
	KUNIT_CASE(test_gate_freeze_does_not_nest),
	KUNIT_CASE(test_gate_reset_inside_recovery),
	KUNIT_CASE(test_gate_recovery_inside_reset),
	KUNIT_CASE(test_gate_thaw_of_a_channel_that_is_offline),
	KUNIT_CASE(test_gate_is_shut_while_asleep),
	KUNIT_CASE(test_quarantine_is_empty_at_first),
	{}
};

static struct kunit_suite nvlink2_gpu_ram_suite = {
	.name = "nvlink2_gpu_ram",
	.test_cases = nvlink2_gpu_ram_cases,
};

kunit_test_suite(nvlink2_gpu_ram_suite);
