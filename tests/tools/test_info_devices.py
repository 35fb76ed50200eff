# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info with devices: what it asks for, and what it shows."""

import struct

import pytest

from .support import (BRIDGE, BRIDGE_IDS, EINVAL, GOLDEN, GPU, SECOND, atsd, gpu_ram, one_gpu,
                      need, region, run, tgt_cap, two_gpus, type_cap)


def test_devices_text(machine):
    two_gpus(machine)
    done = machine.info()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == """\
0000:01:00.0  10de:1db1  GPU  driver nvlink2-vfio-pci  group 3
    region 9  GPU RAM  64 MiB (0x4000000)  read write mmap
        target address 0x400000000
    bridges   0000:01:00.1 (25.78125 Gbit/s), 0000:01:00.2 (25 Gbit/s)
0000:01:00.1  1014:04ea  bridge  driver nvlink2-vfio-pci  group 3
    region 9  ATSD registers  64 KiB (0x10000)  read write mmap
        target address 0x400000000
        link speed 25.78125 Gbit/s
    GPU       0000:01:00.0
0000:01:00.2  1014:04ea  bridge  driver nvlink2-vfio-pci  group 3
    region 9  ATSD registers  64 KiB (0x10000)  read write mmap
        target address 0x400000000
        link speed 25 Gbit/s
    GPU       0000:01:00.0
0001:02:00.0  10de:1db1  GPU  driver nvlink2-vfio-pci  group 12
    region 9  GPU RAM  64 MiB (0x4000000)  read write mmap
        target address 0x420000000
    bridges   0001:02:00.1 (25.78125 Gbit/s)
0001:02:00.1  1014:04ea  bridge  driver nvlink2-vfio-pci  group 12
    region 9  ATSD registers  size 0  no access
        this link has no ATSD register set
        target address 0x420000000
        link speed 25.78125 Gbit/s
    GPU       0001:02:00.0
"""


def test_devices_json(machine):
    two_gpus(machine)
    report = machine.json()
    assert (report["files"], report["error"]) == ([], None)
    gpu, bridge = report["devices"][:2]
    regions = gpu.pop("regions")
    assert gpu == {
        "address": GPU, "vendor": 0x10de, "device": 0x1db1, "driver": "nvlink2-vfio-pci",
        "group": 3, "role": "gpu", "device_tree_role": "gpu", "num_regions": 10, "gpus": [],
        "bridges": [BRIDGE, SECOND], "error": None}
    assert [(entry["index"], entry["kind"], entry["tgt"]) for entry in regions] == [
        (9, "gpu_ram", 0x400000000)]
    assert (bridge["role"], bridge["gpus"], bridge["bridges"]) == ("bridge", [GPU], [])
    assert report["devices"][3]["device_tree_role"] is None
    assert report["devices"][4]["gpus"] == ["0001:02:00.0"]


def test_devices_one_group_is_opened_once(machine):
    two_gpus(machine)
    machine.info()
    calls = machine.calls()
    assert calls.count("open /vfio/3") == 1
    assert calls.count("open /vfio/12") == 1
    assert calls.count("set_container") == calls.count("set_iommu 7") == 2


def test_devices_region_is_asked_again_with_argsz(machine):
    one_gpu(machine)
    machine.info()
    assert [call for call in machine.calls() if call.startswith("region")] == [
        "region 9 argsz 32", "region 9 argsz 64"]


def test_devices_argsz_that_grows_for_ever_ends(machine):
    one_gpu(machine, grow=1)
    done = machine.info()
    assert done.returncode == 1
    assert f"{GPU}: region 9: the capabilities did not fit" in done.stderr
    assert len([call for call in machine.calls() if call.startswith("region")]) == 8


def test_devices_argsz_without_measure_is_refused(machine):
    blob = bytearray(gpu_ram())
    struct.pack_into("<I", blob, 0, 0xffffffff)
    machine.function(GPU, regions={9: bytes(blob)})
    done = machine.info()
    assert done.returncode == 1
    assert "more than 1048576 bytes long" in done.stderr
    assert "region 9  not read" in done.stdout


def test_devices_broken_chain(machine):
    blob = bytearray(gpu_ram())
    struct.pack_into("<I", blob, 52, 32)
    machine.function(GPU, regions={9: bytes(blob)})
    done = machine.info()
    assert done.returncode == 1
    assert f"{GPU}: region 9: the capability chain runs backwards" in done.stderr
    assert "broken: the rest could not be decoded" in done.stdout


