# SPDX-License-Identifier: GPL-2.0-only
"""Rules about names, numbers and versions: each broken once."""

import pytest

from .support import expect

SUBTYPE_ATSD = "  - name: VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD\n    vendor: IBM\n    value: 1\n"
LNKSPD_ID = "constant: VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD\n    id: 5\n"
SPEED_9 = "name: VFIO_NVLINK2_SPEED_25G\n    value: 9\n"
PCI_IBM = "  - {vendor: IBM, device: 0x04ea, doc: NVLink bridge of the POWER9 NPU2.}\n"
NAMES = "    - {name: VFIO_REGION_INFO_CAP_SPARSE_MMAP, doc: A capability of linux/vfio.h.}\n"
LINK_SPEED = "  - name: link_speed\n    type: u32\n"



@pytest.mark.parametrize("what, old, new", [
    ("speed-is-a-constant", SPEED_9, "name: VFIO_NVLINK2_SPEED_20G@@\n    value: 9\n"),
    ("speed-is-a-vendor-constant", SPEED_9, "name: VFIO_NVLINK2_VENDOR_IBM@@\n    value: 9\n"),
    ("speed-is-the-abi-version", SPEED_9, "name: VFIO_NVLINK2_ABI_VERSION@@\n    value: 9\n"),
    ("subtype-is-of-the-core", SUBTYPE_ATSD,
     "  - name: VFIO_REGION_INFO_FLAG_READ@@\n    vendor: IBM\n    value: 1\n"),
    ("capability-constant", LNKSPD_ID,
     "constant: VFIO_REGION_INFO_CAP_NVLINK2_SSATGT@@\n    id: 5\n"),
    ("struct", "struct: vfio_region_info_cap_nvlink2_lnkspd\n",
     "struct: vfio_region_info@@\n"),
    ("capability", "  - name: lnkspd\n", "  - name: ssatgt@@\n"),
    ("region", "  - name: atsd\n", "  - name: gpu_ram@@\n"),
    ("value", LINK_SPEED, "  - name: tgt@@\n    type: u32\n"),
    ("driver-constant", "  - name: WINDOW_ALIGN\n", "  - name: WINDOW_MAX@@\n"),
    ("node", "    - name: link\n", "    - name: bridge@@\n"),
    ("property", "        - name: ibm,npu-link-index\n", "        - name: ibm,gpu@@\n"),
    ("property-macro", "        - name: memory-region\n", "        - name: ibm-gpu@@\n"),
    ("field", "      - name: __pad\n", "      - name: link_speed@@\n"),
    ("golden-file", "  - file: atsd_empty.bin\n", "  - file: atsd.bin@@\n"),
    ("core-struct", "    - name: vfio_region_info_cap_type\n", "    - name: vfio_region_info@@\n"),
    ("vendor", "  - name: IBM\n", "  - name: NVIDIA@@\n"),
], ids=lambda value: value if "\n" not in value else "-")
def test_name_duplicate(tmp_path, capsys, what, old, new):
    del what
    # Renaming something leaves what refers to it hanging.
    expect(tmp_path, capsys, "duplicate-name", (old, new),
           also=("unknown-vendor", "unknown-capability", "unknown-subtype", "unknown-value",
                 "unused-value", "value-width", "unknown-node", "unknown-constant", "golden-region",
                 "golden-values", "core-incomplete", "phandle-target", "subtype-region",
                 "repeated-capability", "vendor-mismatch", "reserved-id", "region-size"))


def test_name_derived_duplicate(tmp_path, capsys):
    """A capability also makes a constant of its version; the later definition is at fault."""
    cap = "constant: VFIO_REGION_INFO_CAP_NVLINK2_SSATGT\n"
    expect(tmp_path, capsys, "duplicate-name", (cap, cap[:-1] + "@@\n"),
           (SPEED_9, "name: VFIO_REGION_INFO_CAP_NVLINK2_SSATGT_VERSION\n    value: 9\n"))


@pytest.mark.parametrize("name", ["tgt", "index", "type", "unknown_caps", "has_ssatgt"])
def test_name_decoded_field_duplicate(tmp_path, capsys, name):
    expect(tmp_path, capsys, "duplicate-name",
           ("      - name: link_speed\n        type: u32\n        offset: 8\n",
            f"      - name: {name}@@\n        type: u32\n        offset: 8\n"))


@pytest.mark.parametrize("name", ["register", "int", "template", "co_await", "linux", "lambda"])
def test_name_keyword(tmp_path, capsys, name):
    expect(tmp_path, capsys, "keyword",
           ("      - name: __pad\n", f"      - name: {name}@@\n"), says=f"'{name}'")


@pytest.mark.parametrize("name, old, new", [
    ("VFIO_NVLINK2_SPEED_25G", SPEED_9, "name: VFIO_NVLINK2_SPEED_25G@@\n    value: 9\n"),
    ("vfio_region_info_cap_nvlink2_lnkspd", "struct: vfio_region_info_cap_nvlink2_lnkspd\n",
     "struct: vfio_region_info_cap_nvlink2_lnkspd@@\n"),
    ("__pad", "      - name: __pad\n", "      - name: __pad@@\n"),
    ("lnkspd", "  - name: lnkspd\n", "  - name: lnkspd@@\n"),
])
def test_name_reserved(tmp_path, capsys, name, old, new):
    """A name that was moved to the reserved ones cannot be used again."""
    expect(tmp_path, capsys, "reserved-name", (old, new),
           (NAMES, NAMES + f"    - {{name: {name}, doc: Given up in version 1.}}\n"),
           says="Given up in version 1.")


