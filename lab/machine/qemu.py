# SPDX-License-Identifier: GPL-2.0-only
"""The emulator: QEMU 10 of bookworm-backports in a private root, and its command line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.debian.privateroot import PrivateRoot, packages
from lab.kernels.flavours import COUNTED_TIME, RELEASE
from lab.machine import devicetree

PROGRAM = "/usr/bin/qemu-system-ppc64"
SLOTS = 6
FUNCTIONS = 4

# Two of the four gigabytes stay unknown to the kernel: 2-4 GiB is the simulated GPU RAM.
MEMORY = "4G"
# The clock changes nothing in the tree.
_CLOCK = COUNTED_TIME
CMDLINE = "console=hvc0 loglevel=7 mem=2G printk.devkmsg=on log_buf_len=4M"


class Root(Protocol):
    """What is asked of the private root with QEMU."""
    path: Path

    def file(self, name: str) -> Path: ...
    def command(self, program: str, *arguments: str | Path) -> list[str]: ...
    def version(self, package: str) -> str: ...


def emulator(refresh: bool = False) -> PrivateRoot:
    """The private root with QEMU."""
    root = packages(RELEASE, ["qemu-system-ppc"], backports=True, refresh=refresh)
    stamp = root.path / ".libraries-checked"
    if not stamp.exists():
        root.check_libraries(PROGRAM)
        stamp.touch()
    return root


def devices(slots: int = SLOTS) -> list[str]:
    """
    One multifunction device in the slot behind each host bridge: one IOMMU group each.

    NVMe controllers without a drive open at once; other devices cost a 5 s bus reset.
    """
    arguments = []
    for slot in range(slots):
        for function in range(FUNCTIONS):
            more = ",multifunction=on" if function == 0 else ""
            arguments += ["-device", f"nvme,serial=s{slot}f{function},bus=pcie.{slot},"
                                     f"addr=0.{function}{more}"]
    return arguments


def _machine(root: Root, extra: Sequence[str]) -> list[str]:
    return root.command(PROGRAM, "-L", root.file("/usr/share/qemu"), "-machine", "powernv9",
                        "-m", MEMORY, "-vga", "none", *extra)


def tree(root: Root, extra: Sequence[str], append: str, initrd_size: int) -> bytes:
    """The device tree of one start, as bytes."""
    machine = [word for word in extra if word not in _CLOCK]
    own = devicetree.emulators_own(_machine(root, machine), environment(root),
                                   repr((root.path.name, root.version("qemu-system-ppc"), MEMORY, machine)))
    return devicetree.for_boot(devicetree.with_large_pages(own), f"{CMDLINE} {append}".strip(),
                               initrd_size)


def command(root: Root, kernel: Path, initrd: str | Path, dtb: str | Path,
            extra: Sequence[str] = ()) -> list[str]:
    """The whole command line of one machine. The console is standard input and output."""
    return [*_machine(root, extra), "-display", "none", "-monitor", "none", "-serial", "stdio",
            "-no-reboot", "-kernel", str(kernel), "-initrd", str(initrd), "-dtb", str(dtb)]


def environment(root: Root) -> dict[str, str]:
    """QEMU's environment: it must never load the modules of another version."""
    folder = next(root.path.glob("usr/lib/*/qemu"), root.path)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LD_")}
    kept["QEMU_MODULE_DIR"] = str(folder)
    return kept
