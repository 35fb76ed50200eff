# SPDX-License-Identifier: GPL-2.0-only
"""The driver takes the place of the one of 2018 in a tree of 5.10, and gives it back."""

import os

import pytest

from lab.paths import ROOT
from tools.intree import v5_10

from .trees import command, state

ORIGINAL = "/* of 2018 */\n"
FILES = {
    "Makefile": "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 262\nEXTRAVERSION =\n",
    v5_10.PLACE: ORIGINAL,
    "drivers/vfio/pci/Makefile": "vfio-pci-$(CONFIG_VFIO_PCI_NVLINK2) += vfio_pci_nvlink2.o\n",
    "drivers/vfio/pci/Kconfig": "config VFIO_PCI_NVLINK2\n",
    "drivers/vfio/pci/vfio_pci_private.h": "/* theirs */\n",
    "drivers/vfio/pci/trace.h": "/* theirs */\n",
    "include/uapi/linux/vfio.h": "/* theirs */\n",
}


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """As much of a tree of 5.10 as the driver meets."""
    tree = tmp_path / "linux"
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def test_replaced_and_restored_without_a_trace(tree, capsys):
    before = state(tree)
    assert command(capsys, "replace", tree)[0] == 0
    assert (tree / v5_10.PLACE).read_text() != ORIGINAL
    assert command(capsys, "restore", tree)[0] == 0
    assert state(tree) == before


def test_nothing_else_of_vfio_pci_is_edited(tree, capsys):
    command(capsys, "replace", tree)
    after = state(tree)
    assert {name for name, text in FILES.items() if after[name] != text} == {v5_10.PLACE}


def test_twice_is_once_and_keeps_the_original(tree, capsys):
    command(capsys, "replace", tree)
    once = state(tree)
    status, says = command(capsys, "replace", tree)
    assert (status, state(tree)) == (0, once) and "nothing to do" in says
    assert (tree / v5_10.ORIGINAL).read_text() == ORIGINAL
    command(capsys, "restore", tree)
    assert "nothing to do" in command(capsys, "restore", tree)[1]
    assert (tree / v5_10.PLACE).read_text() == ORIGINAL


def test_an_older_driver_is_brought_up_to_date(tree, capsys):
    command(capsys, "replace", tree)
    wanted = state(tree)
    (tree / v5_10.DRIVER / "gone.c").write_text("int gone;\n")
    (tree / v5_10.DRIVER / "atsd.c").write_text("int atsd;\n")
    (tree / v5_10.PLACE).write_text("int older;\n")
    command(capsys, "replace", tree)
    assert state(tree) == wanted


def test_files_of_the_regions_are_the_same(tree, capsys):
    """Byte for byte, but for the lines of two headers that name what is elsewhere."""
    command(capsys, "replace", tree)
    sources = [name for name in v5_10.SAME if name.endswith(".c")]
    assert {"gpu_ram.c", "gpu_ram_fault.c", "gpu_ram_rw.c", "atsd.c"} <= set(sources)
    for name in v5_10.SAME:
        assert (tree / v5_10.DRIVER / name).read_bytes() == (ROOT / "kernel" / name).read_bytes()
    for name, folder, lines in (("trace.h", "kernel", 4),
                                ("nvlink2_regions.h", "generated/kernel", 1)):
        new = (tree / v5_10.DRIVER / name).read_text().splitlines()
        old = (ROOT / folder / name).read_text().splitlines()
        assert len(new) == len(old)
        assert sum(a != b for a, b in zip(old, new)) == lines
    # All that is taken in is there.
    text = (tree / v5_10.PLACE).read_text()
    for line in text.splitlines():
        if line.startswith('#include "nvlink2/'):
            assert (tree / "drivers/vfio/pci" / line.split('"')[1]).is_file()


def test_another_tree_with_the_same_files_is_left_alone(tree, tmp_path, capsys):
    """Trees of kernels are often copied as links."""
    other = tmp_path / "other"
    for name in FILES:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(tree / name, other / name)
    before = state(other)
    command(capsys, "replace", tree)
    assert state(other) == before


@pytest.mark.parametrize("version, says", [
    ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n", "is Linux 6.12; this puts the driver into 5.10"),
    ("VERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 1\n", "is Linux 5.4;"),
])
def test_other_versions_are_refused(tree, capsys, version, says):
    (tree / "Makefile").write_text(version)
    before = state(tree)
    for verb in ("replace", "restore"):
        status, text = command(capsys, verb, tree)
        assert status == 2 and says in text
    assert state(tree) == before


def test_tree_without_the_driver_is_refused(tree, capsys):
    (tree / v5_10.PLACE).unlink()
    status, says = command(capsys, "replace", tree)
    assert status == 2 and f"has no {v5_10.PLACE}" in says


def test_header_that_has_changed_is_reported(tree, capsys, monkeypatch):
    monkeypatch.setitem(v5_10.EDITS, "trace.h", ((r"no such line", "", 1),))
    before = state(tree)
    status, says = command(capsys, "replace", tree)
    assert status == 2 and "has to follow it" in says
    assert state(tree) == before