def test_devices_named_ones_only(machine):
    two_gpus(machine)
    # The short form, capitals, and twice the same.
    report = machine.json("01:00.1", "0000:01:00.1", "0001:02:00.0")
    assert [device["address"] for device in report["devices"]] == [BRIDGE, "0001:02:00.0"]
    assert report["devices"][0]["gpus"] == []
    assert "none here with this target address" in machine.info("01:00.1").stdout
    assert "bridges   none here" in machine.info(GPU).stdout


def test_devices_are_sorted_as_numbers(machine):
    addresses = ["0000:01:00.0", "0000:0a:00.0", "0000:0a:1f.7", "0002:00:00.0", "10000:00:00.0"]
    for number, address in enumerate(reversed(addresses)):
        machine.function(address, group=number)
    assert [device["address"] for device in machine.json()["devices"]] == addresses


def test_devices_capital_letters(machine):
    machine.function("0000:ab:00.0")
    assert machine.json("0000:AB:00.0")["devices"][0]["error"] is None


def test_devices_of_old_kernels_have_no_vfio_dev(machine):
    machine.function(GPU, regions={9: gpu_ram()})
    (machine.sysfs / f"bus/pci/devices/{GPU}/vfio-dev/vfio0").rmdir()
    (machine.sysfs / f"bus/pci/devices/{GPU}/vfio-dev").rmdir()
    machine.function("0000:02:00.0", driver="nvme", vfio=False)
    assert [device["address"] for device in machine.json()["devices"]] == [GPU]


def bars(machine):
    regions = {index: region(index=index, size=0) for index in range(6)}
    regions |= {0: region(index=0, size=0x4000, flags=0xf, caps=[(3, 1, b"")]), 6: region(6, 0),
                7: region(index=7, size=4096, flags=3), 8: EINVAL, 9: gpu_ram()}
    machine.function(GPU, regions=regions, num_regions=10)


def test_devices_all_regions(machine):
    bars(machine)
    report = machine.json("--all")
    shown = report["devices"][0]["regions"]
    assert [entry["index"] for entry in shown] == [0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert (shown[7]["size"], shown[7]["flags"]) == (4096, 3)
    text = machine.info("-a").stdout
    assert "region 0  BAR 0  16 KiB (0x4000)  read write mmap" in text
    assert "capability 3 version 1, not decoded" in text
    assert "region 7  config space  4 KiB (0x1000)  read write\n" in text
    assert "BAR 1" not in text
    assert "VGA" not in text


def test_devices_pci_regions_are_not_asked_for_unless_all(machine):
    bars(machine)
    assert [entry["index"] for entry in machine.json()["devices"][0]["regions"]] == [9]


def test_devices_plain_vfio_pci(machine):
    machine.function(GPU, ids=(0x1b36, 0x10))
    done = machine.info()
    assert done.returncode == 0
    assert "no regions besides those of every PCI function (--all shows them)" in done.stdout


def test_devices_gpu_served_by_the_wrong_driver(machine):
    machine.function(GPU, driver="vfio-pci", tree="ibm,npu")
    done = machine.info()
    assert done.returncode == 0
    assert "no NVLink2 region, because vfio-pci does not serve them; nvlink2-vfio-pci does" in (
        done.stdout)


def test_devices_region_refused(machine):
    machine.function(GPU, regions={9: gpu_ram(), 10: EINVAL}, num_regions=11)
    report = machine.json(status=1)
    first, second = report["devices"][0]["regions"]
    assert (first["error"], second["size"]) == (None, None)
    assert "Invalid argument" in second["error"]["cause"]
    assert "dmesg" in second["error"]["cure"]


def test_devices_two_gpus_with_one_target_are_both_named(machine):
    for number in range(2):
        machine.function(f"0000:0{number + 1}:00.0", group=number, regions={9: gpu_ram()})
    machine.function("0000:03:00.0", group=3, ids=BRIDGE_IDS, regions={9: atsd()})
    assert machine.json()["devices"][2]["gpus"] == ["0000:01:00.0", "0000:02:00.0"]


def test_devices_without_a_target_have_no_peers(machine):
    machine.function(GPU, regions={9: region(caps=[type_cap(0x10de)])})
    machine.function(BRIDGE, regions={9: region(caps=[type_cap(0x1014), tgt_cap(0)])})
    assert [device["gpus"] + device["bridges"] for device in machine.json()["devices"]] == [[], []]


def test_save_and_read_back(machine, tmp_path):
    two_gpus(machine)
    folder = tmp_path / "dump"
    assert machine.info("--save", folder).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "0000:01:00.0-9.bin", "0000:01:00.1-9.bin", "0000:01:00.2-9.bin", "0001:02:00.0-9.bin",
        "0001:02:00.1-9.bin"]
    assert (folder / "0000:01:00.0-9.bin").read_bytes() == (GOLDEN / "gpu_ram.bin").read_bytes()
    assert (folder / "0000:01:00.1-9.bin").read_bytes() == (GOLDEN / "atsd.bin").read_bytes()
    live = machine.json(GPU)["devices"][0]["regions"][0]
    saved = machine.json("--from", folder / "0000:01:00.0-9.bin")["files"][0]["region"]
    assert live == saved


