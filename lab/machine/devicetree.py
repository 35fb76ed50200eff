# SPDX-License-Identifier: GPL-2.0-only
"""
The device tree the machine starts with: the emulator's own, and what that leaves out.

QEMU names to Linux no page larger than 64 KiB, though its processor walks all of them. Without
2 MiB pages the kernel offers no fault to ->huge_fault() and maps nothing by a leaf, so that what
a POWER9 does at every touch would never run here.
"""

import hashlib
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lab import limits
from lab.errors import LabError
from lab.paths import BUILD, locked, write_atomic

# Where QEMU's powernv machines put the tree and the initramfs (hw/ppc/pnv.c).
_TREE_AT, _TREE_ROOM = 0x01000000, 0x100000
INITRD_AT = 0x28000000
# What skiboot passes on from Hostboot on a POWER9: page size (shift) in the low bits, its encoding
# in the high ones, for 4 KiB, 64 KiB, 2 MiB and 1 GiB (hdata/cpu-common.c).
_AP_ENCODINGS = (0x0000000c, 0xa0000010, 0x20000015, 0x4000001e)
_MAGIC = 0xd00dfeed


class Property(Protocol):
    """What is used here of a property of libfdt's, which has no types."""
    def as_uint32(self) -> int: ...
    def as_str(self) -> str: ...


class FlatTree(Protocol):
    """What is used here of its tree. A number is the place of a node; `quiet` are errors to return."""
    def resize(self, size: int) -> object: ...
    def pack(self) -> object: ...
    def as_bytearray(self) -> bytearray: ...
    def path_offset(self, path: str, quiet: Sequence[int] = ()) -> int: ...
    def first_subnode(self, node: int, quiet: Sequence[int] = ()) -> int: ...
    def next_subnode(self, node: int, quiet: Sequence[int] = ()) -> int: ...
    def add_subnode(self, node: int, name: str) -> int: ...
    def get_name(self, node: int) -> str: ...
    def get_phandle(self, node: int) -> int: ...
    def getprop(self, node: int, name: str) -> Property: ...
    def setprop(self, node: int, name: str, value: bytes) -> object: ...
    def setprop_str(self, node: int, name: str, value: str) -> object: ...
    def setprop_u32(self, node: int, name: str, value: int) -> object: ...
    def setprop_u64(self, node: int, name: str, value: int) -> object: ...


class FdtLibrary(Protocol):
    """And of the library."""
    NOTFOUND: int
    Fdt: Callable[[bytes], FlatTree]


def fdt_library() -> FdtLibrary:
    try:
        import libfdt  # pylint: disable=import-outside-toplevel,import-error  # only a start needs it
    except ImportError:
        raise LabError("python3-libfdt is missing: run `sh setup.sh demo`") from None
    library: FdtLibrary = libfdt
    return library


def emulators_own(command: Sequence[str], environment: Mapping[str, str], key: str) -> bytes:
    """
    The tree that the emulator makes for a machine, as bytes: `command` starts it without kernel.
    `key` is what it depends on; the tree is kept under it.
    """
    folder = BUILD / "devicetree"
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.dtb"
    with locked(folder):
        if not kept.exists():
            write_atomic(kept, _dump(command, environment, folder / "memory"))
    return kept.read_bytes()


def _dump(command: Sequence[str], environment: Mapping[str, str], memory: Path) -> bytes:
    """Reads the tree out of the memory of a machine that has not run yet."""
    memory.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, "-S", "-display", "none", "-serial", "none", "-monitor", "stdio"],
        env=environment, capture_output=True, text=True, timeout=limits.seconds(60), check=False,
        input=f'pmemsave {_TREE_AT:#x} {_TREE_ROOM:#x} "{memory}"\nquit\n')
    data = memory.read_bytes() if memory.exists() else b""
    magic, size = struct.unpack_from(">II", data.ljust(8, b"\0"))
    if magic != _MAGIC or not 8 < size <= len(data):
        raise LabError(f"the emulator has no device tree at {_TREE_AT:#x}: lab/machine/devicetree.py "
                       f"has to follow it\n{(done.stdout + done.stderr).strip()}")
    memory.unlink()
    return data[:size]


def with_large_pages(tree: bytes) -> bytes:
    """The tree with the page sizes of a POWER9 in each processor's node."""
    fdt = fdt_library().Fdt(tree)
    fdt.resize(len(tree) + 0x10000)
    cpus = fdt.path_offset("/cpus")
    encodings = struct.pack(f">{len(_AP_ENCODINGS)}I", *_AP_ENCODINGS)
    names = [fdt.get_name(node) for node in children(fdt, cpus)]
    if not names:
        raise LabError("the emulator's device tree has no processor")
    for name in names:
        fdt.setprop(fdt.path_offset(f"/cpus/{name}"), "ibm,processor-radix-AP-encodings", encodings)
    fdt.pack()
    return bytes(fdt.as_bytearray())


def children(fdt: FlatTree, node: int) -> Iterator[int]:
    child = fdt.first_subnode(node, [fdt_library().NOTFOUND])
    while child >= 0:
        yield child
        child = fdt.next_subnode(child, [fdt_library().NOTFOUND])


def for_boot(tree: bytes, bootargs: str, initrd_size: int) -> bytes:
    """The tree with what the emulator writes into /chosen only of a tree it made itself."""
    fdt = fdt_library().Fdt(tree)
    fdt.resize(len(tree) + len(bootargs) + 0x1000)
    chosen = fdt.path_offset("/chosen")
    fdt.setprop_str(chosen, "bootargs", bootargs)
    fdt.setprop_u64(chosen, "linux,initrd-start", INITRD_AT)
    fdt.setprop_u64(chosen, "linux,initrd-end", INITRD_AT + initrd_size)
    fdt.pack()
    return bytes(fdt.as_bytearray())
