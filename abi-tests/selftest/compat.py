# SPDX-License-Identifier: GPL-2.0-only
"""
Versions of the interface, each as a driver and as programs, and the buffers between them.

The released ones come from abi-tests/baselines, `tree` is the present one. `next` is what the rules
allow to come: a newer, longer version of a record, and another capability; and `later` has a newer
version of that. Byte order does not enter: a driver and its programs are on one machine.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from abigate import sides
from codegen import cli
from codegen.tests.compilers import compile_c
from codegen.tests.support import mutate
from codegen.tests.test_evolution import GROWN, WITHOUT
from lab import limits

DATA = Path(__file__).resolve().parent / "data"
ROOT = sides.ROOT
_SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

GPU_RAM, ATSD = 0, 1
#: The arguments of a driver; of these it takes the ones its version knows.
VALUES = {"tgt": 0x0123456789abcde8, "link_speed": 8, "lanes": 4, "errors": 0x2233,
          "owner": 0x1122334455667788, "state": 0x77, "count": 0x99}
SIZE = 0x10000
INFO = 32

_HEALTH = """  - name: health
    constant: VFIO_REGION_INFO_CAP_NVLINK2_HEALTH
    id: 6
    version: 1
    struct: vfio_region_info_cap_nvlink2_health
    size: 16
    since: 2
    doc: Health of the link.
    fields:
      - {name: header, type: header, offset: 0, since: 1, doc: Header.}
      - {name: state, type: u32, offset: 8, since: 1, from: state, doc: State.}
      - {name: __pad5, type: u32, offset: 12, since: 1, reserved: true, doc: Zero.}

# The chain a region presents"""
NEXT = (
    ("\n# The chain a region presents", _HEALTH),
    ("    capabilities: [ssatgt]\n", "    capabilities: [ssatgt, health]\n"),
    ("    capabilities: [ssatgt, lnkspd]\n", "    capabilities: [ssatgt, lnkspd, health]\n"),
    ("  - {name: lanes, type: u8, doc: Lanes.}\n",
     "  - {name: lanes, type: u8, doc: Lanes.}\n  - {name: state, type: u32, doc: State.}\n"),
    ("    values: {tgt: 0x400000000}\n", "    values: {tgt: 0x400000000, state: 1}\n"),
    ("lanes: 4, ", "lanes: 4, state: 1, "), ("lanes: 3, ", "lanes: 3, state: 1, "))
LATER = (
    ("    id: 6\n    version: 1\n", "    id: 6\n    version: 2\n"),
    ("nvlink2_health\n    size: 16\n", "nvlink2_health\n    size: 24\n"),
    ("type: u32, offset: 12, since: 1, reserved: true, doc: Zero.}\n",
     "type: u32, offset: 12, since: 1, reserved: true, doc: Zero.}\n"
     "      - {name: count, type: aligned_u64, offset: 16, since: 2, from: count, doc: Count.}\n"),
    ("  - {name: state, type: u32, doc: State.}\n",
     "  - {name: state, type: u32, doc: State.}\n  - {name: count, type: u64, doc: Count.}\n"),
    ("values: {tgt: 0x400000000, state: 1}", "values: {tgt: 0x400000000, state: 1, count: 1}"),
    ("lanes: 4, state: 1, ", "lanes: 4, state: 1, count: 1, "),
    ("lanes: 3, state: 1, ", "lanes: 3, state: 1, count: 1, "))


