# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that will not do is named in one sentence, before a compiler has its say."""

import re
import subprocess

import pytest

from lab.paths import ROOT

SCRIPT = ROOT / "kernel/check-kernel.sh"
OPTIONS = ("VFIO_PCI_CORE", "PPC_POWERNV", "SPAPR_TCE_IOMMU", "OF_DYNAMIC")
GOOD = [(6, 12), (7, 2)]
BAD = {(5, 10): "too old", (5, 13): "too old", (6, 1): "too old", (6, 11): "too old",
       (6, 13): "never tried", (6, 19): "never tried", (7, 0): "never tried",
       (7, 1): "never tried", (7, 3): "newer than", (8, 0): "newer than", (10, 2): "newer than"}


def make_tree(folder, version, options=OPTIONS):
    """The files of a prepared tree that the check reads."""
    (folder / "include/config").mkdir(parents=True)
    (folder / "include/generated/uapi/linux").mkdir(parents=True)
    (folder / "include/config/auto.conf").write_text(
        "".join(f"CONFIG_{name}=m\n" for name in options))
    major, minor = version
    (folder / "include/generated/uapi/linux/version.h").write_text(
        f"#define LINUX_VERSION_CODE {major * 65536 + minor * 256 + 5}\n"
        "#define KERNEL_VERSION(a,b,c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n"
        f"#define LINUX_VERSION_MAJOR {major}\n#define LINUX_VERSION_PATCHLEVEL {minor}\n"
        "#define LINUX_VERSION_SUBLEVEL 5\n")
    return folder


def check(folder, *more):
    """(exit status, what it says)"""
    done = subprocess.run(["sh", SCRIPT, folder, *more], capture_output=True, text=True, check=False)
    assert not done.stdout
    return done.returncode, done.stderr


def compat(folder):
    """Returns the message of compat.h to the compiler for the same kernel."""
    done = subprocess.run(["gcc", "-E", "-o", "/dev/null", "-I", folder / "include/generated/uapi",
                           ROOT / "kernel/compat.h"], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("version", GOOD)
def test_supported_kernel_passes(tmp_path, version):
    folder = make_tree(tmp_path, version)
    assert check(folder, "sim") == (0, "")
    assert compat(folder) == (0, "")


@pytest.mark.parametrize("version", BAD)
def test_other_kernel_is_named_in_one_sentence(tmp_path, version):
    folder = make_tree(tmp_path, version)
    status, says = check(folder)
    assert status == 1 and says.count("\n") == 1
    assert f"Linux {version[0]}.{version[1]} " in says and BAD[version] in says and "6.12" in says
    status, says = compat(folder)
    assert status == 1 and says.count("#error") >= 1


@pytest.mark.parametrize("lost", OPTIONS)
def test_missing_option_is_named(tmp_path, lost):
    folder = make_tree(tmp_path, (6, 12), [name for name in OPTIONS if name != lost])
    status, says = check(folder, "sim")
    assert status == 1 and says.count("\n") == 1
    assert f"CONFIG_{lost};" in says and "SIM=0" in says
    # Only the simulator changes the device tree.
    assert check(folder)[0] == (0 if lost == "OF_DYNAMIC" else 1)


def test_all_missing_options_are_named_at_once(tmp_path):
    status, says = check(make_tree(tmp_path, (6, 12), ()), "sim")
    assert status == 1 and says.count("\n") == 1
    assert all(f"CONFIG_{name}" in says for name in OPTIONS)


def test_option_that_is_off_is_missing(tmp_path):
    folder = make_tree(tmp_path, (6, 12))
    config = folder / "include/config/auto.conf"
    config.write_text(config.read_text().replace("CONFIG_PPC_POWERNV=m",
                                                 "# CONFIG_PPC_POWERNV is not set"))
    assert "CONFIG_PPC_POWERNV" in check(folder)[1]


def test_unprepared_tree_is_reported(tmp_path):
    status, says = check(tmp_path)
    assert status == 1 and "is not prepared" in says and "modules_prepare" in says


def test_options_are_those_of_kconfig():
    """One list in two languages."""
    text = (ROOT / "kernel/Kconfig").read_text("ascii")
    wanted = []
    for name in ("NVLINK2_VFIO_PCI", "NVLINK2_SIM"):
        part = text.split(f"config {name}\n", 1)[1]
        # With COMPILE_TEST less will do, in a tree: to compile it, and no more.
        needed = " ".join(re.findall(r"depends on (.*)", part.partition("\nconfig ")[0]))
        wanted += re.findall(r"[A-Z0-9_]{3,}", re.sub(r"\(COMPILE_TEST [^)]*\)", "", needed))
    assert set(OPTIONS) == set(wanted) - {"NVLINK2_VFIO_PCI"}


def test_make_says_nothing_more(tmp_path):
    """No compiler runs, and no page of errors follows."""
    folder = make_tree(tmp_path, (6, 1))
    (folder / "Makefile").write_text("modules:\n\t@echo built\n")
    done = subprocess.run(["make", "-s", "-C", ROOT / "kernel", f"KDIR={folder}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode and "built" not in done.stdout
    assert "Linux 6.1 is too old" in done.stderr
    assert len(done.stderr.splitlines()) <= 3
