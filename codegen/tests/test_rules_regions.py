# SPDX-License-Identifier: GPL-2.0-only
"""Rules about regions, their examples and the device tree: each broken once."""

import pytest

from .support import expect

ATSD_FLAGS = "    flags: [read, write, mmap]\n    flags_empty: []\n    memory: noncached\n"
ATSD_SIZE = "      from: constant\n      constant: VFIO_NVLINK2_ATSD_SIZE\n"
RAM_SIZE = "      from: device-tree\n      node: memory\n      property: reg\n"
ATSD = """\
  - name: atsd
    vendor: IBM
    subtype: VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD
"""
RAM = """\
  - name: gpu_ram
    vendor: NVIDIA
    subtype: VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM
"""
EMPTY = "    size: 0\n    values: {tgt: 0x400000000, link_speed: 8}\n"
SPEED = """\
          type: u32
          required: false
          if_absent: LINK_SPEED_UNKNOWN
"""
REG = "          type: u64[2]\n          required: true\n          parts: [base, size]\n"
GPU = "        - name: ibm,gpu\n          type: phandle\n          required: true\n"
NO_WRAP = "            - rule: NO_WRAP\n"
MAX = "            - rule: MAX\n              of: size\n              limit: WINDOW_MAX\n"
ATSD_ALIGNED = "            - rule: ALIGNED\n              limit: ATSD_BLOCK\n"
TGT = "        - name: ibm,device-tgt-addr\n          type: u64\n          required: true\n"


def test_region_unknown_vendor(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-vendor", (ATSD, ATSD.replace("IBM\n", "IBN@@\n", 1)),
           also=("vendor-mismatch",))


