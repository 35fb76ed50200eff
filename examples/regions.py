#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause
"""
The same as regions.c in Python, with nothing but its standard library.

    PYTHONPATH=$(pkg-config --variable=pythondir vfio-nvlink2) examples/regions.py 0004:04:00.0
"""

import fcntl
import mmap
import os
import struct
import sys

import vfio_nvlink2

# <linux/vfio.h> has these for C only; _IO() has another number for "no data" on these machines.
_NO_DATA = 1 << 29 if os.uname().machine.startswith(("ppc", "mips", "sparc", "alpha")) else 0


def _request(number):
    return _NO_DATA | ord(";") << 8 | 100 + number


SET_IOMMU, SET_CONTAINER, GET_DEVICE_FD, GET_INFO, GET_REGION_INFO = map(_request, (2, 4, 6, 7, 8))
SPAPR_TCE_V2_IOMMU = 7
NUM_REGIONS = 9
FLAG_MMAP = 4


def open_device(device):
    """A device's descriptor, with those of the container and the group that it needs to stay."""
    group = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{device}/iommu_group"))
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    group = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(group, SET_CONTAINER, struct.pack("i", container))
    fcntl.ioctl(container, SET_IOMMU, SPAPR_TCE_V2_IOMMU)
    # Of a buffer that can change, the result is the number that the call returned.
    name = bytearray(device.encode() + b"\0")
    return fcntl.ioctl(group, GET_DEVICE_FD, name), group, container


def ask(descriptor, index):
    """The first call says how much room the capabilities need, the second one has it."""
    argsz = 32
    while True:
        answer = bytearray(argsz)
        struct.pack_into("=III", answer, 0, argsz, 0, index)
        fcntl.ioctl(descriptor, GET_REGION_INFO, answer)
        needed, = struct.unpack_from("=I", answer)
        if needed <= argsz:
            return vfio_nvlink2.decode(answer)
        argsz = needed


def show(descriptor, device, index):
    """Prints one region, and maps it."""
    region = ask(descriptor, index)
    line = f"{device} region {index}: {region.kind}, {region.size} bytes"
    if region.has_ssatgt:
        line += f", tgt {region.tgt:#x}"
    if region.has_lnkspd:
        line += f", link speed code {region.link_speed}"
    print(line)
    # A bridge without ATSD registers has a region of size 0.
    if not region.size or not region.flags & FLAG_MMAP:
        return
    with mmap.mmap(descriptor, region.size, offset=region.offset) as at:
        # ATSD registers are for the GPU's driver: nothing is to be learnt from a load.
        if region.kind == "gpu_ram":
            print(f"first word {memoryview(at).cast('Q')[0]:#x}")
        else:
            print("mapped")


def main():
    """The command; returns its exit status."""
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} DEVICE, such as 0004:04:00.0", file=sys.stderr)
        return 2
    device = sys.argv[1]
    try:
        descriptors = open_device(device)
        info = bytearray(struct.pack("=IIIII", 20, 0, 0, 0, 0))
        fcntl.ioctl(descriptors[0], GET_INFO, info)
        for index in range(NUM_REGIONS, struct.unpack_from("=I", info, 8)[0]):
            show(descriptors[0], device, index)
    except (OSError, vfio_nvlink2.DecodeError) as error:
        print(f"regions: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
