# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info when it may not or can not: the cause, the cure, and exit status 1."""

import pytest

from .support import BRIDGE, EACCES, EBUSY, EINVAL, EPERM, GPU, SECOND, one_gpu, two_gpus


def failing(machine, *sentences):
    """Every sentence is on stderr, exit 1, and the same is in the JSON."""
    done = machine.info()
    assert done.returncode == 1
    assert "not read" in done.stdout
    for sentence in sentences:
        assert sentence in done.stderr
    error = machine.json(status=1)["devices"][0]["error"]
    assert f"{GPU}: {error['cause']}\n" in done.stderr
    assert error["cure"] is None or error["cure"] in done.stderr
    return error


def test_error_no_iommu_driver(machine):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").write_text("types=99\n")
    failing(machine, "VFIO has no IOMMU driver for group 3", "modprobe vfio_iommu_spapr_tce")


def test_error_iommu_refused_is_that_of_the_first_type(machine):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").write_text(f"types=7,2\nset_iommu={EPERM}\n")
    failing(machine, "VFIO may not take the IOMMU of group 3: Operation not permitted", "dmesg")
    assert machine.calls().count("set_iommu 2") == 2


def test_error_container_missing(machine):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").unlink()
    failing(machine, "/vfio/vfio: No such file or directory: the vfio module is not loaded",
            "modprobe vfio")


def test_error_container_without_permission(machine):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").write_text(f"types=7\nopen={EACCES}\n")
    failing(machine, f"no permission to open {machine.dev}/vfio/vfio (mode ", "chown USER")


def test_error_container_of_something_else(machine):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").write_text("types=7\napi=1\n")
    failing(machine, "does not speak version 0 of VFIO's interface")


@pytest.mark.parametrize("code", [EACCES, EPERM])
def test_error_group_without_permission(machine, code):
    one_gpu(machine)
    machine.group(3, open=code)
    (machine.dev / "vfio/3").chmod(0o600)
    failing(machine, f"no permission to open {machine.dev}/vfio/3 (mode 600, uid ",
            f"run as root, or let your user have it: chown USER {machine.dev}/vfio/3")


def test_error_group_busy(machine):
    one_gpu(machine)
    machine.group(3, open=EBUSY)
    failing(machine, "group 3 is in use by another process, such as QEMU",
            f"fuser -v {machine.dev}/vfio/3")


def test_error_group_node_missing(machine):
    one_gpu(machine)
    (machine.dev / "vfio/3").unlink()
    failing(machine, f"there is no {machine.dev}/vfio/3\n", "when a device of the group is bound")


def test_error_group_not_viable_names_who_blocks(machine):
    one_gpu(machine)
    machine.group(3, viable=0)
    machine.function("0000:01:00.3", driver="nvme", vfio=False)
    # Those do not block: nothing bound, a PCI bridge's driver, one that does nothing.
    machine.function("0000:01:00.4", driver=None, vfio=False)
    machine.function("0000:01:00.5", driver="pcieport", vfio=False)
    machine.function("0000:01:00.6", driver="pci-stub", vfio=False)
    failing(machine, "group 3 is not viable: another driver has 0000:01:00.3 (bound to nvme)\n",
            f"every device of {machine.sysfs}/kernel/iommu_groups/3/devices has to be unbound")


def test_error_group_not_viable_and_nobody_seen(machine):
    one_gpu(machine)
    machine.group(3, viable=0)
    failing(machine, "group 3 is not viable: another driver has a device of it\n")


def test_error_set_container(machine):
    one_gpu(machine)
    machine.group(3, set_container=EPERM)
    failing(machine, "giving group 3 an address space: Operation not permitted", "dmesg")