def test_region_unknown_subtype(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-subtype", (ATSD, ATSD[:-1] + "X@@\n"), says="known are: VFIO")


def test_region_subtype_of_another_vendor(tmp_path, capsys):
    expect(tmp_path, capsys, "vendor-mismatch",
           (ATSD, ATSD.replace("IBM\n", "NVIDIA\n", 1)[:-1] + "@@\n"))


def test_region_subtype_of_another_region(tmp_path, capsys):
    expect(tmp_path, capsys, "subtype-region",
           (ATSD, ATSD.splitlines(keepends=True)[0] + RAM.split("\n", 1)[1][:-1] + "@@\n"),
           says="already region gpu_ram's")


def test_region_unknown_capability(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-capability",
           ("capabilities: [ssatgt, lnkspd]", "capabilities: [ssatgt, lnkspeed]@@"),
           says="known are: ssatgt, lnkspd", also=("golden-values",))


def test_region_unknown_capability_line(tmp_path, capsys):
    """In a list over several lines it is the entry's line."""
    expect(tmp_path, capsys, "unknown-capability",
           ("capabilities: [ssatgt, lnkspd]",
            "capabilities:\n      - ssatgt\n      - lnkspd\n      - third@@"))


def test_region_repeated_capability(tmp_path, capsys):
    expect(tmp_path, capsys, "repeated-capability",
           ("capabilities: [ssatgt, lnkspd]", "capabilities: [ssatgt, lnkspd, ssatgt]@@"))


@pytest.mark.parametrize("flags", ["mmap", "read, write, mmap", "read"])
def test_region_flags_at_size_0(tmp_path, capsys, flags):
    """A region of size 0 that can be mapped maps whatever is at address 0."""
    expect(tmp_path, capsys, "flags-empty",
           (ATSD_FLAGS, ATSD_FLAGS.replace("flags_empty: []", f"flags_empty: [{flags}]@@")),
           says=flags)


@pytest.mark.parametrize("old, new", [
    (ATSD_SIZE, "      from: constant\n"),
    (ATSD_SIZE, ATSD_SIZE + "      node: memory\n"),
    (ATSD_SIZE, ATSD_SIZE + "      property: reg\n"),
    (RAM_SIZE, "      from: device-tree\n"),
    (RAM_SIZE, "      from: device-tree\n      node: memory\n"),
    (RAM_SIZE, RAM_SIZE + "      constant: VFIO_NVLINK2_ATSD_SIZE\n"),
])
def test_region_size_half_given(tmp_path, capsys, old, new):
    expect(tmp_path, capsys, "region-size", (f"    size:\n{old}", f"    size:@@\n{new}"))


def test_region_size_of_a_property_without_size(tmp_path, capsys):
    expect(tmp_path, capsys, "region-size",
           (RAM_SIZE, RAM_SIZE.replace("node: memory", "node: npu")
            .replace("property: reg", "property: ibm,mmio-atsd@@")))


def test_region_size_unknown_constant(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-constant", (ATSD_SIZE, ATSD_SIZE[:-1] + "X@@\n"))


def test_region_size_unknown_node(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-node",
           (RAM_SIZE, RAM_SIZE.replace("node: memory", "node: ram@@")))


def test_golden_unknown_region(tmp_path, capsys):
    expect(tmp_path, capsys, "golden-region",
           ("    region: gpu_ram\n", "    region: ram@@\n"), (RAM, RAM.replace("gpu_ram", "gpu_ram@@")))


def test_golden_region_without_example(tmp_path, capsys):
    first = """\
  - file: gpu_ram.bin
    region: gpu_ram
    index: 9
    size: 0x4000000
    values: {tgt: 0x400000000}
    doc: RAM of a GPU with a window of 64 MiB.
"""
    expect(tmp_path, capsys, "golden-region", (first, ""), (RAM, RAM.replace("gpu_ram", "gpu_ram@@")))


def test_golden_index_of_a_pci_region(tmp_path, capsys):
    expect(tmp_path, capsys, "golden-index", ("    index: 9\n" + EMPTY, "    index: 8@@\n" + EMPTY),
           says="start at 9")


def test_golden_value_missing(tmp_path, capsys):
    expect(tmp_path, capsys, "golden-values", (EMPTY, "    size: 0\n    values: {tgt: 1}@@\n"),
           says="link_speed")


def test_golden_value_too_many(tmp_path, capsys):
    expect(tmp_path, capsys, "golden-values",
           ("values: {tgt: 0x400000000}", "values:\n      tgt: 1\n      link_speed: 8@@"),
           says="does not report link_speed")


def test_golden_value_too_large(tmp_path, capsys):
    expect(tmp_path, capsys, "golden-range",
           (EMPTY, "    size: 0\n    values:\n      tgt: 1\n      link_speed: 0x100000000@@\n"))


@pytest.mark.parametrize("name", ["VFIO_NOTHING", "VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD"])
def test_driver_constant_unknown_constant(tmp_path, capsys, name):
    expect(tmp_path, capsys, "unknown-constant",
           ("    value: VFIO_NVLINK2_ATSD_SIZE\n", f"    value: {name}@@\n"))


def test_property_phandle_leads_nowhere(tmp_path, capsys):
    expect(tmp_path, capsys, "phandle-target",
           (GPU + "          refers_to: gpu\n", GPU.replace("ibm,gpu", "ibm,gpu@@")))


def test_property_number_leads_somewhere(tmp_path, capsys):
    expect(tmp_path, capsys, "phandle-target", (TGT, TGT + "          refers_to: gpu@@\n"))


def test_property_phandle_to_unknown_node(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-node",
           (GPU + "          refers_to: gpu\n", GPU + "          refers_to: cpu@@\n"))


def test_property_default_of_a_required_one(tmp_path, capsys):
    expect(tmp_path, capsys, "absent-default",
           (SPEED, SPEED.replace("false", "true")[:-1] + "@@\n"))


def test_property_default_of_a_list(tmp_path, capsys):
    expect(tmp_path, capsys, "absent-default", (SPEED, SPEED.replace("u32", "u64[]")[:-1] + "@@\n"))


def test_property_default_unknown(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-constant", (SPEED, SPEED[:-1] + "X@@\n"))


@pytest.mark.parametrize("old, new, also", [
    ("        - name: reg\n" + REG, "        - name: reg@@\n" + REG.rpartition("          parts")[0],
     ("check-applies", "region-size")),
    ("        - name: reg\n" + REG, "        - name: reg@@\n" + REG.replace("base,", "size,"),
     ("check-applies",)),
    (TGT, TGT.replace("addr", "addr@@") + "          parts: [low, high]\n", ()),
])
def test_property_parts(tmp_path, capsys, old, new, also):
    expect(tmp_path, capsys, "parts", (old, new), also=also)


@pytest.mark.parametrize("old, new, says", [
    (NO_WRAP, NO_WRAP + "              of: size@@\n", "remove of:"),
    (NO_WRAP, NO_WRAP + "              limit: WINDOW_MAX@@\n", "remove limit:"),
    (MAX, MAX.replace("size", "length@@"), "base or size"),
    (MAX, MAX.replace("              of: size\n", "").replace("MAX\n", "MAX@@\n", 1), "base or size"),
    (MAX, MAX.replace("              limit: WINDOW_MAX\n", "").replace("MAX\n", "MAX@@\n", 1),
     "with limit:"),
    (ATSD_ALIGNED, ATSD_ALIGNED.replace("ATSD_BLOCK", "LINK_SPEED_UNKNOWN@@"), "power of two"),
    (ATSD_ALIGNED, "            - rule: NO_WRAP@@\n", "cannot be asked of a u64[]"),
    (TGT, TGT + "          checks:\n            - {rule: NO_WRAP, doc: Never.}@@\n",
     "cannot be asked of a u64"),
    (GPU, GPU + "          checks:\n            - {rule: NON_ZERO, doc: Never.}@@\n",
     "cannot be asked of a phandle"),
])
def test_check_does_not_apply(tmp_path, capsys, old, new, says):
    expect(tmp_path, capsys, "check-applies", (old, new), says=says)


def test_check_unknown_limit(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-constant",
           (ATSD_ALIGNED, ATSD_ALIGNED.replace("ATSD_BLOCK", "ATSD_BLOCKS@@")))