def test_number_capability_id_duplicate(tmp_path, capsys):
    expect(tmp_path, capsys, "duplicate-id", (LNKSPD_ID, LNKSPD_ID.replace("5", "4@@")),
           says="already ssatgt's")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_number_capability_id_of_the_core(tmp_path, capsys, number):
    expect(tmp_path, capsys, "reserved-id", (LNKSPD_ID, LNKSPD_ID.replace("5", f"{number}@@")))


def test_number_capability_id_reserved(tmp_path, capsys):
    expect(tmp_path, capsys, "reserved-id", (LNKSPD_ID, LNKSPD_ID.replace("5", "5@@")),
           ("  subtypes: []\n", "    - {value: 5, doc: Given up.}\n  subtypes: []\n"))


def test_number_subtype_reserved(tmp_path, capsys):
    expect(tmp_path, capsys, "reserved-id", (SUBTYPE_ATSD, SUBTYPE_ATSD.replace("1", "1@@")),
           ("  subtypes: []\n", "  subtypes:\n    - {vendor: IBM, value: 1, doc: Given up.}\n"))


def test_number_subtype_reserved_for_another_vendor(tmp_path, capsys):
    """NVIDIA's reserved 7 does not keep IBM from using 7."""
    expect(tmp_path, capsys, "unknown-vendor", (SUBTYPE_ATSD, SUBTYPE_ATSD.replace("1", "7")),
           ("  subtypes: []\n", "  subtypes:\n    - {vendor: NVIDIA, value: 7, doc: Given up.}\n"
            "    - {vendor: NOBODY, value: 7, doc: Given up.}@@\n"))


def test_number_speed_reserved(tmp_path, capsys):
    expect(tmp_path, capsys, "reserved-id", (SPEED_9, SPEED_9.replace("9", "9@@")),
           ("  link_speeds: []\n", "  link_speeds:\n    - {value: 9, doc: Given up.}\n"))


def test_number_subtype_of_two_vendors(tmp_path, capsys):
    """The real spec has subtype 1 twice, of two vendors; of one vendor it is an error."""
    expect(tmp_path, capsys, "duplicate-subtype",
           (SUBTYPE_ATSD, SUBTYPE_ATSD.replace("IBM\n", "NVIDIA\n").replace("1", "1@@")),
           says="1 of NVIDIA", also=("vendor-mismatch",))


def test_number_speed_duplicate(tmp_path, capsys):
    expect(tmp_path, capsys, "duplicate-speed", (SPEED_9, SPEED_9.replace("9", "8@@")))


def test_number_vendor_duplicate(tmp_path, capsys):
    expect(tmp_path, capsys, "duplicate-vendor", ("    id: 0x1014\n", "    id: 0x10de@@\n"))


def test_number_pci_id_duplicate(tmp_path, capsys):
    expect(tmp_path, capsys, "duplicate-pci-id", (PCI_IBM, PCI_IBM + PCI_IBM[:-1] + "@@\n"))


def test_vendor_unknown(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-vendor", (PCI_IBM, PCI_IBM[:-1].replace("IBM", "IBN") + "@@\n"),
           says="known are: NVIDIA, IBM")


@pytest.mark.parametrize("new", ["  history:@@\n    - version: 2\n",
                                 "  history:@@\n    - {version: 1, doc: One.}\n    - version: 1\n",
                                 "  history:@@\n    - {version: 2, doc: Two.}\n    - version: 1\n"])
def test_version_history(tmp_path, capsys, new):
    expect(tmp_path, capsys, "history", ("  history:\n    - version: 1\n", new))


def test_version_since_future(tmp_path, capsys):
    expect(tmp_path, capsys, "since",
           ("value: 0x10000\n    since: 1\n", "value: 0x10000\n    since: 2@@\n"))


def test_version_field_since_future(tmp_path, capsys):
    expect(tmp_path, capsys, "since",
           ("        offset: 12\n        since: 1\n", "        offset: 12\n        since: 2@@\n"))


@pytest.mark.parametrize("deprecated", [1, 2])
def test_version_deprecated(tmp_path, capsys, deprecated):
    expect(tmp_path, capsys, "since",
           ("value: 0x10000\n    since: 1\n",
            f"value: 0x10000\n    since: 1\n    deprecated: {deprecated}@@\n"))


@pytest.mark.parametrize("name", ["VFIO_PCI_NUM_REGIONS", "VFIO_REGION_INFO_FLAG_CAPS"])
def test_core_constant_missing(tmp_path, capsys, name):
    expect(tmp_path, capsys, "core-incomplete", (f"    - name: {name}\n", f"    - name: {name}_X\n"),
           ("  constants:\n    - name", "  constants:@@\n    - name"), says=name)


def test_core_field_missing(tmp_path, capsys):
    expect(tmp_path, capsys, "core-incomplete",
           ("    - name: vfio_region_info\n", "    - name: vfio_region_info@@\n"),
           ("{name: argsz,", "{name: length,"), says="argsz")
