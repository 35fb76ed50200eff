# SPDX-License-Identifier: GPL-2.0-only
"""The committed face fits the modules built for each kernel, and no change of it goes unseen."""

import subprocess
import sys

import pytest

from abigate import face
from lab import limits
from lab.kernels import build, flavours
from lab.paths import BUILD, ROOT, locked

COMMAND = ROOT / "abi-tests/face"
COMMITTED = (ROOT / "abi-tests/module-face.txt").read_text("utf-8")

# What is done to the sources, (file, text, replacement), and what has to be found.
CHANGES = [
    ("generated/kernel/nvlink2_contract.h", "\tX(0x10de, 0x1db8) \\\n", ""),
    ("kernel/gpu_ram.c", "strict_align, bool, 0644", "strict_align, bool, 0444"),
    ("kernel/platform.c", "EXPORT_SYMBOL_GPL(nvlink2_platform_register)",
     "EXPORT_SYMBOL(nvlink2_platform_register)"),
    ("kernel/platform.h", "\tconst char *name;\n", "\tconst char *name;\n\tunsigned long flags;\n"),
    ("kernel/trace.h",
     "long, hpa)\n\t\t__field(unsigned long, ua)\n\t\t__field(unsigned long, size)\n\t\t__field(int",
     "long, ua)\n\t\t__field(unsigned long, hpa)\n\t\t__field(unsigned long, size)\n\t\t__field(int"),
    ("kernel/trace.h", "ua)\n\t\t__field(int, ret)", "ua)\n\t\t__field(unsigned int, ret)"),
    ("kernel/sim/sim_pnv.c", "EXPORT_SYMBOL_GPL(pnv_npu2_unmap_lpar_dev);", ""),
    ("kernel/sim/sim_pnv.c", "module_param(map_returns,",
     "module_param_named(result, map_returns,"),
    ("kernel/sim/sim_pnv.c", "PARM_DESC(map_returns,", "PARM_DESC(result,"),
]
DRIVER, PNV = "nvlink2-vfio-pci: ", "nvlink2-sim-pnv: "
FOUND = {
    ("FACE_ALIAS_REMOVED", f"{DRIVER}vfio_pci:v000010DEd00001DB8sv*sd*bc*sc*i*"),
    ("FACE_PARAM_CHANGED", f"{DRIVER}strict_align"),
    ("FACE_EXPORT_CHANGED", f"{DRIVER}nvlink2_platform_register"),
    ("FACE_TYPE_CHANGED", f"{DRIVER}struct nvlink2_platform_ops"),
    ("FACE_TRACE_FIELD_MOVED", f"{DRIVER}vfio_pci:vfio_pci_npu2_mmap.hpa"),
    ("FACE_TRACE_FIELD_MOVED", f"{DRIVER}vfio_pci:vfio_pci_npu2_mmap.ua"),
    ("FACE_TRACE_FIELD_MOVED", f"{DRIVER}vfio_pci:vfio_pci_nvgpu_mmap.hpa"),
    ("FACE_TRACE_FIELD_MOVED", f"{DRIVER}vfio_pci:vfio_pci_nvgpu_mmap.ua"),
    ("FACE_TRACE_FIELD_CHANGED", f"{DRIVER}vfio_pci:vfio_pci_nvgpu_mmap_fault.ret"),
    ("FACE_EXPORT_REMOVED", f"{PNV}pnv_npu2_unmap_lpar_dev"),
    ("FACE_PARAM_REMOVED", f"{PNV}map_returns"),
    ("FACE_ADDED", f"{PNV}result"),
}


def run(*arguments):
    return subprocess.run([sys.executable, "-B", COMMAND, *arguments], capture_output=True,
                          text=True, timeout=limits.seconds(300), check=False)


@pytest.mark.parametrize("flavour", flavours.BUILT_FOR)
def test_committed_face_fits_the_modules(flavour):
    text = face.HEADER + face.read(build.unstripped(flavour))
    assert face.compare(COMMITTED, text) == []
    # Debian's builds have the debug information the prototypes come from.
    assert text == COMMITTED or flavour not in flavours.FLAVOURS and face.NO_DEBUG in text


def test_stripped_modules_show_all_but_prototypes():
    """An installed module is stripped; the ABI gate can look at that too."""
    done = run("--module", *build.modules("6.12-64k").values())
    assert (done.returncode, done.stderr) == (0, "")
    assert "prototypes not looked at" in done.stdout


def test_committed_face_shows_prototypes():
    assert face.NO_DEBUG not in COMMITTED
    assert "int (*bind)(struct pci_dev *, u64, u64)" in COMMITTED


def test_changes_of_the_sources_are_found():
    tree = BUILD / "face-changed"
    with locked(tree):
        build.synchronize_all(tree)
        for path, text, replacement in CHANGES:
            source = (tree / path).read_text("utf-8")
            assert source.count(text) == 1, f"{path} has no {text!r} any more: adapt CHANGES"
            (tree / path).write_text(source.replace(text, replacement), "utf-8")
        build.modules_in("6.12-64k", tree, "the changed module")
        changed = [tree / path.relative_to(BUILD / "kernel-6.12-64k")
                   for path in build.unstripped("6.12-64k")]
        findings = face.compare(COMMITTED, face.read(changed))
        assert {finding[:2] for finding in findings} == FOUND
        done = run("--module", *changed)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [": ".join(finding) for finding in findings]
    assert f"{len(findings)} differences" in done.stderr and "make abi-face" in done.stderr


def test_command_without_what_it_needs(tmp_path):
    done = run("--module", tmp_path / "nowhere.ko")
    assert done.returncode == 2 and "nowhere.ko: No such file" in done.stderr
    (tmp_path / "text.ko").write_text("no module", "ascii")
    done = run("--module", tmp_path / "text.ko")
    assert done.returncode == 2 and "is not an ELF file; `make abi-face` builds" in done.stderr


def test_command_does_not_write_a_face_without_prototypes():
    done = run("--update", "--module", *build.modules("6.12-64k").values())
    assert done.returncode == 2 and "without debug information" in done.stderr
    assert (ROOT / "abi-tests/module-face.txt").read_text("utf-8") == COMMITTED
