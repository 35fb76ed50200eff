# SPDX-License-Identifier: GPL-2.0-only
"""Starts an emulated machine, follows its console, and stops it when it has said its end."""

import contextlib
import ctypes
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lab import limits
from lab.errors import LabError
from lab.kernels import build, flavours
from lab.machine import qemu
from lab.machine.cpio import Archive
from lab.paths import BUILD, ROOT, write_atomic
from lab.progress import note

# About one start in twenty stops in firmware: it is silent for long, and no kernel has begun. Long is
# counted in processor time of the emulator, which load does not stretch, so that a hang that spins
# shows in a minute on a busy machine too. One that sleeps uses none, and only the clock shows it.
FIRMWARE_WORK = 15
FIRMWARE_SILENCE = 60
ATTEMPTS = 4
# How often an emulator is asked how long it has waited for a processor, in seconds.
_ASK_EVERY = 0.5
# What says nothing of what was to run.
RETRIED = {"firmware": "the firmware hung before the kernel began",
           "emulator": "the emulator crashed"}
# A file of the machine: its path there, and the file here or what is in it.
File = tuple[str, bytes | str | Path]
# The words of a command, or of several.
Argv = Sequence[str] | Sequence[Sequence[str]]
# Gets each line of a console.
LineHandler = Callable[[str], object]
_KERNEL_BEGAN = "Linux version "
_KERNEL_STOPPED = ("Kernel panic - not syncing", "Rebooting in")


class Outcome(NamedTuple):
    """What a machine did: its console and why the harness stopped listening."""
    console: list[str]
    nonce: str
    reason: str        # "end", "timeout", "panic", "exit"; "firmware" and "emulator" are retried
    seconds: float
    firmware_hangs: int
    cpu: float = 0.0   # the emulator's processor time, of the start that counts
    # Of one command of several that ran in a machine:
    status: int | None = None  # its own; that of the machine is in the end marker
    shared: int = 0     # so many lines at the end of the console are about all of them
    aside: str = ""     # what it did in a machine of its own


def initramfs(kernel: flavours.Kernel, argv: Argv, nonce: str, files: Sequence[File] = (),
              console: bool = False) -> bytes:
    """The archive the machine starts from. `files` is [(path in the machine, file or bytes)]."""
    archive = Archive()
    archive.char_device("dev/console", 5, 1)
    archive.file("init", build.init().read_bytes(), 0o755)
    order = []
    for module in kernel.modules:
        archive.file(f"lib/modules/{module.name}", module.read_bytes())
        order.append(f"/lib/modules/{module.name}\n")
    archive.file("lab/modules", "".join(order).encode())
    archive.file("lab/nonce", nonce.encode())
    if not isinstance(argv[0], str):
        archive.file("lab/lengths", " ".join(str(len(command)) for command in argv).encode())
    words = [word for part in argv for word in ([part] if isinstance(part, str) else part)]
    archive.file("lab/argv", b"".join(word.encode() + b"\0" for word in words))
    if console:
        archive.file("lab/console", b"")
    for name, content in files:
        data = content if isinstance(content, bytes) else Path(content).read_bytes()
        # The loader of a program is run too.
        program = "bin/" in name or ".so" in name
        archive.file(name, data, 0o755 if program else 0o644)
    return archive.data()


def payload(flavour: str) -> list[File]:
    """What every machine of the project carries: our modules, the tests, the golden blobs."""
    files: list[File] = [(f"lib/modules/{name}", path) for name, path in build.modules(flavour).items()]
    files.append(("bin/nvtest", build.nvtest()))
    golden = sorted((ROOT / "generated/user/golden").glob("*.bin"))
    if not golden:
        raise LabError("generated/user/golden is empty: run `make generate`")
    return files + [(f"golden/{path.name}", path) for path in golden]


def boot(flavour: str, argv: Argv, files: Sequence[File] = (), timeout: float = 120,
         on_line: LineHandler | None = None, append: str = "", extra: Sequence[str] = flavours.COUNTED_TIME,
         devices: Sequence[str] | None = None, log: Path | None = None) -> Outcome:
    """
    Boots a flavour, runs argv in it (the words of a command, or a list of such lists), and returns
    the Outcome. `extra` goes to the emulator, in
    place of counted time, and `devices` in place of the functions to dress.

    A start that hangs in firmware is said and repeated, and one whose emulator was killed by a
    signal, which nothing in the machine can bring about; everything else counts. The console is
    kept in `log`, whatever happens.
    """
    kernel = flavours.kernel(flavour)
    root = qemu.emulator()
    append = f"{flavours.flavour(flavour).append} {append}".strip()
    devices = qemu.devices() if devices is None else devices
    hangs = 0
    for _ in range(ATTEMPTS):
        nonce = secrets.token_hex(8)
        outcome = _attempt(root, kernel, initramfs(kernel, argv, nonce, files), nonce, timeout,
                           on_line, append, [*devices, *extra])
        if log:
            write_atomic(Path(log), "\n".join(outcome.console) + "\n")
        if outcome.reason not in RETRIED:
            return outcome._replace(firmware_hangs=hangs)
        hangs += 1
        note(f"{flavour}: {RETRIED[outcome.reason]} ({hangs} of {ATTEMPTS} starts); starting again")
    raise LabError(f"{ATTEMPTS} starts of {flavour} hung in firmware, or the emulator crashed; see "
                   f"{log or 'the console'}. The emulator or this machine is broken or overloaded")


