# SPDX-License-Identifier: GPL-2.0-only
"""
DKMS itself, with Debian's program and the lab's kernels: add, build for two kernels, install,
remove. Its trees are folders of the test, so neither root nor a kernel of this machine is needed.
"""

import os
import re
import shutil
import subprocess

import pytest

from lab import limits
from lab.kernels import build, flavours
from lab.paths import ROOT

NAME = "nvlink2-vfio-pci"
VERSION = (ROOT / "VERSION").read_text("ascii").strip()
# Two kernels, and two compilers.
FLAVOURS = ("6.12-64k", "7.2-4k")
OTHER = "/usr/sbin:/sbin"


class Dkms:
    """A DKMS of its own, with the module's source where it looks for it."""

    def __init__(self, folder):
        self.folder = folder
        self.source = folder / f"usr/src/{NAME}-{VERSION}"
        self.trees = {"--dkmstree": folder / "var", "--sourcetree": folder / "usr/src",
                      "--installtree": folder / "modules"}
        for path in self.trees.values():
            path.mkdir(parents=True)
        done = subprocess.run(["make", "-s", "-C", ROOT / "packaging", "install-dkms",
                               f"DESTDIR={folder}"], capture_output=True, text=True, check=False,
                              env=build.clean_env())
        assert done.returncode == 0, done.stderr

    def run(self, verb, flavour=None, release=None, config=None):
        """Runs a command of DKMS, for a kernel where one is named."""
        program = shutil.which("dkms", path=f"{os.environ['PATH']}:{OTHER}")
        assert program, "dkms is missing: run `sh setup.sh test`"
        words, env = [program, verb, f"{NAME}/{VERSION}"], build.clean_env()
        for option, path in self.trees.items():
            words += [option, path]
        if flavour:
            kernel = flavours.kernel(flavour)
            env = build.module_env(flavour)
            words += ["-k", release or kernel.release, "-a", "ppc64le", "--kernelsourcedir",
                      config or kernel.headers]
            if verb == "install":
                (self.trees["--installtree"] / kernel.release).mkdir(exist_ok=True)
                # It would ask this machine's depmod about modules that are not this machine's.
                words.append("--no-depmod")
        elif verb == "remove":
            words.append("--all")
        return subprocess.run(words, capture_output=True, text=True, check=False,
                              timeout=limits.seconds(300),
                              env=env | {"ARCH": "powerpc", "CROSS_COMPILE": build.CROSS,
                                         "PATH": f"{env['PATH']}:{OTHER}"})

    def modules(self):
        """Every module there is below the trees' install folder."""
        return sorted((self.folder / "modules").rglob("*.ko*"))


@pytest.fixture(name="dkms", scope="module")
def dkms_fixture(tmp_path_factory):
    """DKMS, with the module added."""
    dkms = Dkms(tmp_path_factory.mktemp("dkms"))
    done = dkms.run("add")
    assert done.returncode == 0, done.stdout + done.stderr
    return dkms


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_dkms_builds_and_installs(dkms, flavour):
    release = flavours.kernel(flavour).release
    for verb in ("build", "install"):
        done = dkms.run(verb, flavour)
        assert done.returncode == 0, done.stdout + done.stderr
    module, = [path for path in dkms.modules() if release in path.parts]
    assert module.name.startswith(f"{NAME}.ko") and module.parent.name == "dkms"
    said = subprocess.run(["modinfo", module], capture_output=True, text=True, check=True,
                          env=os.environ | {"PATH": f"{os.environ['PATH']}:{OTHER}"}).stdout
    assert re.search(rf"^vermagic: +{re.escape(release)} ", said, re.M)
    assert re.search(r"^alias: +vfio_pci:", said, re.M)


@pytest.mark.parametrize("release", ["6.1.0-44-powerpc64le", "6.11.10+bpo-powerpc64le",
                                     "6.13.2-powerpc64le", "7.20.1-powerpc64le", "16.12.1-x"])
def test_dkms_passes_other_kernels_over(dkms, release):
    """Not a failed build: a kernel that is not for this module."""
    done = dkms.run("build", FLAVOURS[0], release=release)
    assert done.returncode != 0
    assert "BUILD_EXCLUSIVE directive which does not match this kernel/arch/config" in \
        done.stdout + done.stderr
    assert not list((dkms.folder / f"var/{NAME}/{VERSION}").glob(f"{release}/*/log"))


@pytest.mark.parametrize("option", ["VFIO_PCI_CORE", "PPC_POWERNV", "SPAPR_TCE_IOMMU"])
def test_dkms_passes_kernels_without_an_option_over(dkms, tmp_path, option):
    config = (flavours.kernel(FLAVOURS[0]).headers / ".config").read_text("utf-8")
    assert f"\nCONFIG_{option}=" in config
    (tmp_path / ".config").write_text(re.sub(rf"\nCONFIG_{option}=.*", "", config), "utf-8")
    done = dkms.run("build", FLAVOURS[0], release="6.12.1-other", config=tmp_path)
    assert done.returncode != 0 and "BUILD_EXCLUSIVE" in done.stdout + done.stderr


def test_dkms_conf_asks_for_what_the_build_asks_for():
    """check-kernel.sh says the same with its own words; what is for the simulator apart."""
    asked = set(re.findall(r"^want (\w+)$", (ROOT / "kernel/check-kernel.sh").read_text(), re.M))
    conf = (ROOT / "packaging/dkms.conf").read_text()
    named = re.search(r'^BUILD_EXCLUSIVE_CONFIG="(.*)"$', conf, re.M)[1].split()
    assert asked == {name.removeprefix("CONFIG_") for name in named}


def test_dkms_source_is_what_a_build_needs(dkms):
    """Nothing that was built here, none of the kernel's patches, and the version in one place."""
    names = {path.relative_to(dkms.source).as_posix() for path in dkms.source.rglob("*")}
    assert {"dkms.conf", "kernel/main.c", "generated/kernel/nvlink2_regions.h",
            "uapi/linux/vfio_nvlink2.h", "LICENSES/GPL-2.0-only.txt"} <= names
    assert not [name for name in names if name.endswith((".o", ".ko", ".cmd", ".patch"))]
    # What is for a kernel's own tree.
    assert not [name for name in names if name.startswith("kernel/powernv")]
    conf = (dkms.source / "dkms.conf").read_text()
    assert f'PACKAGE_VERSION="{VERSION}"' in conf and "#MODULE_VERSION#" not in conf


def test_dkms_remove_leaves_nothing(tmp_path):
    dkms = Dkms(tmp_path)
    for verb, flavour in (("add", None), ("build", FLAVOURS[0]), ("install", FLAVOURS[0])):
        done = dkms.run(verb, flavour)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(dkms.modules()) == 1
    done = dkms.run("remove")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not dkms.modules() and not (tmp_path / "var" / NAME / VERSION).exists()
