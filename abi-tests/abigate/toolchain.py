# SPDX-License-Identifier: GPL-2.0-only
"""Architectures, the compilers for them, and the tools that look at what they make."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import GateError
from .run import must, run


@dataclass(frozen=True)
class Target:
    """An architecture: clang's name of it, and where its own kernel headers are."""

    arch: str
    triple: str
    debian: str              # its name in linux-libc-dev-<name>-cross
    elf: tuple[str, bool]    # machine of its object files, and whether they are little-endian
    gcc: tuple[str, ...]     # a gcc that makes code for it, when it is installed
    includes: str = ""

    @property
    def package(self) -> str:
        return f"linux-libc-dev-{self.debian}-cross"


def _target(arch: str, triple: str, debian: str, machine: str, *gcc: str,
            little: bool = True) -> Target:
    return Target(arch, triple, debian, (f"EM_{machine}", little), gcc or (f"{triple}-gcc",),
                  f"/usr/{triple}/include")


#: The eight that matter: both byte orders, both data models, and every alignment rule there is.
TARGETS = (
    _target("x86_64", "x86_64-linux-gnu", "amd64", "X86_64"),
    _target("i386", "i686-linux-gnu", "i386", "386", "x86_64-linux-gnu-gcc", "-m32"),
    _target("ppc64le", "powerpc64le-linux-gnu", "ppc64el", "PPC64"),
    # One gcc makes code for both byte orders.
    _target("ppc64", "powerpc64-linux-gnu", "ppc64", "PPC64", "powerpc64le-linux-gnu-gcc", "-mbig",
            "-mabi=elfv1", little=False),
    _target("arm64", "aarch64-linux-gnu", "arm64", "AARCH64"),
    _target("armhf", "arm-linux-gnueabihf", "armhf", "ARM"),
    _target("s390x", "s390x-linux-gnu", "s390x", "S390", little=False),
    _target("riscv64", "riscv64-linux-gnu", "riscv64", "RISCV"),
)
ARCHES = tuple(target.arch for target in TARGETS)

#: Native compilers find their headers here, when the -cross package of the machine's own is absent.
_NATIVE = {"x86_64": ("/usr/include", "/usr/include/x86_64-linux-gnu"),
           "arm64": ("/usr/include", "/usr/include/aarch64-linux-gnu"),
           "ppc64le": ("/usr/include", "/usr/include/powerpc64le-linux-gnu")}

#: (command, package, least version, why): an older one misses changes that the ABI gate has to find.
TOOLS = (
    ("clang", "clang", (14,), "probes of every architecture"),
    ("abidw", "abigail-tools", (2, 2), "libabigail's view"),
    ("abidiff", "abigail-tools", (2, 2), "libabigail's view"),
    ("pahole", "dwarves", (1, 24), "layouts"),
)


@dataclass(frozen=True)
class Toolchain:
    """One compiler for one architecture."""

    arch: str
    compiler: str                    # clang or gcc
    command: tuple[str, ...]
    clang: tuple[str, ...]           # the clang of the same architecture: it lists the names
    system: Path                     # this architecture's <linux/vfio.h>
    elf: tuple[str, bool]            # what its object files say they are

    @property
    def name(self) -> str:
        return f"{self.arch} {self.compiler}"


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def tool_versions() -> dict[str, str]:
    """{tool: version}; GateError when one is missing or too old to see what it has to."""
    found = {}
    for command, package, least, why in TOOLS:
        text = must([command, "--version"], f"{why} cannot be had", package)
        version = _version(text)
        if version < least:
            wanted = ".".join(map(str, least))
            raise GateError(f"{command} {'.'.join(map(str, version)) or text.strip()} is too old, "
                            f"{wanted} is needed for {why}: apt-get install {package} on Debian 12 "
                            "or newer")
        found[command] = ".".join(map(str, version))
    return found


def _includes(target: Target) -> tuple[str, ...]:
    """Directories of the architecture's own kernel headers, the first one with linux/vfio.h."""
    if (Path(target.includes) / "linux/vfio.h").is_file():
        return (target.includes,)
    native = _NATIVE.get(target.arch, ())
    if native and all(Path(part).is_dir() for part in native) \
            and (Path(native[0]) / "linux/vfio.h").is_file():
        return native
    raise GateError(f"the kernel headers of {target.arch} are missing: apt-get install "
                    f"{target.package}")


def _compiles(command: tuple[str, ...]) -> bool:
    done = run([*command, "-ffreestanding", "-fsyntax-only", "-x", "c", "-"], "a first compilation",
               command[0], text_in="#include <linux/types.h>\n__u64 probe;\n")
    return done.returncode == 0


def _gcc(target: Target, flags: tuple[str, ...]) -> tuple[str, ...]:
    """The command of a gcc for the target; none when it is not installed or makes no such code."""
    if not shutil.which(target.gcc[0]):
        return ()
    own = must([target.gcc[0], "-print-file-name=include"], "gcc's own headers", "gcc").strip()
    command = (*target.gcc, "-nostdinc", "-isystem", own, *flags)
    return command if _compiles(command) else ()


def toolchains(arches: tuple[str, ...] = ARCHES) -> list[Toolchain]:
    """Clang for every architecture, which has to be there, and each gcc that is."""
    found = []
    for target in TARGETS:
        if target.arch not in arches:
            continue
        includes = _includes(target)
        # The headers of this architecture alone: another one's would be a silent substitute.
        flags = tuple(word for path in includes for word in ("-isystem", path))
        clang = ("clang", f"--target={target.triple}", "-nostdlibinc", *flags)
        system = Path(includes[0]) / "linux/vfio.h"
        if not _compiles(clang):
            raise GateError(f"clang cannot compile for {target.arch}: apt-get install clang "
                            f"{target.package}")
        found.append(Toolchain(target.arch, "clang", clang, clang, system, target.elf))
        gcc = _gcc(target, flags)
        if gcc:
            found.append(Toolchain(target.arch, "gcc", gcc, clang, system, target.elf))
    return found