def shell(flavour: str, argv: Argv, files: Sequence[File], append: str = "",
          extra: Sequence[str] = ()) -> Outcome:
    """Boots with the console on this terminal, until the command ends."""
    kernel = flavours.kernel(flavour)
    root = qemu.emulator()
    nonce = secrets.token_hex(8)
    archive = initramfs(kernel, argv, nonce, files, console=True)

    def show(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    append = f"{flavours.flavour(flavour).append} {append}".strip()
    return _attempt(root, kernel, archive, nonce, float("inf"), None, append,
                    [*qemu.devices(), *extra], show)


def _attempt(root: qemu.Root, kernel: flavours.Kernel, archive: bytes, nonce: str, timeout: float,
             on_line: LineHandler | None, append: str, extra: Sequence[str],
             on_data: Callable[[bytes], object] | None = None) -> Outcome:
    (BUILD / "run").mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=BUILD / "run", suffix=".cpio") as initrd, \
            tempfile.NamedTemporaryFile(dir=BUILD / "run", suffix=".dtb") as dtb:
        initrd.write(archive)
        initrd.flush()
        dtb.write(qemu.tree(root, extra, append, len(archive)))
        dtb.flush()
        command = qemu.command(root, kernel.vmlinux, initrd.name, dtb.name, extra)
        # die_with_parent makes two system calls and takes no lock.
        with subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                command, env=qemu.environment(root), stdin=None if on_data else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent) as process:
            try:
                return ended(process, Listener(process, nonce, timeout, on_line, on_data).listen())
            finally:
                process.kill()


def ended(process: subprocess.Popen[bytes], outcome: Outcome) -> Outcome:
    """The outcome of an emulator's process; another one when a signal that is not ours ended it."""
    if outcome.reason != "exit":
        return outcome
    try:
        crashed = process.wait(10) < 0
    except subprocess.TimeoutExpired:
        # It has closed its console, and lives.
        crashed = False
    return outcome._replace(reason="emulator") if crashed else outcome


def die_with_parent() -> None:
    """The emulator never outlives the harness, even one that was killed outright."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    # Ctrl-C is the harness's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def processor_seconds(pid: int) -> float:
    """The processor time of a child, of all its threads; also of one that ended and was not reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    # utime and stime, counted from the state, which follows the name.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pid: int) -> float:
    """How long a child was ready to run and had no processor: its thread that waited longest."""
    waited = 0
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return 0.0
    for thread in threads:
        # A thread may end meanwhile; a kernel may be built without the file.
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text("ascii")
            waited = max(waited, int(text.split()[1]))
    return waited / 1e9


class Listener:
    """
    Reads the console of one process until it ends, in one of several ways.

    Its time limits are of a clock that stands still while the process waits for a processor: however
    much else the machine has to do, an emulator gets the time it needs, and one that hangs does not.
    """

    def __init__(self, process: subprocess.Popen[bytes], nonce: str, timeout: float,
                 on_line: LineHandler | None, on_data: Callable[[bytes], object] | None) -> None:
        assert process.stdout is not None, "it is a pipe"
        self.stream = process.stdout
        self.pid = process.pid
        self.marker = f"nvlab: end {nonce} status="
        self.nonce = nonce
        self.on_line = on_line or (lambda line: None)
        self.on_data = on_data or (lambda data: None)
        self.started = time.monotonic()
        self.waited, self.asked = 0.0, self.started
        self.heard = self._clock()
        self.deadline = self.heard + timeout
        self.worked = 0.0
        self.console: list[str] = []
        self.rest = b""
        self.began = False
        self.limit = "timeout"
        self.reason: str | None = None

    def listen(self) -> Outcome:
        with selectors.DefaultSelector() as selector:
            selector.register(self.stream, selectors.EVENT_READ)
            while not self.reason:
                if selector.select(0.5):
                    self._read()
                else:
                    self._look_at_clock()
        if self.rest:
            self._line(self.rest)
        return Outcome(self.console, self.nonce, self.reason, time.monotonic() - self.started, 0,
                       processor_seconds(self.pid))

    def _clock(self) -> float:
        now = time.monotonic()
        # The console comes byte by byte, and the answer takes a system call for each thread.
        if now - self.asked > _ASK_EVERY:
            self.waited, self.asked = waited_seconds(self.pid), now
        return now - self.waited

    def _look_at_clock(self) -> None:
        now = self._clock()
        if not self.began and self._silent_for_long(now):
            self.reason = "firmware"
        elif now > self.deadline:
            self.reason = self.limit

    def _silent_for_long(self, now: float) -> bool:
        return processor_seconds(self.pid) - self.worked > FIRMWARE_WORK or \
            now - self.heard > FIRMWARE_SILENCE * limits.slowness()

    def _read(self) -> None:
        data = os.read(self.stream.fileno(), 65536)
        self.heard = self._clock()
        # The console comes byte by byte; asking once a line is enough.
        if not self.began and b"\n" in data:
            self.worked = processor_seconds(self.pid)
        self.on_data(data)
        if not data:
            self.reason = self.reason or "exit"
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if self.heard > self.deadline:
            self.reason = self.reason or self.limit

    def _line(self, raw: bytes) -> None:
        line = re.sub(r"[\r\0]", "", raw.decode("utf-8", "replace"))
        self.console.append(line)
        self.on_line(line)
        if _KERNEL_BEGAN in line:
            self.began = True
        if self.marker in line:
            self.reason = "end"
        elif self.began and any(sign in line for sign in _KERNEL_STOPPED):
            # What follows a panic comes within seconds.
            self.deadline = min(self.deadline, self._clock() + 3)
            self.limit = "panic"