def test_save_into_what_is_no_folder(machine, tmp_path):
    one_gpu(machine)
    (tmp_path / "file").write_text("")
    done = machine.info("--save", tmp_path / "file")
    assert done.returncode == 1
    assert f"{GPU}: saving to {tmp_path}/file/{GPU}-9.bin: Not a directory" in done.stderr
    assert "--save needs a folder" in done.stderr


@pytest.mark.parametrize("types, calls", [
    ("7,2,3,1", ["set_iommu 7"]), ("2", ["set_iommu 2"]), ("1,3", ["set_iommu 3"]),
    ("1", ["set_iommu 1"])])
def test_iommu_type(machine, types, calls):
    one_gpu(machine)
    (machine.dev / "vfio/vfio").write_text(f"types={types}\n")
    assert machine.info().returncode == 0
    assert [call for call in machine.calls() if call.startswith("set_iommu")] == calls


def test_devices_dot(machine):
    two_gpus(machine)
    done = machine.info("--dot")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == """\
graph nvlink2 {
	rankdir=LR;
	node [shape=box];
	subgraph cluster_3 {
		label="IOMMU group 3";
		"0000:01:00.0" [label="GPU\\n0000:01:00.0\\nGPU RAM 64 MiB\\ntgt 0x400000000", style=bold];
		"0000:01:00.1" [label="bridge\\n0000:01:00.1\\nATSD 64 KiB\\ntgt 0x400000000"];
		"0000:01:00.2" [label="bridge\\n0000:01:00.2\\nATSD 64 KiB\\ntgt 0x400000000"];
	}
	subgraph cluster_12 {
		label="IOMMU group 12";
		"0001:02:00.0" [label="GPU\\n0001:02:00.0\\nGPU RAM 64 MiB\\ntgt 0x420000000", style=bold];
		"0001:02:00.1" [label="bridge\\n0001:02:00.1\\nATSD none\\ntgt 0x420000000"];
	}
	"0000:01:00.0" -- "0000:01:00.1" [label="25.78125 Gbit/s"];
	"0000:01:00.0" -- "0000:01:00.2" [label="25 Gbit/s"];
	"0001:02:00.0" -- "0001:02:00.1" [label="25.78125 Gbit/s"];
}
"""


def test_devices_dot_draws_what_was_not_read(machine):
    """Dashed, and reported on standard error as ever; with no group, outside of all."""
    one_gpu(machine)
    machine.function(BRIDGE, ids=BRIDGE_IDS, tree="ibm,gpu", driver="nvidia", vfio=False,
                     group=None)
    done = machine.info("--dot", GPU, BRIDGE)
    assert done.returncode == 1 and BRIDGE in done.stderr
    assert '\n\t"0000:01:00.1" [label="bridge\\n0000:01:00.1\\nnot read", style=dashed];\n' in done.stdout
    assert " -- " not in done.stdout


def test_devices_dot_of_a_plain_function(machine):
    machine.function(GPU, regions={0: region(0, 0x1000)})
    assert 'label="PCI function\\n0000:01:00.0\\nno NVLink2 region", style=dashed' in \
        machine.info("--dot").stdout


def test_devices_dot_goes_alone(machine):
    one_gpu(machine)
    for more in ("--json", "--all", f"--from={GOLDEN}/gpu_ram.bin"):
        done = machine.info("--dot", more)
        assert (done.returncode, done.stdout) == (2, "") and "--dot draws the links" in done.stderr


def test_devices_dot_is_what_graphviz_draws(machine):
    """Each device a node in its group, each link an edge with its speed."""
    two_gpus(machine)
    drawn = run(need("dot"), "-Tplain", input=machine.info("--dot").stdout)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    lines = drawn.stdout.splitlines()
    assert len([line for line in lines if line.startswith("node ")]) == 5
    edges = [line for line in lines if line.startswith("edge ")]
    assert len(edges) == 3 and sum('"25.78125 Gbit/s"' in line for line in edges) == 2
    assert "IOMMU group 12" in run("dot", "-Tsvg", input=machine.info("--dot").stdout).stdout
