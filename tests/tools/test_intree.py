# SPDX-License-Identifier: GPL-2.0-only
"""The driver goes into a kernel's tree and out of it again, and leaves nothing."""

import re

import pytest

from lab.paths import ROOT
from tools.intree import tree as in_tree

from .trees import command, state

FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 95\nEXTRAVERSION =\n",
    "drivers/vfio/pci/Kconfig": 'menu "VFIO"\n\nsource "drivers/vfio/pci/qat/Kconfig"\n\nendmenu\n',
    "drivers/vfio/pci/Makefile": "obj-$(CONFIG_QAT_VFIO_PCI) += qat/\n",
    "Documentation/driver-api/index.rst":
        "   vfio-mediated-device\n   vfio\n   vfio-pci-device-specific-driver-acceptance\n",
    "MAINTAINERS": "VFIO NVIDIA GRACE GPU DRIVER\nS:\tSupported\n\n"
                   "VFIO PCI DEVICE SPECIFIC DRIVERS\nS:\tMaintained\n",
    "include/uapi/linux/vfio.h": "/* theirs */\n",
    "Documentation/ABI/stable/theirs": "What: theirs\n",
    "Documentation/ABI/testing/theirs": "What: theirs\n",
}


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """As much of a kernel's tree as the driver meets."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_in_tree_is_undone_without_a_trace(tree, capsys):
    before = state(tree)
    assert command(capsys, "add", tree)[0] == 0
    assert state(tree) != before
    assert command(capsys, "remove", tree)[0] == 0
    assert state(tree) == before


def test_in_tree_twice_is_once(tree, capsys):
    command(capsys, "add", tree)
    once = state(tree)
    status, says = command(capsys, "add", tree)
    assert (status, state(tree)) == (0, once) and "nothing to do" in says
    command(capsys, "remove", tree)
    assert "nothing to do" in command(capsys, "remove", tree)[1]


def test_in_tree_brings_an_older_driver_up_to_date(tree, capsys):
    """A file that is no longer part of the driver goes, and one that changed is replaced."""
    command(capsys, "add", tree)
    wanted = state(tree)
    (tree / in_tree.DRIVER / "gone.c").write_text("int gone;\n")
    (tree / in_tree.DRIVER / "sim/old/older.c").parent.mkdir()
    (tree / in_tree.DRIVER / "sim/old/older.c").write_text("int older;\n")
    (tree / in_tree.DRIVER / "main.c").write_text("int main;\n")
    command(capsys, "add", tree)
    assert state(tree) == wanted


def test_in_tree_has_each_insertion_once_and_in_its_place(tree, capsys):
    command(capsys, "add", tree)
    command(capsys, "add", tree)
    after = state(tree)
    for insertion in in_tree.INSERTIONS:
        assert after[insertion.file].count(insertion.text.strip()) == 1, insertion.file
    headings = [line for line in after["MAINTAINERS"].splitlines() if line.isupper()]
    assert headings == sorted(headings) and "VFIO NVLINK2 PCI DRIVER" in headings
    kconfig = after["drivers/vfio/pci/Kconfig"]
    assert kconfig.index("nvlink2/Kconfig") < kconfig.index("endmenu")


def test_in_tree_names_each_file_it_brings(tree, capsys):
    """MAINTAINERS covers all, and each object of the Makefile has its source."""
    command(capsys, "add", tree)
    new = set(state(tree)) - set(FILES)
    files = {name for name in new if (tree / name).is_file()}
    covered = tuple(re.findall(r"^F:\t(\S+)$", (tree / "MAINTAINERS").read_text(), re.M))
    assert files and all(name.startswith(covered) for name in files)
    assert all((tree / name).exists() for name in covered)
    assert sum(name.startswith(in_tree.ABI) for name in files) == len(
        list((ROOT / "docs/ABI").glob("*/*")))
    for folder in (in_tree.DRIVER, f"{in_tree.DRIVER}/sim"):
        words = (tree / folder / "Makefile").read_text().replace("\\\n", " ").split()
        sources = {f"{folder}/{word[:-2]}.c" for word in words if word.endswith(".o")}
        composed = {f"{folder}/nvlink2-{name}.c" for name in ("vfio-pci", "sim", "sim-pnv")}
        assert sources - composed <= files
        assert {name for name in files if name.startswith(folder) and name.endswith(".c")
                and "/" not in name[len(folder) + 1:]} == sources - composed


@pytest.mark.parametrize("version", ["5.10", "6.1", "6.13", "7.1", "7.3"])
def test_in_tree_refuses_other_versions(tree, capsys, version):
    major, minor = version.split(".")
    (tree / "Makefile").write_text(f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 0\n")
    before = state(tree)
    status, says = command(capsys, "add", tree)
    assert status == 2 and f"is Linux {version}; this puts the driver into 6.12 and 7.2" in says
    assert state(tree) == before


def test_in_tree_refuses_what_is_no_tree(tmp_path, tree, capsys):
    (tmp_path / "empty").mkdir()
    assert "has no Makefile" in command(capsys, "add", tmp_path / "empty")[1]
    (tmp_path / "empty/Makefile").write_text("all:\n")
    status, says = command(capsys, "add", tmp_path / "empty")
    assert status == 2 and "names no version" in says
    (tree / "MAINTAINERS").unlink()
    before = state(tree)
    status, says = command(capsys, "add", tree)
    assert status == 2 and "has no MAINTAINERS" in says and state(tree) == before
    (tree / "MAINTAINERS").write_text("nothing that is known\n")
    status, says = command(capsys, "add", tree)
    assert status == 2 and "MAINTAINERS has 0 lines" in says
