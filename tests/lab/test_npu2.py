# SPDX-License-Identifier: GPL-2.0-only
"""The device tree of a machine with an NPU2 made by firmware. No emulator is started."""

import itertools
import struct

import libfdt
import pytest

from lab.errors import LabError
from lab.npu2 import tree

XSCOM = "/xscom@603fc00000000"
NPU = f"{XSCOM}/npu@5011000"
EMULATORS_PHANDLE = 0x8000
# (GPUs, links, switch), and the group of each GPU.
BOARDS = {(1, 3, False): (0,), (2, 3, False): (0, 2), (3, 2, True): (0, 1, 2)}
POSSIBLE = {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)}


def emulators_tree(xscom=XSCOM):
    """The part of the emulator's tree that counts here."""
    fdt = libfdt.Fdt.create_empty_tree(8192)
    fdt.setprop(0, "compatible", b"qemu,powernv9\0ibm,powernv\0")
    fdt.add_subnode(0, "qemu")
    fdt.setprop_u32(fdt.add_subnode(0, "lpc"), "phandle", EMULATORS_PHANDLE)
    node = fdt.add_subnode(0, xscom[1:])
    fdt.add_subnode(node, "psihb@5012900")
    for engine in (1, 4):
        master = fdt.add_subnode(fdt.path_offset(xscom), f"i2cm@a{engine - 1}000")
        fdt.setprop_u32(master, "chip-engine#", engine)
        for port in (0, 12):
            bus = fdt.add_subnode(fdt.path_offset(f"{xscom}/i2cm@a{engine - 1}000"),
                                  f"i2c-bus@{port:x}")
            fdt.setprop_str(bus, "ibm,port-name", f"p8_00000000_e{engine}p{port}")
    return bytes(fdt.as_bytearray())


class Tree:
    """A tree to ask questions."""

    def __init__(self, data):
        self.fdt = libfdt.Fdt(data)

    def has(self, path):
        return self.fdt.path_offset(path, [libfdt.NOTFOUND]) >= 0

    def raw(self, path, name):
        return bytes(self.fdt.getprop(self.fdt.path_offset(path), name))

    def cells(self, path, name):
        data = self.raw(path, name)
        return list(struct.unpack(f">{len(data) // 4}I", data))

    def string(self, path, name):
        return self.raw(path, name).decode().rstrip("\0").split("\0")

    def by_phandle(self, phandle):
        """The path of a node: names up to the root."""
        node, names = self.fdt.node_offset_by_phandle(phandle), []
        while node:
            names.append(self.fdt.get_name(node))
            node = self.fdt.parent_offset(node)
        return "/" + "/".join(reversed(names))


def made(gpus, links, switch):
    return Tree(tree.for_firmware(emulators_tree(), tree.layout(gpus, links, switch)))


