# SPDX-License-Identifier: GPL-2.0-only
"""
The real clients, for the machine: Debian 12's QEMU 7.2 for ppc64el with the libraries it needs,
and what a KVM guest of it boots.
"""

from pathlib import Path

from lab.debian import privateroot
from lab.debian.privateroot import PrivateRoot
from lab.errors import LabError
from lab.kernels import build, flavours
from lab.machine.cpio import Archive
from lab.machine.machine import File
from lab.paths import BUILD, ROOT, write_atomic
from lab.suites.suite import Suite


PROGRAM = "/usr/bin/qemu-system-ppc64"
PACKAGE = "qemu-system-ppc"
#: NVLink2 left QEMU with 8.2; later ones are no clients.
_SERIES = "7.2"
_GUEST = "6.12-64k"
_FIRMWARE = "/usr/share/qemu/slof.bin"
_SOURCES = ROOT / "tests/clients"

#: What each suite needs beside what every machine carries.
SUITES = ("clients", "kvm")


def qemu(refresh: bool = False) -> PrivateRoot:
    """The private root with QEMU 7.2 for the machine."""
    root = privateroot.packages(flavours.RELEASE, [PACKAGE], arch=flavours.GUEST_ARCH,
                                refresh=refresh)
    version = root.version(PACKAGE)
    if f":{_SERIES}+" not in version:
        raise LabError(f"{PACKAGE} of {flavours.RELEASE} is {version}, and the client tests are for "
                       f"{_SERIES}, the last of Debian's that knows NVLink2")
    return root


def payload(flavour: str, suite: str) -> list[File]:
    """Returns the files that a machine carries for a suite: [(path in the machine, file or bytes)]."""
    if suite not in SUITES:
        return []
    root = qemu()
    files: list[File] = [(name.lstrip("/"), root.file(name)) for name in root.needed(PROGRAM)]
    files.append((_FIRMWARE.lstrip("/"), root.file(_FIRMWARE)))
    files.append(("lib/keep_region_info.so", _keep_region_info()))
    files.append(("bin/nvlink2-info", build.info_tool()))
    if suite == "kvm":
        # A kernel that the lab builds is made for the machine alone.
        guest = flavour if flavours.flavour(flavour).debian else _GUEST
        files.append(("guest/vmlinux", flavours.kernel(guest).vmlinux))
        files.append(("guest/initrd", _guest_initramfs()))
    return files


def _keep_region_info() -> Path:
    return build.program("keep_region_info.so", [_SOURCES / "keep_region_info.c"],
                         flags=["-shared", "-fPIC"], static=False)


def _guest_initramfs() -> Path:
    """The archive the KVM guest starts from: one program, and the console it talks on."""
    archive = Archive()
    archive.char_device("dev/console", 5, 1)
    program = build.program("kvmguest", [_SOURCES / "kvmguest.c"])
    archive.file("init", Path(program).read_bytes(), 0o755)
    target = BUILD / "guest/kvmguest.cpio"
    write_atomic(target, archive.data())
    return target


class ClientSuite(Suite):
    """A suite that carries QEMU 7.2, and `kvm` also what a guest of it boots."""
    shares = False

    def payload(self, flavour: str) -> list[File]:
        return payload(flavour, self.name)
