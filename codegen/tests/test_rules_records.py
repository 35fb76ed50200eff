# SPDX-License-Identifier: GPL-2.0-only
"""Rules about records: each broken once."""

import pytest

from .support import expect

SPEED = """\
      - name: link_speed
        type: u32
        offset: 8
        since: 1
        from: link_speed
        doc: One of VFIO_NVLINK2_SPEED_*, or a code of newer firmware.
"""
PAD = """\
      - name: __pad
        type: u32
        offset: 12
        since: 1
        reserved: true
        doc: Always 0; not to be read.
"""
SIZE = "struct: vfio_region_info_cap_nvlink2_lnkspd\n    size: 16\n"
HEADER = """\
      - name: header
        type: header
        offset: 0
        since: 1
        doc: id VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD.
"""


def size(number):
    return SIZE, SIZE.replace("16", str(number))


def test_record_fields_out_of_order(tmp_path, capsys):
    expect(tmp_path, capsys, "record-order",
           (SPEED + PAD, PAD + SPEED.replace("offset: 8", "offset: 8@@")),
           says="after __pad at offset 12")


def test_record_reserved_overlaps(tmp_path, capsys):
    expect(tmp_path, capsys, "record-overlap", (PAD, PAD.replace("12", "10@@")), size(16),
           says="overlaps link_speed, which ends at 12", also=("record-hole",))


def test_record_reserved_overlaps_reserved(tmp_path, capsys):
    more = PAD.replace("__pad", "__pad2").replace("12", "14@@")
    expect(tmp_path, capsys, "record-overlap", (PAD, PAD + more), size(24),
           says="overlaps __pad", also=("record-hole",))


def test_record_field_overlaps_header(tmp_path, capsys):
    expect(tmp_path, capsys, "record-overlap", (SPEED, SPEED.replace("offset: 8", "offset: 4@@")),
           says="overlaps header", also=("record-hole",))


def test_record_hole(tmp_path, capsys):
    expect(tmp_path, capsys, "record-hole", (PAD, PAD.replace("12", "20@@")), size(24),
           says="bytes 12 to 19 before field __pad")


def test_record_hole_at_the_end(tmp_path, capsys):
    expect(tmp_path, capsys, "record-hole", (PAD, ""), (SIZE, SIZE.replace("16\n", "16@@\n")),
           says="bytes 12 to 15 at the end")


def test_record_too_small(tmp_path, capsys):
    expect(tmp_path, capsys, "record-size", size("8@@"), says="fields of struct")


def test_record_not_a_multiple_of_8(tmp_path, capsys):
    expect(tmp_path, capsys, "record-size", (PAD, ""), size("12@@"), says="up to 16")


@pytest.mark.parametrize("count", [4, 3, 1])
def test_record_odd_sizes(tmp_path, capsys, count):
    field = PAD.replace("u32", "u8").replace("since", f"count: {count}\n        since", 1)
    expect(tmp_path, capsys, "record-size", (SPEED, ""), (PAD, field.replace("12", "8")),
           size(f"{8 + count}@@"), also=("unused-value", "golden-values"))


def test_record_misaligned(tmp_path, capsys):
    """No hole by the spec, but a compiler would make one."""
    small = PAD.replace("__pad", "__pad0").replace("u32", "u16").replace("12", "8")
    last = PAD.replace("u32", "u16").replace("12", "14")
    expect(tmp_path, capsys, "record-abi",
           (SPEED + PAD, small + SPEED.replace("offset: 8", "offset: 10@@") + last),
           says="puts field link_speed of struct vfio_region_info_cap_nvlink2_lnkspd at 12 on LP64")


def test_record_i386_alignment(tmp_path, capsys):
    expect(tmp_path, capsys, "record-abi",
           ("      - name: tgt\n        type: aligned_u64\n",
            "      - name: tgt\n        type: u64@@\n"), says="make its type aligned_u64")


def test_record_i386_offset(tmp_path, capsys):
    """A u64 behind a u32 is at 12 on i386 and at 16 elsewhere."""
    field = PAD.replace("__pad", "__more").replace("u32", "u64")
    expect(tmp_path, capsys, "record-abi",
           (PAD, field.replace("12", "12@@") + PAD.replace("12", "20")), size(24),
           says="at 16 on LP64, not at 12")


def test_record_core_struct_is_checked_too(tmp_path, capsys):
    expect(tmp_path, capsys, "record-hole", ("{name: next, type: u32, offset: 4,",
                                             "{name: next, type: u16, offset: 6,@@"),
           also=("core-incomplete",))


def test_record_core_header_shape(tmp_path, capsys):
    expect(tmp_path, capsys, "core-incomplete",
           ("    - name: vfio_info_cap_header\n      size: 8\n",
            "    - name: vfio_info_cap_header\n      size: 16@@\n"),
           ('{name: next, type: u32, offset: 4,', '{name: more, type: aligned_u64, offset: 8, doc: '
            'More.}\n        - {name: next, type: u32, offset: 4,'),
           says="not 8 bytes", also=("record-order",))


def test_record_starts_without_header(tmp_path, capsys):
    expect(tmp_path, capsys, "record-header",
           (HEADER, HEADER.replace("- name: header", "- name: head@@")))


def test_record_has_two_headers(tmp_path, capsys):
    expect(tmp_path, capsys, "record-header",
           (PAD, PAD + HEADER.replace("name: header", "name: again").replace("0", "16")
            .replace("type: header", "type: header@@")), size(24))


def test_field_inserted_by_a_newer_version(tmp_path, capsys):
    expect(tmp_path, capsys, "field-appended",
           (SPEED, SPEED.replace("since: 1", "since: 2")),
           (PAD, PAD.replace("since: 1", "since: 1@@")),
           ("    id: 5\n    version: 1\n", "    id: 5\n    version: 2\n"), says="go to the end")


def test_field_without_source(tmp_path, capsys):
    expect(tmp_path, capsys, "field-source",
           (PAD, PAD.replace("        reserved: true\n", "").replace("- name: __pad", "- name: __pad@@")),
           says="has no source")


def test_field_reserved_with_source(tmp_path, capsys):
    expect(tmp_path, capsys, "field-source",
           (PAD, PAD.replace("- name: __pad", "- name: __pad@@") + "        from: link_speed\n"),
           says="more than one")


def test_field_header_with_source(tmp_path, capsys):
    expect(tmp_path, capsys, "field-source",
           (HEADER, HEADER.replace("- name: header", "- name: header@@")
            + "        from: link_speed\n"), also=("value-width",))


def test_field_unknown_value(tmp_path, capsys):
    expect(tmp_path, capsys, "unknown-value",
           ("        from: link_speed\n", "        from: speed@@\n"),
           says="known are: tgt, link_speed", also=("unused-value", "golden-values"))


def test_value_unused(tmp_path, capsys):
    expect(tmp_path, capsys, "unused-value",
           ("values:\n  - name: tgt\n", "values:\n  - {name: idle, type: u8, doc: Nobody's.}@@\n"
            "  - name: tgt\n"))


def test_value_width(tmp_path, capsys):
    expect(tmp_path, capsys, "value-width",
           (SPEED, SPEED.replace("type: u32", "type: u32@@")),
           ("  - name: link_speed\n    type: u32\n", "  - name: link_speed\n    type: u64\n"))


def test_value_into_an_array(tmp_path, capsys):
    expect(tmp_path, capsys, "value-width",
           (SPEED, SPEED.replace("type: u32", "type: u32@@\n        count: 1")))
