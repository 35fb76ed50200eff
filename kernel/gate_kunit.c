// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: who is let in when. The device here is no GPU, so that nothing is
 * zapped; that resets do zap is the end-to-end tests' matter.
 */

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "device.h"

static struct nvlink2_vfio_device *device(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio;
	struct pci_dev *pdev;

	vfio = kunit_kzalloc(test, sizeof(*vfio), GFP_KERNEL);
	pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vfio);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->error_state = pci_channel_io_normal;
	vfio->core.pdev = pdev;
	vfio->dev.pdev = pdev;
	nvlink2_gate_init(vfio);
	return vfio;
}

static bool blocked(struct nvlink2_vfio_device *vfio)
{
	bool ret;

	down_read(&vfio->gate);
	ret = nvlink2_gate_state(vfio);
	up_read(&vfio->gate);
	return ret;
}

static void test_gate_is_open_at_first(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, blocked(device(test)));
}

static void test_gate_resets_nest_D7(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	nvlink2_gate_block(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	nvlink2_gate_block(vfio);
	nvlink2_gate_unblock(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	nvlink2_gate_unblock(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
}

/* An error may be reported several times; recovery is over once. */
static void test_gate_freeze_does_not_nest(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	nvlink2_gate_freeze(vfio);
	nvlink2_gate_freeze(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
}

/* A recovery resets the function in its middle. */
static void test_gate_reset_inside_recovery(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	nvlink2_gate_freeze(vfio);
	nvlink2_gate_block(vfio);
	nvlink2_gate_unblock(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
}

/* Nor does the end of a recovery let anybody into a reset. */
static void test_gate_recovery_inside_reset(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	nvlink2_gate_block(vfio);
	nvlink2_gate_freeze(vfio);
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	nvlink2_gate_unblock(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
}

/* An open in the midst of a recovery does not end it. */
static void test_gate_thaw_of_a_channel_that_is_offline(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	nvlink2_gate_freeze(vfio);
	vfio->core.pdev->error_state = pci_channel_io_frozen;
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	vfio->core.pdev->error_state = pci_channel_io_normal;
	nvlink2_gate_thaw(vfio);
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
}

static void test_gate_is_shut_while_asleep(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	vfio->core.pdev->current_state = PCI_D3hot;
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
	vfio->core.pdev->current_state = PCI_D0;
	KUNIT_EXPECT_FALSE(test, blocked(vfio));
	vfio->core.pm_runtime_engaged = true;
	KUNIT_EXPECT_TRUE(test, blocked(vfio));
}

static void test_quarantine_is_empty_at_first(struct kunit *test)
{
	struct nvlink2_vfio_device *vfio = device(test);

	vfio->dev.topo.gpu.hpa = SZ_2G;
	vfio->dev.topo.gpu.size = SZ_64M;
	KUNIT_EXPECT_EQ(test, nvlink2_gpu_ram_ready(&vfio->dev), 0);
	KUNIT_EXPECT_FALSE(test, nvlink2_quarantined(0, U64_MAX));
}

static struct kunit_case nvlink2_gate_cases[] = {
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

static struct kunit_suite nvlink2_gate_suite = {
	.name = "nvlink2_gate",
	.test_cases = nvlink2_gate_cases,
};

kunit_test_suite(nvlink2_gate_suite);
