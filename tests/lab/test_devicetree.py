# SPDX-License-Identifier: GPL-2.0-only
"""The device tree that the machine starts with. No emulator is started."""

import struct
import sys

import libfdt
import pytest

from lab.errors import LabError
from lab.machine import devicetree


def tree(cpus=1):
    """A tree with what the lab looks for."""
    fdt = libfdt.Fdt.create_empty_tree(4096)
    fdt.add_subnode(0, "chosen")
    node = fdt.add_subnode(0, "cpus")
    for number in range(cpus):
        fdt.add_subnode(node, f"PowerPC,POWER9@{number * 4:x}")
    fdt.pack()
    return bytes(fdt.as_bytearray())


def test_every_processor_gets_the_page_sizes():
    fdt = libfdt.Fdt(devicetree.with_large_pages(tree(2)))
    for number in (0, 4):
        node = fdt.path_offset(f"/cpus/PowerPC,POWER9@{number:x}")
        words = struct.unpack(">4I", fdt.getprop(node, "ibm,processor-radix-AP-encodings"))
        assert [word & 0x1fffffff for word in words] == [12, 16, 21, 30]
        assert [word >> 29 for word in words] == [0, 5, 1, 2]


def test_tree_without_a_processor_is_an_error():
    with pytest.raises(LabError, match="no processor"):
        devicetree.with_large_pages(tree(0))


def test_boot_finds_its_words_and_its_archive():
    fdt = libfdt.Fdt(devicetree.for_boot(tree(), "console=hvc0 " + "x" * 5000, 0x123456))
    chosen = fdt.path_offset("/chosen")
    assert fdt.getprop(chosen, "bootargs").as_str().startswith("console=hvc0 x")
    start, end = (fdt.getprop(chosen, f"linux,initrd-{what}").as_uint64()
                  for what in ("start", "end"))
    assert (start, end - start) == (devicetree.INITRD_AT, 0x123456)


@pytest.fixture(name="emulator")
def emulator_fixture(tmp_path, monkeypatch):
    """Plays an emulator: answers pmemsave with bytes of the caller's, and counts its starts."""
    monkeypatch.setattr(devicetree, "BUILD", tmp_path)
    starts = tmp_path / "starts"

    def emulator(data):
        (tmp_path / "data").write_bytes(data)
        script = ("import sys; command = sys.stdin.readline().split();"
                  f"open({str(starts)!r}, 'a').write('x');"
                  f"open(command[3].strip('\"'), 'wb').write(open({str(tmp_path / 'data')!r}, 'rb').read())")
        return [sys.executable, "-c", script]

    yield emulator, starts


def test_own_tree_is_read_once(emulator):
    start, starts = emulator
    command = start(tree() + bytes(100))
    assert devicetree.emulators_own(command, None, "a") == tree()
    assert devicetree.emulators_own(command, None, "a") == tree()
    assert starts.read_text() == "x"
    assert devicetree.emulators_own(command, None, "b") == tree()
    assert starts.read_text() == "xx"


@pytest.mark.parametrize("data", [b"", b"\0" * 100, tree()[:-1], struct.pack(">II", 0xd00dfeed, 8)])
def test_memory_without_a_tree_is_an_error(emulator, data):
    with pytest.raises(LabError, match="no device tree at 0x1000000"):
        devicetree.emulators_own(emulator[0](data), None, "a")
