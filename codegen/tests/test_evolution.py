# SPDX-License-Identifier: GPL-2.0-only
"""A spec that has grown: what is generated from it compiles and reads old and new records."""

import subprocess

import pytest

from codegen import cli
from lab import limits

from .compilers import compile_c
from .support import DATA, ROOT, mutate

GROWN = (
    ("  version: 1\n  doc: >-\n    VFIO device", "  version: 2\n  doc: >-\n    VFIO device"),
    ("\n# What is taken from", "    - {version: 2, doc: More.}\n\n# What is taken from"),
    # A record of version 3, with fields of every width behind those of version 1.
    ("    id: 5\n    version: 1\n", "    id: 5\n    version: 3\n"),
    ("    also_in: linux/vfio.h\n    doc: >-\n      Speed of",
     "    deprecated: 2\n    doc: >-\n      Speed of"),
    ("nvlink2_lnkspd\n    size: 16\n", "nvlink2_lnkspd\n    size: 40\n"),
    ("        doc: Always 0; not to be read.\n",
     """\
        doc: Always 0; not to be read.
      - {name: lanes, type: u8, offset: 16, since: 2, from: lanes, doc: How many lanes.}
      - {name: __pad2, type: u8, count: 1, offset: 17, since: 2, reserved: true, doc: Zero.}
      - {name: errors, type: u16, offset: 18, since: 2, deprecated: 3, from: errors, doc: Errors.}
      - {name: __pad3, type: u32, offset: 20, since: 2, reserved: true, doc: Zero.}
      - {name: owner, type: aligned_u64, offset: 24, since: 2, from: owner, doc: Whose it is.}
      - {name: __pad4, type: u8, count: 8, offset: 32, since: 2, reserved: true, doc: Zero.}
"""),
    ("  - name: link_speed\n    type: u32\n",
     "  - {name: lanes, type: u8, doc: Lanes.}\n  - {name: errors, type: u16, doc: Errors.}\n"
     "  - {name: owner, type: u64, doc: Owner.}\n  - name: link_speed\n    type: u32\n"),
    ("    size: 0x10000\n    values: {tgt: 0x400000000, link_speed: 8}\n",
     "    size: 0x10000\n    values: {tgt: 0x400000000, link_speed: 8, lanes: 4, errors: 0x1234, "
     "owner: 0x1122334455667788}\n"),
    ("    size: 0\n    values: {tgt: 0x400000000, link_speed: 8}\n",
     "    size: 0\n    values: {tgt: 1, link_speed: 2, lanes: 3, errors: 4, owner: 5}\n"),
    # A subtype the system's header knows nothing of, and a deprecated speed.
    ("\nlink_speeds:\n", """\
  - {name: VFIO_REGION_SUBTYPE_IBM_NVLINK2_MORE, vendor: IBM, value: 2, since: 2, doc: More.}

link_speeds:
"""),
    ("    since: 1\n    doc: 25 Gbit/s a lane.\n",
     "    since: 1\n    deprecated: 2\n    doc: 25 Gbit/s a lane.\n"),
    ("  subtypes: []\n", "  subtypes:\n    - {vendor: IBM, value: 7, doc: Given up.}\n"),
    ("  link_speeds: []\n", "  link_speeds:\n    - {value: 7, doc: Given up.}\n"),
)

#: What a system's header would have to be without the record that grew.
WITHOUT = """
#include_next <linux/vfio.h>
#undef VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD
#define vfio_region_info_cap_nvlink2_lnkspd vfio_region_info_cap_nvlink2_lnkspd_new
"""

READER = r"""
#include <stdio.h>
#include "vfio_nvlink2_decode.h"

int main(int argc, char **argv)
{
	static unsigned char buf[4096];
	struct vfio_nvlink2_region region;
	FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t len = file ? fread(buf, 1, sizeof(buf), file) : 0;
	enum vfio_nvlink2_status status = vfio_nvlink2_decode(buf, len, &region);

	printf("%d %s %llx %x %x %x %llx\n", status, vfio_nvlink2_kind_name(region.kind),
	       (unsigned long long)region.tgt, region.link_speed, region.lanes, region.errors,
	       (unsigned long long)region.owner);
	return file ? fclose(file) : 1;
}
"""


