# SPDX-License-Identifier: GPL-2.0-only
"""
Starts a machine whose firmware brings up an NPU2, and returns what was written to its registers.

What firmware and kernel say and write is real; behind the registers is nothing (shim/), so that
nothing here shows what silicon does.
"""

import contextlib
import functools
import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.errors import LabError
from lab.kernels import build, flavours
from lab.machine import devicetree, qemu
from lab.machine.machine import (ATTEMPTS, Argv, File, Listener, Outcome, RETRIED, die_with_parent, ended,
                                 initramfs)
from lab.npu2 import tree
from lab.paths import BUILD, write_atomic
from lab.progress import note

SHIM = Path(__file__).with_name("shim")
# Bytes of each GPU's RAM that exist, from the start of its window of 128 GiB. What is above them is
# nobody's to touch.
GPU_RAM = 256 << 20

_LINE = re.compile(r"(?P<way>SCOM|MMIO) (?P<kind>wr|rd) (?:ring )?(?P<place>[0-9a-f]{6,7})"
                   r"(?:/(?P<size>[1248]))? (?P<name>\w+) = (?P<value>[0-9a-f]{16})")


class Access(NamedTuple):
    """
    One access to a register, and one line of the log (str() gives it).

    way: "SCOM" or "MMIO"; kind: "wr" or "rd"; place: in the NPU2's ring, a byte address; size: in
    bytes, for MMIO only, else 0; name: of the register or of its table
    """
    way: str
    kind: str
    place: int
    size: int
    name: str
    value: int

    def __str__(self) -> str:
        where = f"{self.place:07x}/{self.size}" if self.way == "MMIO" else f"ring {self.place:06x}"
        return f"{self.way} {self.kind} {where} {self.name} = {self.value:016x}"


def accesses(text: str) -> list[Access]:
    """
    The register log, as a list of Access in the order they came.

    A last line without its end is left out: the emulator was killed while it wrote it. LabError
    for any other line that is not one of the log.
    """
    found = []
    for line in text.split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        access = match and Access(match["way"], match["kind"], int(match["place"], 16),
                                  int(match["size"] or 0), match["name"], int(match["value"], 16))
        if not access or str(access) != line:
            raise LabError(f"the register log has a line that the shim does not write: {line!r}")
        found.append(access)
    return found


def shim() -> Path:
    """Builds what is preloaded into the emulator, for this machine; its path."""
    return build.program("npu2-shim.so", sorted(SHIM.glob("*.c")), cross=False,
                         flags=["-shared", "-fPIC", "-fvisibility=hidden"])


def environment(root: qemu.Root, log: Path, ram: Path) -> dict[str, str]:
    """
    The emulator's environment with the shim in it.

    log: the file that the register log goes to; ram: the folder of the GPUs' RAM, ram<group> each
    """
    return {**qemu.environment(root), "LD_PRELOAD": str(shim()), "NPU2_LOG": str(log),
            "NPU2_RAM": str(ram)}


def command_line(append: str = "") -> str:
    """The kernel's: all memory is the kernel's here, since the GPUs have their own."""
    words = f"{qemu.CMDLINE} {append}".split()
    return " ".join(word for word in words if not word.startswith("mem="))


def boot(flavour: str, argv: Argv, files: Sequence[File] = (), gpus: int = 1, links: int = 3,
         switch: bool = False, timeout: float = 240, log: Path | None = None,
         vmlinux: Path | None = None) -> tuple[Outcome, list[Access]]:
    """
    Boots a flavour on a machine with GPUs, runs argv in it, and returns (Outcome, [Access]): its
    console and the register log of the start that counts.

    files: [(path in the machine, file or bytes)]; gpus, links, switch: see tree.layout
    timeout: in seconds, of the start that counts
    log: where the console is kept, whatever happens; the register log is kept beside it, with the
        suffix `.registers`
    vmlinux: in place of the flavour's, built of the same configuration

    A start that hangs in firmware is said and repeated; LabError after some, and for GPUs that
    cannot be.
    """
    chosen = tree.layout(gpus, links, switch)
    kernel, root = flavours.kernel(flavour), qemu.emulator()
    kernel = kernel._replace(vmlinux=vmlinux or kernel.vmlinux)
    for hangs in range(ATTEMPTS):
        nonce = secrets.token_hex(8)
        with _files(chosen) as folder:
            outcome = _attempt(root, kernel, flavours.flavour(flavour), chosen, folder,
                               initramfs(kernel, argv, nonce, files),
                               functools.partial(_listen, nonce, timeout))
            registers = _text(folder / "registers")
        if log:
            write_atomic(Path(log), "\n".join(outcome.console) + "\n")
            write_atomic(Path(log).with_suffix(".registers"), registers)
        if outcome.reason not in RETRIED:
            return outcome._replace(firmware_hangs=hangs), accesses(registers)
        note(f"{flavour}: {RETRIED[outcome.reason]} ({hangs + 1} of {ATTEMPTS} starts); starting "
             "again")
    raise LabError(f"{ATTEMPTS} starts of {flavour} with an NPU2 hung in firmware, or crashed; see "
                   f"{log or 'the console'}. The emulator or this machine is broken or overloaded")


@contextlib.contextmanager
def _files(chosen: tree.Layout) -> Iterator[Path]:
    """A folder for what one start leaves on the host, with the GPUs' RAM; it goes afterwards."""
    (BUILD / "run").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD / "run", prefix="npu2-") as name:
        for group in chosen.groups:
            # They have holes: they take what is written to them, no more.
            with open(Path(name) / f"ram{group}", "wb") as ram:
                ram.truncate(GPU_RAM)
        yield Path(name)


def _text(path: Path) -> str:
    # An emulator that could not even load the shim has said why on the console, and no log.
    return path.read_text("ascii") if path.exists() else ""


def _listen(nonce: str, timeout: float, process: subprocess.Popen[bytes]) -> Outcome:
    return Listener(process, nonce, timeout, None, None).listen()


def _attempt(root: qemu.Root, kernel: flavours.Kernel, flavour: flavours.Flavour, chosen: tree.Layout,
             folder: Path, archive: bytes, listen: Callable[[subprocess.Popen[bytes]], Outcome]) -> Outcome:
    extra = [*tree.devices(chosen), *flavours.COUNTED_TIME]
    initrd, dtb = folder / "initrd", folder / "dtb"
    initrd.write_bytes(archive)
    dtb.write_bytes(_tree(root, extra, flavour.append, chosen, len(archive)))
    # die_with_parent makes two system calls and takes no lock.
    with subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            qemu.command(root, kernel.vmlinux, initrd, dtb, extra),
            env=environment(root, folder / "registers", folder), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent) as process:
        try:
            return ended(process, listen(process))
        finally:
            process.kill()


def _tree(root: qemu.Root, extra: Sequence[str], append: str, chosen: tree.Layout, initrd_size: int) -> bytes:
    own = qemu.tree(root, extra, append, initrd_size)
    return devicetree.for_boot(tree.for_firmware(own, chosen), command_line(append), initrd_size)
