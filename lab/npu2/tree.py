# SPDX-License-Identifier: GPL-2.0-only
"""
Tells firmware of a board with an NPU2: on a real one Hostboot does it.

The emulator's own tree becomes one of an AC922 ("Witherspoon"), with the links of the NPU2, the
slots of the GPUs, and the numbers of the I2C engines that this board's firmware looks for. Nothing
that Linux sees of the NPU2 is made here; the firmware makes it, out of this.
"""

import re
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lab.errors import LabError
from lab.machine.devicetree import FlatTree, children, fdt_library

_XSCOM = "/xscom@603fc00000000"
_BOARD = ("ibm,powernv", "ibm,p9-openbmc", "ibm,witherspoon")
_NPU_AT, _NPU_SIZE = 0x5011000, 0x2c
# The NPU2 of one chip.
_BRICKS = 6
_GROUPS = 3
# A V100 has six links; the board leads three of them to the processor at most.
_LINKS = 3
# An indirect register each, for the first three bricks and for the others; lanes of each of three.
_PHYS = (0x09010c3f, 0x0c010c3f)
_LANES = (0x0000ff, 0x00ff00, 0xff0000)
# 25 Gb/s a lane, as Hostboot and as NVIDIA's driver write it.
_SPEED = (6, 0x00aa4c10)
_NVIDIA_SPEED = 8
# Firmware numbers the nodes that have no phandle one by one, from the highest that it has read so
# far. A gap keeps those numbers away from ours, which it reads late.
_PHANDLE_GAP = 0x1000
# The groups of so many GPUs when nobody says them: a board whose highest group is 1 would be the
# one with OpenCAPI, whose firmware asks an I2C expander that is not there what is plugged in.
_OPENCAPI_HIGHEST = 1
_USUAL_GROUPS = {1: (0,), 2: (0, 2), 3: (0, 1, 2)}
_POSSIBLE = ("possible are 1, 2 or 3 GPUs with 1 to 3 links each, 6 links in all (1x3, 2x3 and 3x2 "
             "are what boards have)")


class Layout(NamedTuple):
    """
    The layout of a board. GPU n is the function `gpu<n>` in the slot labelled `GPU<n>`, has the next
    `links` bricks, and `groups[n]` says which window its RAM has. Made by `layout`.
    """
    gpus: int
    links: int
    switch: bool
    groups: tuple[int, ...]

    def bricks(self) -> list[tuple[int, int]]:
        """(brick, GPU) of each link."""
        return [(gpu * self.links + link, gpu)
                for gpu in range(self.gpus) for link in range(self.links)]


def layout(gpus: int = 1, links: int = 3, switch: bool = False,
           groups: Iterable[int] | None = None) -> Layout:
    """
    A Layout that the firmware can bring up.

    gpus: 1 to 3; links: to each of them, 1 to 3, and no more than 6 in all
    switch: all GPUs are behind one PCIe switch on host bridge 0, as on the board. Otherwise GPU n
        is on host bridge n, and all have the same bus number: the NPU2 knows GPUs by it, so
        that they take an entry of its tables from each other
    groups: of the GPUs, rising, of 0 to 2; None: the usual ones

    LabError says what is possible when this is not.
    """
    if gpus not in _USUAL_GROUPS or links not in range(1, _LINKS + 1) or gpus * links > _BRICKS:
        raise LabError(f"an NPU2 cannot have {gpus} GPUs with {links} links each: {_POSSIBLE}")
    groups = _USUAL_GROUPS[gpus] if groups is None else tuple(groups)
    if len(groups) != gpus or list(groups) != sorted(set(groups) & set(range(_GROUPS))) \
            or groups[-1] == _OPENCAPI_HIGHEST:
        raise LabError(
            f"{gpus} GPUs cannot be in groups {', '.join(map(str, groups)) or 'none'}: possible is "
            "one group for each GPU, rising, of 0, 1 and 2, and the highest is not 1 (firmware "
            "takes that for the board with OpenCAPI)")
    return Layout(gpus, links, bool(switch), groups)


def devices(chosen: Layout) -> list[str]:
    """The emulator's options for the GPUs of a Layout, and for their switch."""
    arguments: list[str] = []

    def add(name: str, **settings: str | int) -> None:
        arguments.extend(["-device", ",".join(
            [name, *(f"{key}={value}" for key, value in settings.items())])])

    if chosen.switch:
        add("x3130-upstream", id="up", bus="pcie.0", addr="0.0")
    for gpu in range(chosen.gpus):
        bus = f"pcie.{gpu}"
        if chosen.switch:
            bus = f"down{gpu}"
            add("xio3130-downstream", id=bus, bus="up", addr=f"{gpu}.0", chassis=1, slot=gpu + 1)
        # An NVMe controller without a drive resets at once.
        add("nvme", serial=f"gpu{gpu}", id=f"gpu{gpu}", bus=bus, addr="0.0")
    return arguments