def test_error_of_a_group_is_said_once_for_its_devices(machine):
    two_gpus(machine)
    machine.group(3, open=EBUSY)
    done = machine.info()
    assert done.returncode == 1
    assert done.stderr.count("is in use by another process") == 1
    assert f"nvlink2-info: {GPU}, {BRIDGE}, {SECOND}: group 3 is in use" in done.stderr
    # The other group is not held up.
    assert "target address 0x420000000" in done.stdout
    assert [bool(device["error"]) for device in machine.json(status=1)["devices"]] == [
        True, True, True, False, False]


@pytest.mark.parametrize("code, sentence", [
    (EBUSY, "opening it in nvlink2-vfio-pci: Device or resource busy: another process uses it"),
    (EINVAL, "a property in the device tree is broken"),
    (19, "a property in the device tree is missing"),
    (95, "this host cannot give a GPU to a VM"),
    (5, "opening it in nvlink2-vfio-pci: Input/output error\n")])
def test_error_open_device(machine, code, sentence):
    one_gpu(machine, open=code)
    failing(machine, sentence, f"dmesg | grep {GPU}")


def test_error_device_info(machine):
    one_gpu(machine, info=5)
    failing(machine, "asking for its information: Input/output error")


def test_error_no_iommu_group(machine):
    machine.function(GPU, group=None)
    failing(machine, "is in no IOMMU group", "VFIO needs an IOMMU")


def test_error_no_sysfs(machine, tmp_path):
    done = machine.info("--sysfs", tmp_path / "nowhere")
    assert done.returncode == 1
    assert f"{tmp_path}/nowhere/bus/pci/devices: No such file or directory" in done.stderr
    assert f"is {tmp_path}/nowhere mounted?" in done.stderr


def test_error_no_device_bound(machine):
    machine.function("0000:05:00.0", driver="nvme", vfio=False)
    done = machine.info()
    assert (done.returncode, done.stdout) == (1, "")
    assert "no PCI function is bound to a VFIO driver" in done.stderr
    assert "the device tree names no NVLink2 function" in done.stderr
    report = machine.json(status=1)
    assert report["devices"] == []
    assert report["error"]["cause"] == "no PCI function is bound to a VFIO driver"


def test_error_no_device_bound_names_the_candidates(machine):
    machine.function(BRIDGE, driver=None, vfio=False, tree="ibm,gpu")
    machine.function(GPU, driver="nvidia", vfio=False, tree="ibm,npu")
    done = machine.info()
    assert done.returncode == 1
    assert f"{GPU} (GPU, bound to nvidia)" in done.stderr
    assert f"{BRIDGE} (bridge, bound to no driver)" in done.stderr
    assert f"'nvlink2-info {GPU}' says how to bind that one" in done.stderr


def test_error_named_device_of_another_driver(machine):
    machine.function(GPU, driver="nvidia", vfio=False)
    error = failing_named(machine, GPU)
    assert error["cause"] == "is bound to nvidia, which is not a VFIO driver"
    assert error["cure"] == (
        "bind it, as root:\n"
        "  modprobe nvlink2-vfio-pci\n"
        f"  echo {GPU} > {machine.sysfs}/bus/pci/devices/{GPU}/driver/unbind\n"
        f"  echo nvlink2-vfio-pci > {machine.sysfs}/bus/pci/devices/{GPU}/driver_override\n"
        f"  echo {GPU} > {machine.sysfs}/bus/pci/drivers_probe")


def failing_named(machine, address):
    done = machine.info(address)
    assert done.returncode == 1
    error = machine.json(address, status=1)["devices"][0]["error"]
    assert f"nvlink2-info: {address}: {error['cause']}\n{error['cure']}\n" == done.stderr
    assert machine.calls() == []
    return error


def test_error_named_device_without_driver(machine):
    machine.function(GPU, driver=None, vfio=False)
    error = failing_named(machine, GPU)
    assert error["cause"] == "is bound to no driver"
    assert "unbind" not in error["cure"]


def test_error_named_device_is_not_there(machine):
    error = failing_named(machine, "0000:77:00.0")
    assert error["cause"] == "there is no such PCI function"
