# SPDX-License-Identifier: GPL-2.0-only
"""
QEMU 7.2's own source files that use the NVLink2 definitions, unedited, from Debian's source
package: compiled against a <linux/vfio.h> without those definitions and with our header, and linked
with qemu_harness.c, which answers its question with a buffer.

What QEMU's build generates is made by QEMU's own scripts; of its configuration, what these files
ask for. Only what the two functions need is linked.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from lab import limits
from lab.debian import privateroot
from lab.kernels import build, flavours, sourcepackage
from lab.paths import BUILD
from lab.suites import clients
from lab.unpack import remove_tree
from tests.packaging import installed
from tests.uapi.compilers import without_nvlink2

HERE = Path(__file__).resolve().parent
# As it is installed.
HEADER = installed.development() and installed.HEADER
FILES = ("hw/vfio/pci-quirks.c", "hw/vfio/common.c")
_KEEP = ("hw", "include", "linux-headers", "migration", "qapi", "scripts", "target", "tcg",
         "trace")
_LIBRARIES = ("libglib2.0-dev", "libpixman-1-dev")

_CONFIG = {
    "config-host.h": """\
#define CONFIG_LINUX 1
#define CONFIG_POSIX 1
#define CONFIG_TCG 1
#define CONFIG_IOVEC 1
#define HOST_{host} 1
""",
    "config-target.h": """\
#define TARGET_PPC 1
#define TARGET_PPC64 1
#define TARGET_BIG_ENDIAN 1
#define TARGET_NAME "ppc64"
""",
    "config-devices.h": """\
#define CONFIG_VFIO 1
#define CONFIG_VFIO_PCI 1
#define CONFIG_PSERIES 1
""",
    "config-poison.h": "",
}
#: Compiler: what QEMU calls its architecture, its folder below tcg/, and asm headers.
HOSTS = {"gcc": ("X86_64", "i386", "asm-x86"),
         "powerpc64le-linux-gnu-gcc": ("PPC64", "ppc", "asm-powerpc")}


@cache
def source() -> Path:
    """QEMU's source, of the version that runs in the machine."""
    version = clients.qemu().version(clients.PACKAGE).partition("+b")[0]
    return sourcepackage.tree(flavours.RELEASE, "qemu", version, _KEEP)


@cache
def _libraries() -> Path:
    """Headers of the libraries that QEMU's headers include; nothing of them is linked."""
    return privateroot.packages(flavours.RELEASE, list(_LIBRARIES)).path


def _python(script: str, *arguments: object) -> None:
    build.run([sys.executable, source() / "scripts" / script, *arguments], script,
              env={**build.clean_env(), "PYTHONDONTWRITEBYTECODE": "1"})


@cache
def _by_scripts() -> Path:
    """Makes the files of QEMU's scripts, which are the same for every compiler."""
    folder = BUILD / "tests-clients" / "qemu-scripts"
    remove_tree(folder)
    for part in ("qapi", "trace"):
        (folder / part).mkdir(parents=True)
    _python("qapi-gen.py", "-b", "-o", folder / "qapi", source() / "qapi/qapi-schema.json")
    for kind in ("h", "c"):
        _python("tracetool.py", f"--format={kind}", "--backend=syslog", "--group=hw_vfio",
                source() / "hw/vfio/trace-events", folder / f"trace/trace-hw_vfio.{kind}")
    return folder


@cache
def generated(compiler: str) -> Path:
    """Makes the files that QEMU's configure and its scripts would make, for one compiler."""
    folder = BUILD / "tests-clients" / f"qemu-{compiler}"
    remove_tree(folder)
    for part in ("conf", "linux"):
        (folder / part).mkdir(parents=True)
    for part in ("qapi", "trace"):
        (folder / part).symlink_to(_by_scripts() / part)
    for name, text in _CONFIG.items():
        (folder / "conf" / name).write_text(text.format(host=HOSTS[compiler][0])
                                            if name == "config-host.h" else text, "ascii")
    system = source() / "linux-headers/linux/vfio.h"
    (folder / "linux/vfio.h").write_text(without_nvlink2(system.read_text("utf-8")), "utf-8")
    (folder / "asm").symlink_to(source() / "linux-headers" / HOSTS[compiler][2])
    return folder


def flags(compiler: str, header: Path | None) -> list[str]:
    """The compiler's flags; `header` stands in for the definitions taken out, None: nothing."""
    made = generated(compiler)
    library = _libraries()
    glib, = library.glob("usr/lib/*/glib-2.0/include")
    include = [made / "conf", made, source() / "include", source(), source() / "target/ppc",
               source() / "tcg" / HOSTS[compiler][1], source() / "hw/vfio",
               library / "usr/include/pixman-1", library / "usr/include/glib-2.0", glib]
    system = [made, source() / "linux-headers"]
    words = ["-std=gnu11", "-O2", "-Wall", "-ffunction-sections", "-fdata-sections",
             "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-DNEED_CPU_H",
             '-DCONFIG_TARGET="config-target.h"', '-DCONFIG_DEVICES="config-devices.h"',
             *(f"-I{folder}" for folder in include),
             *(word for folder in system for word in ("-isystem", str(folder)))]
    if header:
        words += ["-isystem", str(header.parents[1]), "-include", str(header)]
    return words


def compile_file(compiler: str, file: Path, target: Path, header: Path | None) -> str:
    """Compiles one file; what the compiler says, empty when it is content."""
    done = subprocess.run([compiler, *flags(compiler, header), "-c", str(file), "-o", str(target)],
                          capture_output=True, text=True, check=False, timeout=limits.seconds(120))
    if done.returncode and not done.stderr.strip():
        return f"{compiler} ended with status {done.returncode} and said nothing"
    return done.stderr


def program(folder: Path, header: Path) -> Path:
    """Compiles and links QEMU's files with the harness, for this machine."""
    objects = []
    for file in (*(source() / name for name in FILES), HERE / "qemu_harness.c",
                 generated("gcc") / "trace/trace-hw_vfio.c"):
        objects.append(folder / f"{file.stem}.o")
        complaint = compile_file("gcc", file, objects[-1], header)
        assert not complaint, complaint
    target = folder / "qemu_harness"
    build.run(["gcc", "-Wl,--gc-sections", "-Wl,--wrap=ioctl", "-o", target, *objects],
              "QEMU's functions with qemu_harness.c")
    return target
