# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info under test, and machines made of folders for it to look at."""

import errno
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

from lab import limits

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/nvlink2-info"
GOLDEN = ROOT / "generated/user/golden"
BUILD = ROOT / "build/tests-tools"

# Every run of the tool in these tests is also one under the sanitizers.
SANITIZE = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -static-libasan"
PACKAGES = {"make": "make", "gcc": "gcc libc6-dev", "clang": "clang", "mandoc": "mandoc",
            "man": "man-db groff-base", "bash": "bash", "dot": "graphviz",
            "powerpc64le-linux-gnu-gcc": "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross"}


def need(program):
    assert shutil.which(program), f"{program} is missing: apt-get install {PACKAGES[program]}"
    return program


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True,
                          timeout=limits.seconds(120), check=False, text=True, **options)


def build(folder, *settings):
    """Builds the tool with warnings as errors; the program's path."""
    need("make")
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
                                  "CFLAGS", "LDFLAGS", "CPPFLAGS", "CC")}
    done = run("make", "-C", TOOL, f"O={folder}", "WERROR=1", *settings, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "nvlink2-info"


def region(index=9, size=0x10000, flags=0xf, caps=(), offset=None, argsz=None, cap_offset=32):
    """The buffer GET_REGION_INFO fills, of capabilities (id, version, payload)."""
    body = b""
    for number, (ident, version, payload) in enumerate(caps):
        record = 8 + len(payload)
        following = 32 + len(body) + record if number + 1 < len(caps) else 0
        body += struct.pack("<HHI", ident, version, following) + payload
    return struct.pack("<IIIIQQ", 32 + len(body) if argsz is None else argsz, flags, index,
                       cap_offset if caps else 0, size,
                       index << 40 if offset is None else offset) + body


def type_cap(vendor, subtype=1):
    return (2, 1, struct.pack("<II", vendor | 1 << 31, subtype))


def tgt_cap(tgt):
    return (4, 1, struct.pack("<Q", tgt))


def speed_cap(speed):
    return (5, 1, struct.pack("<II", speed, 0))


def gpu_ram(size=0x4000000, tgt=0x400000000):
    return region(size=size, caps=[type_cap(0x10de), tgt_cap(tgt)])


def atsd(speed=8, tgt=0x400000000, size=0x10000):
    return region(size=size, flags=0xf if size else 8,
                  caps=[type_cap(0x1014), tgt_cap(tgt), speed_cap(speed)])


class Machine:
    """A sysfs and a /dev, in folders; VFIO itself is fake_vfio.c."""

    def __init__(self, folder, tool, shim):
        self.folder, self.tool, self.shim = folder, tool, shim
        self.sysfs, self.dev, self.log = folder / "sys", folder / "dev", folder / "log"
        (self.sysfs / "bus/pci/devices").mkdir(parents=True)
        (self.dev / "vfio").mkdir(parents=True)
        (self.dev / "vfio/vfio").write_text("types=7\n")

    def function(self, address, driver="nvlink2-vfio-pci", group=3, ids=(0x10de, 0x1db1),
                 tree=None, vfio=True, regions=None, **device):
        """Adds a PCI function and, when VFIO has it, what VFIO answers."""
        path = self.sysfs / "bus/pci/devices" / address
        path.mkdir()
        (path / "vendor").write_text(f"{ids[0]:#06x}\n")
        (path / "device").write_text(f"{ids[1]:#06x}\n")
        if driver:
            (path / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
        if group is not None:
            members = self.sysfs / f"kernel/iommu_groups/{group}/devices"
            members.mkdir(parents=True, exist_ok=True)
            (members / address).symlink_to(path)
            (path / "iommu_group").symlink_to(members.parent)
        if tree:
            (path / "of_node").mkdir()
            (path / "of_node" / tree).write_bytes(b"\0\0\0\1")
        if vfio:
            (path / "vfio-dev/vfio0").mkdir(parents=True)
            node = self.dev / f"vfio/{group}"
            if not node.exists():
                node.write_text("")
        self._answers(address, regions or {}, device)

    def _answers(self, address, regions, device):
        folder = self.dev / "fake" / address
        folder.mkdir(parents=True)
        for index, answer in regions.items():
            if isinstance(answer, int):
                (folder / f"{index}.errno").write_text(f"errno={answer}\n")
            else:
                (folder / f"{index}.bin").write_bytes(answer)
        device.setdefault("num_regions", max(9, *regions, 8) + 1 if regions else 9)
        (folder / "device").write_text("".join(f"{key}={value}\n"
                                               for key, value in device.items()))

    def group(self, number, **settings):
        (self.dev / f"vfio/{number}").write_text(
            "".join(f"{key}={value}\n" for key, value in settings.items()))

    def info(self, *arguments):
        environment = {"LD_PRELOAD": str(self.shim), "FAKE_DEV": str(self.dev),
                       "FAKE_LOG": str(self.log), "LC_ALL": "C", "PATH": os.environ["PATH"],
                       "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
        return run(self.tool, "--sysfs", self.sysfs, "--dev", self.dev, *arguments,
                   env=environment)

    def json(self, *arguments, status=0):
        done = self.info("--json", *arguments)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def calls(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


GPU, BRIDGE, SECOND = "0000:01:00.0", "0000:01:00.1", "0000:01:00.2"
BRIDGE_IDS = (0x1014, 0x04ea)


def one_gpu(machine, **device):
    machine.function(GPU, tree="ibm,npu", regions={9: gpu_ram()}, **device)


def two_gpus(machine):
    """GPU 0 with two bridges of different speeds, GPU 1 in another group with one."""
    one_gpu(machine)
    for address, speed in ((BRIDGE, 8), (SECOND, 9)):
        machine.function(address, ids=BRIDGE_IDS, tree="ibm,gpu", regions={9: atsd(speed)})
    machine.function("0001:02:00.0", group=12, regions={9: gpu_ram(tgt=0x420000000)})
    machine.function("0001:02:00.1", group=12, ids=BRIDGE_IDS,
                     regions={9: atsd(tgt=0x420000000, size=0)})


EACCES, EBUSY, EINVAL, EPERM = errno.EACCES, errno.EBUSY, errno.EINVAL, errno.EPERM
