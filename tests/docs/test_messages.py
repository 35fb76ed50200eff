# SPDX-License-Identifier: GPL-2.0-only
"""The troubleshooting page has every message of the driver and its build, and no other."""

import re
import shutil

import pytest

from lab.paths import ROOT

from . import messages


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """A copy of what is compared."""
    for part in ("kernel", "generated"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / messages.PAGE, tmp_path / messages.PAGE)
    return tmp_path


def edit(tree, file, old, new):
    """Changes a text that occurs once."""
    path = tree / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def test_every_message_has_its_entry(tree):
    assert not messages.differences(tree)


def test_nothing_is_read_over():
    """
    Counted in another way: a literal that ends with a new line is printed by something, or is what
    a file in sysfs has in it.
    """
    lines = [line for path in sorted((ROOT / "kernel").glob("*.[ch]"))
             if not path.name.endswith("_kunit.c")
             for line in re.findall(r'"[^"]*\\n"', re.sub(r"sysfs_emit\([^;]*;", "",
                                                           path.read_text("utf-8")))]
    whole = [text for text, _ in messages.of_driver(ROOT)
             if not text.startswith("device tree: <>: <>: ") or "link <>" in text]
    # One more is nvlink2_bad()'s own, which stands for all flaws.
    assert len(lines) == len(whole) + 1 > 10


LPAR, TOPOLOGY, CHECK = "kernel/lpar.c", "kernel/topology.c", "kernel/check-kernel.sh"
OPEN = "static u64 nvlink2_kvm_lpid(struct kvm *kvm)\n{\n\treturn kvm->arch.lpid;"


@pytest.mark.parametrize("file, old, new, sentence", [
    (LPAR, OPEN, OPEN.replace("{\n", '{\n\tpr_info("a new one\\n");\n'),
     "'a new one' has no entry"),
    (LPAR, OPEN, OPEN.replace("{\n", '{\n\tpci_dbg(pdev, "in "\n\t\t"two %llx\\n", kvm);\n'),
     "'in two <>' has no entry"),
    (LPAR, OPEN, OPEN.replace("{\n", '{\n\tWARN_ONCE(!kvm, "odd: %pOF\\n", kvm);\n'),
     "'odd: <>' has no entry"),
    (LPAR, "the VM is not run by kvm_hv, it has", "the VM is not run by kvm_hv, and has",
     "nothing prints 'the VM is not run by kvm_hv, it has no partition'"),
    (LPAR, "the VM is not run by kvm_hv, it has", "the VM is not run by kvm_hv, and has",
     "'the VM is not run by kvm_hv, and has no partition' has no entry"),
    (TOPOLOGY, '"leads to no node"', '"leads astray"',
     "'device tree: <>: <>: leads astray' has no entry"),
    ("kernel/range.h", '"size is zero"', '"size is nought"', "size is nought' has no entry"),
    ("kernel/compat.h", "does not know Linux 7.3", "does not know Linux 7.4", "7.4 and later yet"),
    ("kernel/Makefile", "No kernel build tree", "No build tree",
     "'No build tree at KDIR=<>. Install"),
    (CHECK, "names no version of a kernel", "is a mystery", "'<> is a mystery' has no entry"),
    (messages.PAGE, "<file> names no version", "<file> names some version", "has no entry"),
    (messages.PAGE, "or build with SIM=0>\n", "or build with SIM=0>\nNobody says this\n",
     "nothing prints 'Nobody says this'"),
    (messages.PAGE, "device tree: <node>: <property>: leads to no node\n",
     "device tree: <node>: <property>: leads to no node\n" * 2, "two entries"),
    (messages.PAGE, "**Cure:** a stock kernel;", "A stock kernel;", "its entry has no Cure"),
    (messages.PAGE, "**Cause:** firmware that writes another", "Firmware that writes another",
     "its entry has no Cause"),
])
def test_one_too_many_or_too_few_is_reported(tree, file, old, new, sentence):
    edit(tree, file, old, new)
    found = messages.differences(tree)
    assert [line for line in found if sentence in line], found


@pytest.mark.parametrize("file, old, new, sentence", [
    (LPAR, OPEN, OPEN.replace("{\n", "{\n\tpr_info(format);\n"), "is no literal"),
    (TOPOLOGY, '"leads to no node"', "why", "neither words nor"),
    (CHECK, "no \"$version names no version of a kernel\"", "no $sentence", "not understood"),
])
def test_what_cannot_be_read_is_reported(tree, file, old, new, sentence):
    edit(tree, file, old, new)
    with pytest.raises(messages.SourceError, match=sentence):
        messages.of_sources(tree)