@pytest.fixture(name="grown", scope="module")
def grown_fixture(tmp_path_factory):
    tree = tmp_path_factory.mktemp("grown")
    (tree / "spec.yaml").write_text(mutate(*GROWN)[0])
    assert cli.main(["generate", "--spec", str(tree / "spec.yaml"), "--out", str(tree)]) == 0
    (tree / "system/linux").mkdir(parents=True)
    (tree / "system/linux/vfio.h").write_text(WITHOUT)
    return tree


def includes(tree):
    return ("-isystem", str(tree / "system"), "-I", str(tree / "uapi"),
            "-I", str(tree / "generated/user"), "-I", str(tree / "generated/kernel"))


@pytest.mark.parametrize("standard", ["c90", "c99", "c11", "c2x"])
def test_evolution_header_in_c(grown, standard):
    text = "#include <linux/vfio_nvlink2.h>\n#include <vfio_nvlink2_decode.h>\n"
    assert compile_c(text, f"-std={standard}", "-pedantic", *includes(grown)) == ""


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_evolution_header_in_cxx(grown, standard):
    text = "#include <linux/vfio_nvlink2.h>\n#include <vfio_nvlink2_decode.h>\n"
    assert compile_c(text, f"-std={standard}", "-pedantic", *includes(grown), compiler="g++",
                     language="c++") == ""


@pytest.mark.parametrize("compiler, flags", [
    ("gcc", ()), ("powerpc64le-linux-gnu-gcc", ()),
    ("gcc", ("-m32", "-ffreestanding", "-idirafter", "/usr/include/x86_64-linux-gnu"))])
def test_evolution_layout_assertions(grown, compiler, flags):
    text = (grown / "generated/abi/vfio_nvlink2_layout.c").read_text()
    assert compile_c(text, *includes(grown), *flags, compiler=compiler) == ""


def test_evolution_marshalling_compiles(grown):
    text = (DATA / "marshal.c").read_text()
    assert compile_c(text, "-std=gnu11", "-I", str(ROOT / "codegen/tests/shim"),
                     *includes(grown)) == ""


def decode(reader, path):
    return subprocess.run([reader, path], capture_output=True, text=True, timeout=limits.seconds(60),
                          check=True).stdout.strip()


def test_evolution_new_reader_reads_old_and_new(grown, tmp_path):
    reader = tmp_path / "reader"
    assert compile_c(READER, "-fsanitize=address,undefined", *includes(grown), to=reader) == ""
    new = grown / "generated/user/golden/atsd.bin"
    old = ROOT / "generated/user/golden/atsd.bin"
    assert decode(reader, new) == "0 atsd 400000000 8 4 1234 1122334455667788"
    assert decode(reader, old) == "0 atsd 400000000 8 0 0 0"


def test_evolution_old_reader_reads_new(grown, tmp_path):
    reader = tmp_path / "reader"
    text = READER.replace("region.lanes, region.errors,", "0, 0,") \
        .replace("(unsigned long long)region.owner", "0ULL")
    assert compile_c(text, "-I", str(ROOT / "uapi"), "-I", str(ROOT / "generated/user"),
                     to=reader) == ""
    assert decode(reader, grown / "generated/user/golden/atsd.bin") == "0 atsd 400000000 8 0 0 0"


def test_evolution_interface_page_has_it(grown):
    text = (grown / "generated/docs/vfio-nvlink2.rst").read_text()
    for part in ("version 2 of the interface", "Deprecated since record version 3. Errors.",
                 "Deprecated since ABI version 2. 25 Gbit/s", "``__pad4[8]``", "subtype of IBM"):
        assert part in text


def test_evolution_header_has_it(grown):
    text = (grown / "uapi/linux/vfio_nvlink2.h").read_text()
    assert "#define VFIO_NVLINK2_ABI_VERSION\t\t\t\t2\n" in text
    assert "Deprecated since ABI version 2. */" in text
    assert "#define VFIO_REGION_SUBTYPE_IBM_NVLINK2_MORE\t\t\t2\n" in text
