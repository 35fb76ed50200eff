# SPDX-License-Identifier: GPL-2.0-only
"""How the real clients get into the machine: whole, of the right version, or with a sentence."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.debian import privateroot
from lab.errors import LabError
from lab.kernels import flavours
from lab.suites import clients, suites

CROSS = "powerpc64le-linux-gnu-gcc"
LOADER = "/lib64/ld64.so.2"


@pytest.fixture(name="root")
def root_fixture(tmp_path):
    """A root with a program that needs one library, which needs another."""
    libraries = tmp_path / "usr/lib/powerpc64le-linux-gnu"
    libraries.mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "lib64").mkdir()
    assert shutil.which(CROSS), f"{CROSS} is missing: run `sh setup.sh test`"

    def link(target, text, *flags):
        subprocess.run([CROSS, "-nostdlib", "-fPIC", "-x", "c", "-", "-o", target, *flags],
                       input=text, text=True, check=True)

    link(libraries / "libb.so", "int b;", "-shared")
    link(libraries / "liba.so", "extern int b; int *a = &b;", "-shared", "-L", libraries,
         "-Wl,--no-as-needed", "-x", "none", "-lb")
    link(libraries / "ld.so", "int c;", "-shared")
    (tmp_path / "lib64/ld64.so.2").symlink_to("../usr/lib/powerpc64le-linux-gnu/ld.so")
    link(tmp_path / "usr/bin/program", "int _start;", f"-Wl,-dynamic-linker,{LOADER}", "-L",
         libraries, "-Wl,--no-as-needed", "-x", "none", "-la", f"-Wl,-rpath-link,{libraries}")
    return privateroot.PrivateRoot(tmp_path)


def test_needed_finds_all(root):
    """The program, its loader, its library, and the library of that."""
    folder = "/usr/lib/powerpc64le-linux-gnu"
    assert sorted(root.needed("/usr/bin/program")) == sorted(
        ["/usr/bin/program", LOADER, f"{folder}/liba.so", f"{folder}/libb.so"])


def test_needed_names_what_is_missing(root):
    (root.path / "usr/lib/powerpc64le-linux-gnu/libb.so").unlink()
    with pytest.raises(LabError, match="has no libb.so"):
        root.needed("/usr/bin/program")


def test_version_of_a_package(root):
    (root.path / ".packages").write_text("qemu-system-ppc_1%3a7.2+dfsg-7_ppc64el.deb\n"
                                         "libc6_2.36-9_ppc64el.deb\n")
    assert root.version("qemu-system-ppc") == "1:7.2+dfsg-7"
    with pytest.raises(LabError, match="has 0 packages qemu"):
        root.version("qemu")


def test_another_qemu_is_refused(root, monkeypatch):
    """A suite that moved on to a QEMU without NVLink2 is reported as that."""
    (root.path / ".packages").write_text("qemu-system-ppc_1%3a10.0.2+ds-2_ppc64el.deb\n")
    monkeypatch.setattr(privateroot, "packages", lambda *_, **__: root)
    with pytest.raises(LabError, match=r"is 1:10\.0\.2\+ds-2, and the client tests are for 7\.2"):
        clients.qemu()


def test_only_the_suites_of_clients_carry_them():
    assert clients.payload("6.12-64k", "basic") == []
    assert set(clients.SUITES) <= set(suites.of_flavour("6.12-64k"))
    for name in flavours.DEBUG:
        assert not set(clients.SUITES) & set(suites.of_flavour(name))


@pytest.fixture(name="carried")
def carried_fixture(monkeypatch, tmp_path):
    """The files that a machine carries for a suite, of which nothing is fetched or built."""
    class Root:
        """Stands for the client's packages."""

        def needed(self, program):
            return [program]

        def file(self, name):
            return tmp_path / name.lstrip("/")

    def built(name, *_, **__):
        (tmp_path / name).write_bytes(b"built")
        return tmp_path / name

    monkeypatch.setattr(clients, "qemu", Root)
    monkeypatch.setattr(clients, "BUILD", tmp_path / "build")
    monkeypatch.setattr(clients.build, "program", built)
    monkeypatch.setattr(clients.build, "info_tool", lambda: built("nvlink2-info"))
    monkeypatch.setattr(flavours, "kernel", lambda name: flavours.Kernel(
        name, Path("/kernels", name), [], Path("/headers")))
    return lambda flavour, suite: dict(clients.payload(flavour, suite))


@pytest.mark.parametrize("name", flavours.ALL)
def test_kvm_guest_has_a_stock_kernel(carried, name):
    """The machine's own if that is one; one that the lab builds itself is no guest."""
    stock = name in {**flavours.FLAVOURS, **flavours.HASH}
    files = carried(name, "kvm")
    assert files["guest/vmlinux"] == Path("/kernels", name if stock else "6.12-64k")
    assert files["guest/initrd"].read_bytes()


def test_kernels_that_the_lab_builds_are_among_them():
    assert {"5.10", "6.12-npu2", "7.2-npu2"} <= set(flavours.ALL)
    assert not {"5.10", "6.12-npu2", "7.2-npu2"} & {*flavours.FLAVOURS, *flavours.HASH}


def test_only_the_suite_of_the_guest_carries_one(carried):
    assert [name for name in carried("6.12-64k", "clients") if name.startswith("guest/")] == []