def for_firmware(own: bytes, chosen: Layout) -> bytes:
    """
    The emulator's own tree, made into that of the board with a Layout. Both are bytes.

    LabError: the emulator's tree is no longer what this can be put into.
    """
    fdt = fdt_library().Fdt(own)
    fdt.resize(len(own) + 0x4000)
    if fdt.path_offset(_XSCOM, [fdt_library().NOTFOUND]) < 0:
        raise LabError(f"the emulator's device tree has no {_XSCOM}: lab/npu2/tree.py has to "
                       "follow it")
    # /qemu stays: by it the firmware knows what it need not wait for.
    fdt.setprop(0, "compatible", _strings(*_BOARD))
    _renumber_i2c(fdt)
    first = _highest_phandle(fdt) + _PHANDLE_GAP
    slots = [first + gpu for gpu in range(chosen.gpus)]
    _add_slots(fdt, chosen, slots)
    _add_npu(fdt, chosen, slots)
    fdt.pack()
    return bytes(fdt.as_bytearray())


def _strings(*words: str) -> bytes:
    return b"".join(word.encode() + b"\0" for word in words)


def _cells(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _add(fdt: FlatTree, path: str, **properties: bytes) -> str:
    """Adds a node with properties, and returns its path."""
    parent, _, name = path.rpartition("/")
    node = fdt.add_subnode(fdt.path_offset(parent or "/"), name)
    for key, value in properties.items():
        fdt.setprop(node, key, value)
    return path


def _parent(address_cells: int, **more: bytes) -> dict[str, bytes]:
    return {"#address-cells": _cells(address_cells), "#size-cells": _cells(0), **more}


def _add_slots(fdt: FlatTree, chosen: Layout, phandles: Sequence[int]) -> None:
    """The board's slots: their labels become the location of the function that is plugged in."""
    port = {"compatible": _strings("ibm,pcie-port")}
    root = {"compatible": _strings("ibm,pcie-port", "ibm,pcie-root-port")}
    labels = [{"ibm,slot-label": _strings(label(gpu))} for gpu in range(chosen.gpus)]
    top = _add(fdt, "/ibm,pcie-slots", **_parent(2))
    if chosen.switch:
        complex_0 = _add(fdt, f"{top}/root-complex@0,0", **_parent(2, reg=_cells(0, 0), **root))
        switch = _add(fdt, f"{complex_0}/builtin", **_parent(1))
    for gpu, named in enumerate(labels):
        if chosen.switch:
            above = _add(fdt, f"{switch}/down-port@{gpu}", reg=_cells(gpu), **port, **named)
        else:
            above = _add(fdt, f"{top}/root-complex@0,{gpu}",
                         **_parent(2, reg=_cells(0, gpu), **root, **named))
        _add(fdt, f"{above}/pluggable", phandle=_cells(phandles[gpu]), **_parent(1), **named)


def label(gpu: int) -> str:
    """Returns the name of a GPU's slot, and so of the GPU."""
    return f"GPU{gpu}"


def _add_npu(fdt: FlatTree, chosen: Layout, slots: Sequence[int]) -> None:
    bricks = chosen.bricks()
    npu = _add(fdt, f"{_XSCOM}/npu@{_NPU_AT:x}", **_parent(1, **{
        "compatible": _strings("ibm,power9-npu"),
        "reg": _cells(_NPU_AT, _NPU_SIZE),
        "ibm,npu-index": _cells(0),
        "ibm,npu-links": _cells(len(bricks)),
    }))
    # A new node comes before its siblings, and the firmware numbers them as they come.
    for brick, gpu in reversed(bricks):
        _add(fdt, f"{npu}/link@{brick}", **{
            "compatible": _strings("ibm,npu-link"),
            "reg": _cells(brick),
            "ibm,npu-link-index": _cells(brick),
            "ibm,workbook-link-id": _cells(brick),
            # The first half says that the register is an indirect one.
            "ibm,npu-phy": _cells(0x80000000, _PHYS[brick // len(_LANES)]),
            "ibm,npu-lane-mask": _cells(_LANES[brick % len(_LANES)]),
            "ibm,npu-brick-id": _cells(brick),
            "ibm,npu-group-id": _cells(chosen.groups[gpu]),
            # The firmware pairs the link with the NVIDIA function whose location this is.
            "ibm,slot-label": _strings(label(gpu)),
            "ibm,pcie-slot": _cells(slots[gpu]),
            "ibm,link-speed": _cells(*_SPEED),
            "nvidia,link-speed": _cells(_NVIDIA_SPEED),
        })


def _renumber_i2c(fdt: FlatTree) -> None:
    """The emulator counts the chip's I2C engines from 1; the board's firmware counts from 0."""
    masters = [path for path in _paths(fdt, _XSCOM) if path.rpartition("/")[2].startswith("i2cm@")]
    for master in masters:
        node = fdt.path_offset(master)
        engine = fdt.getprop(node, "chip-engine#").as_uint32() - 1
        fdt.setprop_u32(node, "chip-engine#", engine)
        for bus in _paths(fdt, master)[1:]:
            node = fdt.path_offset(bus)
            name = fdt.getprop(node, "ibm,port-name").as_str()
            fdt.setprop_str(node, "ibm,port-name", re.sub(r"_e\d+p", f"_e{engine}p", name))


def _paths(fdt: FlatTree, top: str) -> list[str]:
    """A node and all below it. Not their offsets: those change with every property that is set."""
    node = fdt.path_offset(top)
    names = [fdt.get_name(child) for child in children(fdt, node)]
    return [top, *(path for name in names
                   for path in _paths(fdt, f"{top.rstrip('/')}/{name}"))]


def _highest_phandle(fdt: FlatTree) -> int:
    return max(fdt.get_phandle(fdt.path_offset(path)) for path in _paths(fdt, "/"))