@pytest.mark.parametrize("board", BOARDS)
def test_links_are_the_boards(board):
    gpus, links, _ = board
    result = made(*board)
    assert result.string(NPU, "compatible") == ["ibm,power9-npu"]
    assert result.cells(NPU, "ibm,npu-links") == [gpus * links]
    assert result.cells(NPU, "#address-cells") == [1]
    for brick in range(gpus * links):
        link = f"{NPU}/link@{brick}"
        for name in ("reg", "ibm,npu-link-index", "ibm,npu-brick-id", "ibm,workbook-link-id"):
            assert result.cells(link, name) == [brick]
        assert result.cells(link, "ibm,npu-phy") == [0x80000000,
                                                     0x9010c3f if brick < 3 else 0xc010c3f]
        assert result.cells(link, "ibm,npu-lane-mask") == [0xff << 8 * (brick % 3)]
        assert result.cells(link, "ibm,npu-group-id") == [BOARDS[board][brick // links]]
        assert result.cells(link, "nvidia,link-speed") == [8]
    assert not result.has(f"{NPU}/link@{gpus * links}")


@pytest.mark.parametrize("board", BOARDS)
def test_link_and_gpu_meet_in_one_slot(board):
    gpus, links, switch = board
    result = made(*board)
    for brick in range(gpus * links):
        gpu = brick // links
        link = f"{NPU}/link@{brick}"
        slot = result.by_phandle(result.cells(link, "ibm,pcie-slot")[0])
        above = (f"/root-complex@0,0/builtin/down-port@{gpu}" if switch
                 else f"/root-complex@0,{gpu}")
        assert slot == f"/ibm,pcie-slots{above}/pluggable"
        for path in (link, slot, slot.rpartition("/")[0]):
            assert result.string(path, "ibm,slot-label") == [f"GPU{gpu}"]
    root = "/ibm,pcie-slots/root-complex@0,0"
    assert result.string(root, "compatible") == ["ibm,pcie-port", "ibm,pcie-root-port"]
    assert result.cells(root, "reg") == [0, 0]
    assert result.has(f"{root}/builtin") == switch


@pytest.mark.parametrize("board", BOARDS)
def test_phandles_are_far_above_the_emulators(board):
    result = made(*board)
    slots = {result.cells(f"{NPU}/link@{brick}", "ibm,pcie-slot")[0]
             for brick in range(board[0] * board[1])}
    assert len(slots) == board[0]
    # The firmware gives one to each node, and reads the slots after some of them.
    assert min(slots) >= EMULATORS_PHANDLE + 1000


def test_emulators_tree_becomes_the_boards():
    result = made(1, 3, False)
    assert result.string("/", "compatible") == ["ibm,powernv", "ibm,p9-openbmc", "ibm,witherspoon"]
    assert result.has("/qemu")
    assert result.has(f"{XSCOM}/psihb@5012900")


def test_i2c_engines_are_counted_from_0():
    result = made(1, 3, False)
    for engine, port in itertools.product((0, 3), (0, 12)):
        master = f"{XSCOM}/i2cm@a{engine}000"
        assert result.cells(master, "chip-engine#") == [engine]
        assert result.string(f"{master}/i2c-bus@{port:x}", "ibm,port-name") == [
            f"p8_00000000_e{engine}p{port}"]


def test_emulator_with_another_tree_is_an_error():
    with pytest.raises(LabError, match="has no /xscom@603fc00000000"):
        tree.for_firmware(emulators_tree("/xscom@1"), tree.layout())


def test_layouts_are_those_that_were_booted():
    found = set()
    for gpus, links in itertools.product(range(-1, 8), repeat=2):
        try:
            tree.layout(gpus, links)
            found.add((gpus, links))
        except LabError as error:
            assert f"{gpus} GPUs with {links} links each: possible are 1, 2 or 3" in str(error)
    assert found == POSSIBLE


@pytest.mark.parametrize("gpus, groups", [(1, [1]), (2, [0, 1]), (2, [2, 0]), (2, [0]), (1, []),
                                          (2, [0, 0]), (1, [3]), (3, [0, 1, 3])])
def test_groups_that_cannot_be_are_refused(gpus, groups):
    with pytest.raises(LabError, match=r"groups .*: possible is one .* rising, of 0, 1 and 2"):
        tree.layout(gpus, 1, groups=groups)


@pytest.mark.parametrize("gpus, groups", [(1, (2,)), (2, (1, 2)), (2, (0, 2))])
def test_groups_can_be_chosen(gpus, groups):
    assert tree.layout(gpus, 1, groups=list(groups)).groups == groups


def test_gpus_stand_where_their_slots_are():
    alone = tree.devices(tree.layout(2, 3))
    assert [word for word in alone if word != "-device"] == [
        "nvme,serial=gpu0,id=gpu0,bus=pcie.0,addr=0.0",
        "nvme,serial=gpu1,id=gpu1,bus=pcie.1,addr=0.0"]
    behind = tree.devices(tree.layout(3, 2, switch=True))
    assert behind[::2] == ["-device"] * 7
    assert behind[1] == "x3130-upstream,id=up,bus=pcie.0,addr=0.0"
    for gpu in range(3):
        port, function = behind[3 + 4 * gpu], behind[5 + 4 * gpu]
        assert f"id=down{gpu},bus=up,addr={gpu}.0" in port
        assert f"id=gpu{gpu},bus=down{gpu},addr=0.0" in function
