# SPDX-License-Identifier: GPL-2.0-only
"""docs/ABI: the kernel's form, and every parameter, file and tracepoint once, as it is."""

import re
import shutil
import subprocess

import pytest

from docs.builder import sysfsdocs
from lab.kernels import flavours, source
from lab.paths import ROOT

ALIGN = "parameters/strict_align\n"
STRICT = "docs/ABI/testing/sysfs-module-nvlink2-vfio-pci"
SIM = "docs/ABI/testing/sysfs-module-nvlink2-sim"
DEBUGFS = "docs/ABI/testing/debugfs-nvlink2-sim"
EVENTS = "docs/ABI/stable/tracefs-events-vfio-pci"
FACE = "abi-tests/module-face.txt"
ENTRY = """
What:\t\t/sys/{}
Date:\t\tNovember 2026
KernelVersion:\t6.12
Contact:\tkvm@vger.kernel.org
Description:
\t\t(RW) Nothing.
"""


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """A copy of what is compared."""
    shutil.copytree(ROOT / "kernel", tmp_path / "kernel")
    shutil.copytree(ROOT / "docs/ABI", tmp_path / "docs/ABI")
    (tmp_path / "abi-tests").mkdir()
    shutil.copy(ROOT / FACE, tmp_path / FACE)
    return tmp_path


def edit(tree, file, old, new):
    """Changes a text that occurs once; what is there is appended to when the old one is empty."""
    path = tree / file
    text = path.read_text("utf-8")
    assert not old or text.count(old) == 1
    path.write_text(text.replace(old, new) if old else text + new, "utf-8")


def kernel_checks(folder):
    """The kernel's own checker of such files: (exit status, what it said)."""
    script = source.kept(flavours.index(), "6.12") / "scripts/get_abi.pl"
    done = subprocess.run(["perl", str(script), "--dir", str(folder), "validate"],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_all_is_described_as_it_is(tree):
    assert not sysfsdocs.differences(tree)
    face = sysfsdocs.real(tree)
    assert len(face.files) >= 21 and len(face.events) >= 3


def test_kernels_own_checker_is_content():
    assert kernel_checks(ROOT / "docs/ABI") == (0, "")


def test_kernels_own_checker_sees_a_mistake(tree):
    edit(tree, EVENTS, "", "\nWhat:\t\t/sys/x\nWat:\t\tno tag\n")
    assert kernel_checks(tree / "docs/ABI")[1]


def test_flaws_of_the_simulator_are_listed():
    text = (ROOT / "kernel/sim/sim_main.c").read_text("utf-8")
    real = set(re.findall(r'\[SIM_\w+\]\s+= "([\w-]+)"', text)) - {"none"}
    entry, = [entry for path, entries in sysfsdocs.read(ROOT / "docs/ABI") for entry in entries
              if entry.what.endswith("/flaw")]
    listed = entry.tags["Description"].partition("One of")[2]
    assert set(re.findall(r"``([\w-]+)``", listed)) == real and len(real) >= 28


@pytest.mark.parametrize("file, old, new, sentence", [
    (STRICT, "strict_align\n", "strict_alien\n", "strict_align: no entry"),
    (STRICT, "strict_align\n", "strict_alien\n", "strict_alien: an entry, and no such thing"),
    (STRICT, "(RW) Y", "(RO) Y", "strict_align: described as RO, is RW"),
    (STRICT, "", ENTRY.format("bus/pci/devices/.../tgt"), "tgt: an entry, and no such thing"),
    (SIM, "parameters/speed\n", "parameters/sped\n", "speed: no entry"),
    (DEBUGFS, "(WO)", "(RW)", "hooks: described as RW, is WO"),
    (DEBUGFS, "nvlink2-sim-pnv/calls", "nvlink2-sim-pnv/call", "calls: no entry"),
    (EVENTS, "events/vfio_pci/vfio_pci_npu2_mmap", "events/vfio_pci/vfio_pci_npu", "no entry"),
    (EVENTS, "%lx -> %lx ret=%d", "%lx -> %lx ret=%u", "vfio_pci_nvgpu_mmap_fault: described as"),
    (EVENTS, "of the page\n\t\t``unsigned long ua``", "of the page\n\t\t``unsigned int ua``",
     "vfio_pci_nvgpu_mmap_fault: described as"),
    (FACE, "event vfio_pci:vfio_pci_npu2_mmap", "event vfio_pci:new", "vfio_pci/new: no entry"),
    (FACE, "parameter strict_align: bool, mode 0644", "parameter strict_align: bool, mode 0444",
     "is RO"),
    ("kernel/gpu_ram.c", "static bool strict_align;",
     "static bool more;\nmodule_param(more, bool, 0644);\nstatic bool strict_align;",
     "has other parameters than the sources"),
    ("kernel/sim/sim_main.c", 'debugfs_create_file("hooks"',
     'debugfs_create_file("new", 0400, machine.debugfs, NULL, NULL);\n'
     'debugfs_create_file("hooks"',
     "nvlink2-sim/new: no entry"),
])
def test_one_too_many_or_too_few_is_reported(tree, file, old, new, sentence):
    edit(tree, file, old, new)
    assert [line for line in sysfsdocs.differences(tree) if sentence in line]


@pytest.mark.parametrize("file, old, new, sentence", [
    (STRICT, f"{ALIGN}Date:", f"{ALIGN}When:", "When is no tag"),
    (STRICT, f"{ALIGN}Date:\t\tNovember 2026", f"{ALIGN}Date:\t\t2026-11-23", "a month and a year"),
    (STRICT, f"{ALIGN}Date:\t\tNovember 2026\nKernelVersion:\t6.12\n",
     f"{ALIGN}Date:\t\tNovember 2026\n", "has no KernelVersion"),
    (STRICT, "\t\t(RW) Y", "(RW) Y", "neither a tag nor indented"),
    (STRICT, f"{ALIGN}Date:", f"{ALIGN}Date:\t\tMay 2026\nDate:", "a second time"),
    (STRICT, ".. SPDX-License-Identifier: GPL-2.0-only\n", "", "no licence"),
    (SIM, "", ENTRY.format("module/nvlink2_sim/parameters/gpu"), "two entries"),
    ("kernel/main.c", "static int nvlink2_probe(",
     "static DEVICE_ATTR_RO(tgt);\nstatic int nvlink2_probe(", "attribute in sysfs"),
    ("kernel/gpu_ram.c", "module_param(strict_align, bool,",
     "module_param_named(strict_align, other, bool,", "not understood"),
    ("kernel/sim/sim_main.c", 'debugfs_create_file("hooks"', 'debugfs_create_u32("hooks"',
     "not understood"),
])
def test_what_is_not_in_the_form_is_reported(tree, file, old, new, sentence):
    edit(tree, file, old, new)
    with pytest.raises(sysfsdocs.SysfsDocsError, match=sentence):
        sysfsdocs.differences(tree)
