# SPDX-License-Identifier: GPL-2.0-only
"""
Shows a stock kernel on a board whose firmware has made an NPU2: with our driver alone, and with a
module that does with exported symbols what it can, probe/probe.c. That is never shipped; two of its
three tries end in an oops.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.kernels import build, flavours
from lab.kernels.build import CROSS
from lab.machine import interactive
from lab.machine.machine import File, LineHandler
from lab.npu2 import machine
from lab.paths import BUILD, locked
from lab.progress import note

SOURCE = Path(__file__).with_name("probe")
FLAVOUR = "6.12-64k"
#: The module's argument, and what it then does.
TRIES = (("what=0", "a group of all GPUs"), ("what=1", "a host bridge"),
         ("what=2", "a host bridge with a zeroed page for the private structure"))
_SAID = re.compile(r"(?:^\[ *[\d.]+\] )((?:\S+ \S+: )?probe: (?!loading|module).*|BUG: .*)")
_AT = re.compile(r"NIP \[c[0-9a-f]+\] (\w+)\+")
_DRIVER_SCRIPT = """\
/bin/busybox insmod /lab/nvlink2-vfio-pci.ko
for d in /sys/bus/pci/devices/*; do
    read -r id < $d/vendor
    [ $id = 0x10de ] || continue
    echo nvlink2-vfio-pci > $d/driver_override; echo ${d##*/} > /sys/bus/pci/drivers_probe
done
exec /bin/nvlink2-info
"""
_SCRIPT = """\
/bin/busybox insmod /lab/probe.ko "$0"
for d in /sys/bus/pci/devices/*; do
    read -r id < $d/vendor; read -r of < $d/device
    g=$(/bin/busybox readlink $d/iommu_group); echo "${d##*/} $id:$of group ${g##*/}"
done
"""


def story(console: Sequence[str]) -> list[str]:
    """Returns the lines about a try, in order; the place of an oops stands for its dump."""
    found: list[str] = []
    pending = False
    for line in console:
        match = _SAID.match(line)
        at = _AT.search(line)
        if match:
            found.append(match[1])
            pending = match[1].startswith("BUG: ")
        elif at and pending:
            found[-1] += f" in {at[1]}()"
            pending = False
    return found


def _module() -> Path:
    tree = BUILD / f"npu2-probe-{FLAVOUR}"
    with locked(tree):
        for path in SOURCE.iterdir():
            (tree / path.name).write_bytes(path.read_bytes())
        build.run(["make", "-C", flavours.kernel(FLAVOUR).headers, f"M={tree}", "ARCH=powerpc",
                   f"CROSS_COMPILE={CROSS}", "modules"], "the probe", env=build.module_env(FLAVOUR))
    return tree / "probe.ko"


def _start(what: str, files: Sequence[File], script: str, *arguments: str) -> list[str]:
    """Returns the console of one start."""
    note(f"starting {FLAVOUR} on a board with an NPU2: {what}")
    name = f"npu2-probe-{arguments[0][-1] if arguments else 'driver'}.log"
    outcome, _ = machine.boot(FLAVOUR, ["/bin/busybox", "sh", "-c", script, *arguments], files,
                              gpus=2, links=3, log=BUILD / "logs" / name)
    if not outcome.console or outcome.reason != "end":
        raise LabError(f"the machine ended by {outcome.reason}, not by itself: see build/logs/{name}")
    return outcome.console


def _printed(console: Sequence[str]) -> list[str]:
    return [line.partition("nvlab| ")[2] for line in console if "nvlab| " in line]


def run(show: LineHandler = print) -> None:
    """Starts the machine for the driver alone, and for each try, and shows what came of it."""
    busybox: File = ("bin/busybox", interactive.busybox())
    driver = "nvlink2-vfio-pci.ko"
    console = _start("the driver", [busybox, (f"lab/{driver}", build.modules(FLAVOUR)[driver]),
                                    ("bin/nvlink2-info", build.info_tool())], _DRIVER_SCRIPT)
    said = [line.partition("] ")[2] for line in console if "nvlink2-vfio-pci: " in line]
    show("\n".join(["the driver, on its own", *(f"    {line}" for line in said + _printed(console))]))
    files = [("lab/probe.ko", _module()), busybox]
    for argument, what in TRIES:
        console = _start(what, files, _SCRIPT, argument)
        lines = story(console)
        if not lines:
            raise LabError(f"the probe said nothing on {FLAVOUR} with {argument}: see build/logs")
        shown = [line for line in _printed(console) if re.search("0x10de:|0x1014:0x04ea", line)]
        show("\n".join([f"{argument}: {what}", *(f"    {line}" for line in lines + shown)]))
