# SPDX-License-Identifier: GPL-2.0-only
"""
A kernel's files are taken out of its packages, in each of the layouts that Debian gives them; and which
kernels the lab builds itself, how and for whom.
"""

import subprocess

import pytest

from lab.errors import LabError
from lab.kernels import debugkernel, flavours
from lab.lint import lint
from lab.suites import kernelstable, suites

ELF = b"\x7fELF an image"
MODULES = {name: b"\0depends=\0" for name in flavours.STOCK_MODULES}
MODULES["vfio-pci"] = b"\0depends=vfio-pci-core\0"


def package(folder, name, files):
    """A .deb with these files (path: bytes)."""
    root = folder / name
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(f"Package: {name}\nVersion: 1\nArchitecture: all\n"
                                         "Maintainer: A Tester <t@localhost>\nDescription: none\n")
    deb = folder / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", root, deb], check=True,
                   capture_output=True)
    return deb


def modules(top):
    """The modules as a package has them below `top`."""
    return {f"{top}/kernel/drivers/vfio/{name}.ko": data for name, data in MODULES.items()
            if name != "kvm-hv"} | {f"{top}/kernel/arch/powerpc/kvm/kvm-hv.ko": MODULES["kvm-hv"]}


@pytest.fixture(name="take")
def take_fixture(tmp_path):
    def take(**packages):
        debs = [package(tmp_path, name, files) for name, files in packages.items()]
        draft = tmp_path / "draft"
        draft.mkdir()
        # A module's place in the list is its place in the order of loading.
        flavours._take_image(debs, draft)  # pylint: disable=protected-access
        return draft
    return take


def check(draft):
    assert (draft / "vmlinux").read_bytes() == ELF
    order = (draft / "order").read_text().split()
    assert sorted(order) == sorted(flavours.STOCK_MODULES)
    assert order.index("vfio-pci-core") < order.index("vfio-pci")
    assert {path.stem for path in (draft / "modules").iterdir()} == set(order)
    assert not (draft / "raw").exists()


def test_one_package_has_everything(take):
    top = "lib/modules/6.12"
    check(take(image={"boot/vmlinux-6.12": ELF, f"{top}/modules.builtin": b""} | modules(top)))


def test_each_of_several_packages_has_a_part(take):
    top = "usr/lib/modules/7.2"
    check(take(binary={f"{top}/vmlinuz": ELF}, base={f"{top}/modules.builtin": b""},
               modules=modules(top)))


@pytest.mark.parametrize("gone, named", [("boot/vmlinux-6.12", "image_1_all.deb: no kernel image"),
                                         ("lib/modules/6.12/modules.builtin", "no file modules.b"),
                                         ("lib/modules/6.12/kernel/drivers/vfio/vfio.ko",
                                          "no module vfio:")])
def test_what_is_missing_is_named(take, gone, named):
    top = "lib/modules/6.12"
    files = {"boot/vmlinux-6.12": ELF, f"{top}/modules.builtin": b""} | modules(top)
    del files[gone]
    with pytest.raises(LabError, match=named):
        take(image=files)


def test_image_that_cannot_be_started_is_refused(take):
    top = "lib/modules/6.12"
    files = {"boot/vmlinux-6.12": b"\x1f\x8b", f"{top}/modules.builtin": b""} | modules(top)
    with pytest.raises(LabError, match="no plain ELF file"):
        take(image=files)


def test_kernels_with_npu2_are_not_for_every_run():
    assert set(flavours.NPU2) == {"6.12-npu2", "7.2-npu2", "6.12-npu2-debug", "7.2-npu2-debug"}
    for name in flavours.NPU2:
        assert name in flavours.ALL and name not in flavours.BUILT_FOR
        assert not suites.of_flavour(name)
        assert not any(flavour == name for flavour, _ in kernelstable.wanted())
        assert not any(check.endswith(f"-{name}") for check in lint.CHECKS)


@pytest.mark.parametrize("name", flavours.NPU2)
def test_kernel_with_npu2_is_the_debug_kernel_of_its_series_or_plain(name):
    chosen = flavours.flavour(name)
    other = flavours.DEBUG[f"{chosen.series}-debug"]
    assert chosen.debug == name.endswith("-debug")
    assert chosen.lockdep == (chosen.debug and other.lockdep)
    assert (chosen.suite, chosen.own_tools) == (other.suite, other.own_tools)
    assert chosen.base == name
    assert not chosen.reference


def test_those_with_all_that_finds_faults():
    debug = {name for name, chosen in flavours.ALL.items() if chosen.debug}
    assert debug == {*flavours.DEBUG, *flavours.UNPATCHED, "6.12-npu2-debug", "7.2-npu2-debug"}


@pytest.mark.parametrize("name, recipe, image", [
    ("6.12-debug", debugkernel.DEBUG, "vmlinux"),
    ("6.12-debug-unpatched", debugkernel.DEBUG, debugkernel.UNPATCHED),
    ("6.12-npu2", debugkernel.NPU2, "vmlinux"),
    ("6.12-npu2-debug", debugkernel.NPU2_DEBUG, "vmlinux")])
def test_kernel_is_built_by_its_recipe(monkeypatch, tmp_path, name, recipe, image):
    def kernel(_, series, tools, refresh, how):
        assert (series, tools, refresh, how) == ("6.12", debugkernel.Tools(), False, recipe)
        return "6.12.1", tmp_path

    (tmp_path / "order").write_text("kvm\nkvm-hv\n")
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path.parent))
    monkeypatch.setattr(flavours, "index", lambda _: None)
    monkeypatch.setattr(debugkernel, "kernel", kernel)
    assert flavours.kernel(name) == flavours.Kernel(
        "6.12.1", tmp_path / image, [tmp_path / "modules/kvm.ko", tmp_path / "modules/kvm-hv.ko"],
        tmp_path / "tree")