@cache
def document(spec: Path) -> dict:
    """A spec as plain data: a released one need not keep the rules of today."""
    return yaml.safe_load(spec.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Version:
    """Where the files of a version are; `age` is 1 with what NEXT adds, and 2 with LATER's too."""

    name: str
    spec: Path
    header: Path
    kernel: Path
    user: Path
    golden: Path
    system: tuple[Path, ...] = ()
    age: int = 0

    @property
    def includes(self) -> list[str]:
        """Compiler options under which its headers are found."""
        return [word for path in self.system for word in ("-isystem", str(path))] + [
            "-I", str(self.header), "-I", str(self.user), "-I", str(self.kernel)]


def _from_tree(name: str, tree: Path, spec: Path, **more) -> Version:
    return Version(name, spec, tree / "uapi", tree / "generated/kernel", tree / "generated/user",
                   tree / "generated/user/golden", **more)


def released() -> list[str]:
    """Names of the released versions."""
    return [folder.name for folder in sides.baselines()]


def versions(scratch: Path) -> dict[str, Version]:
    """All of them, by name."""
    found = [Version(folder.name, folder / "spec.yaml", folder / "uapi", folder / "kernel",
                     folder / "user", folder / "user/golden") for folder in sides.baselines()]
    found.append(_from_tree("tree", ROOT, ROOT / sides.SPEC))
    for age, name, edits in ((1, "next", GROWN + NEXT), (2, "later", GROWN + NEXT + LATER)):
        tree = scratch / name
        (tree / "system/linux").mkdir(parents=True)
        # The kernel's header has the record that grew in its old form.
        (tree / "system/linux/vfio.h").write_text(WITHOUT, encoding="utf-8")
        text = (ROOT / sides.SPEC).read_text(encoding="utf-8")
        for edit in edits:
            text, _ = mutate(edit, text=text)
        (tree / "spec.yaml").write_text(text, encoding="utf-8")
        assert cli.main(["generate", "--spec", str(tree / "spec.yaml"), "--out", str(tree)]) == 0
        found.append(_from_tree(name, tree, tree / "spec.yaml", system=(tree / "system",), age=age))
    return {version.name: version for version in found}


class Programs:
    """The driver and the programs of every version, compiled when they are first wanted."""

    def __init__(self, scratch: Path, present: dict[str, Version] | None = None):
        self.scratch = scratch
        self.versions = present or versions(scratch)
        self._made: dict[tuple, Path] = {}
        self._answers: dict[tuple, bytes | None] = {}

    def with_marshalling(self, scratch: Path, name: str, text: str) -> Programs:
        """The same, where the driver of one version is made from other marshalling."""
        scratch.mkdir()
        (scratch / "nvlink2_regions.h").write_text(text, encoding="utf-8")
        other = replace(self.versions[name], kernel=scratch)
        return Programs(scratch, {**self.versions, name: other})

    def _compile(self, key: tuple, text: str, *flags: str) -> Path:
        if key not in self._made:
            path = self.scratch / "-".join(key)
            objection = compile_c(text, "-std=gnu11", *_SANITIZED, *flags, to=path)
            assert objection == "", f"{key}: {objection}"
            self._made[key] = path
        return self._made[key]

    def driver(self, name: str) -> Path:
        """The driver of a version."""
        version = self.versions[name]
        names = (value["name"] for value in document(version.spec)["values"])
        return self._compile(("driver", name), (DATA / "driver.c").read_text(encoding="utf-8"),
                             "-I", str(ROOT / "codegen/tests/shim"), *version.includes,
                             "-DVALUES=" + " ".join(f"VALUE({name})" for name in names))

    def client(self, kind: str, name: str) -> Path:
        """
        A program built against a version: `decoder`, or `cast` as a VMM does it. Of the version
        `linux` there is only the kernel's own header.
        """
        text = (DATA / "client.c").read_text(encoding="utf-8")
        flags = [] if kind == "decoder" else ["-DCAST"]
        if name != "linux":
            version = self.versions[name]
            flags += ["-DOWN_HEADER", *version.includes, f"-DAGE={version.age}"]
        return self._compile((kind, name), text, *flags)

    def answer(self, name: str, region: int, argsz: int, size: int = SIZE,
               values: dict[str, int] | None = None) -> bytes | None:
        """What a driver leaves in a buffer of argsz bytes; None for -EINVAL."""
        arguments = [f"{value}={number:#x}" for value, number in (values or VALUES).items()]
        key = (name, region, argsz, size, *arguments)
        if key not in self._answers:
            done = subprocess.run([self.driver(name), str(region), hex(size), str(argsz), *arguments],
                                  capture_output=True, timeout=limits.seconds(60), check=False)
            assert done.returncode in (0, 22) and not done.stderr, done.stderr.decode()
            self._answers[key] = done.stdout if done.returncode == 0 else None
        return self._answers[key]

    def needed(self, name: str, region: int) -> int:
        """How many bytes a driver says that its answer needs."""
        return int.from_bytes(self.answer(name, region, INFO)[:4], "little")

    def read(self, kind: str, name: str, *buffers: bytes) -> str:
        """What a program says of a driver's answers."""
        paths = []
        for n, buffer in enumerate(buffers):
            paths.append(self.scratch / f"answer{n}")
            paths[-1].write_bytes(buffer)
        done = subprocess.run([self.client(kind, name), *paths], capture_output=True, text=True,
                              timeout=limits.seconds(60), check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.strip()


def records(buffer: bytes) -> list[tuple[int, bytes]]:
    """(id, record without its link) of a whole answer's chain."""
    found, at = [], int.from_bytes(buffer[12:16], "little")
    size = int.from_bytes(buffer[:4], "little")
    while at:
        following = int.from_bytes(buffer[at + 4:at + 8], "little")
        found.append((int.from_bytes(buffer[at:at + 2], "little"), buffer[at:following or size]))
        at = following
    return found


def assemble(buffer: bytes, chain: list[tuple[int, bytes]]) -> bytes:
    """The answer with another chain."""
    body, at = b"", INFO
    for n, (_, record) in enumerate(chain):
        following = at + len(record) if n + 1 < len(chain) else 0
        body += record[:4] + following.to_bytes(4, "little") + record[8:]
        at += len(record)
    head = (INFO + len(body)).to_bytes(4, "little") + buffer[4:12] + \
        (INFO if chain else 0).to_bytes(4, "little") + buffer[16:INFO]
    return head + body
