# SPDX-License-Identifier: GPL-2.0-only
"""
QEMU 7.2's own source imports our header in place of the definitions the kernel's header had, and
what it then reads in the golden blobs is what the spec says is in them.
"""

import errno
import re
import subprocess

import pytest

from lab import limits

from . import golden, qemu_source
from .qemu_source import FILES, HEADER, HOSTS

NAMES = ("VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM", "VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD",
         "VFIO_REGION_INFO_CAP_NVLINK2_SSATGT", "VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD",
         "struct vfio_region_info_cap_nvlink2_ssatgt", "struct vfio_region_info_cap_nvlink2_lnkspd")


@pytest.fixture(name="harness", scope="module")
def harness_fixture(tmp_path_factory):
    """QEMU's functions, compiled with our header."""
    return qemu_source.program(tmp_path_factory.mktemp("qemu"), HEADER)


def run(harness, role, file):
    """(exit status, lines)"""
    done = subprocess.run([harness, role, file], capture_output=True, text=True, check=False,
                          timeout=limits.seconds(60))
    assert done.returncode in (0, 1) and not done.stderr, done.stderr or done.returncode
    return done.returncode, done.stdout.splitlines()


def understood(blob):
    """Returns the output that QEMU owes for a blob: its own traces, its properties, its memory."""
    tgt = blob.values["tgt"]
    if blob.region == "gpu_ram":
        return [f"memory nvlink2-mr size={blob.size:#x}", f"property nvlink2-tgt={tgt:#x}",
                f"vfio_pci_nvidia_gpu_setup_quirk device tgt={tgt:#x} size={blob.size:#x}"]
    speed = blob.values["link_speed"]
    # Of a region of size 0 nothing is mapped.
    memory = [f"memory nvlink2-atsd-mr size={blob.size:#x}"] if blob.size else []
    return [*memory, f"property nvlink2-tgt={tgt:#x}",
            f"vfio_pci_nvlink2_setup_quirk_ssatgt device tgt={tgt:#x} size=0x{blob.size:x}",
            f"property nvlink2-link-speed={speed:#x}",
            f"vfio_pci_nvlink2_setup_quirk_lnkspd device link_speed={speed:#x}"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("compiler", HOSTS)
def test_qemu_compiles_with_our_header(compiler, file, tmp_path):
    assert qemu_source.compile_file(compiler, qemu_source.source() / file, tmp_path / "o",
                                    HEADER) == ""


@pytest.mark.parametrize("compiler", HOSTS)
def test_qemu_does_not_compile_without_it(compiler, tmp_path):
    """So it is our header that the other test compiles with, and nobody else's."""
    file = qemu_source.source() / FILES[0]
    complaint = qemu_source.compile_file(compiler, file, tmp_path / "o", None)
    assert " error: " in complaint
    missing = set(re.findall(r"‘((?:struct )?\w+)’ undeclared|invalid use of undefined type "
                             r"‘(struct \w+)’", complaint))
    assert {one or other for one, other in missing} >= set(NAMES)


def test_qemu_uses_what_the_header_has_for_it():
    """Each definition that both headers have, so that none goes untried."""
    text = (qemu_source.source() / FILES[0]).read_text("utf-8")
    for name in NAMES:
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.parametrize("name", golden.BLOBS)
def test_qemu_decodes_the_golden_blob(harness, name):
    status, lines = run(harness, golden.role(name), golden.FOLDER / name)
    assert (status, lines) == (0, understood(golden.BLOBS[name]))


@pytest.mark.parametrize("name, capability", [
    (name, capability) for name, blob in golden.BLOBS.items()
    for capability in golden.SPEC.region(blob.region).capabilities])
def test_qemu_refuses_a_chain_that_lacks_a_record(harness, name, capability, tmp_path):
    """QEMU has no use for a region without one of them: each matters to it."""
    file = golden.without(name, capability, tmp_path)
    assert run(harness, golden.role(name), file) == (1, [f"error -{errno.ENODEV}"])


@pytest.mark.parametrize("name", golden.BLOBS)
def test_qemu_takes_no_region_for_the_other(harness, name):
    other = {"gpu": "bridge", "bridge": "gpu"}[golden.role(name)]
    assert run(harness, other, golden.FOLDER / name) == (1, [f"error -{errno.ENODEV}"])


@pytest.mark.parametrize("old, new", [
    (r"(#define VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD\t+)5", r"\g<1>6"),
    (r"(#define VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD\t+)1", r"\g<1>2"),
    (r"(\t__u32 link_speed;.*\n)(\t__u32 __pad;.*\n)", r"\2\1"),
    (r"(\t__aligned_u64 tgt;|\t__u64 tgt;)", r"\t__u64 __before;\n\1"),
])
def test_qemu_reads_something_else_with_a_wrong_header(old, new, tmp_path):
    """The decoding test finds a header that went wrong."""
    header = tmp_path / "linux/vfio_nvlink2.h"
    header.parent.mkdir()
    text, count = re.subn(old, new, HEADER.read_text("utf-8"))
    assert count >= 1
    header.write_text(text, "utf-8")
    name = "atsd.bin"
    lines = run(qemu_source.program(tmp_path, header), "bridge", golden.FOLDER / name)[1]
    assert lines != understood(golden.BLOBS[name])
