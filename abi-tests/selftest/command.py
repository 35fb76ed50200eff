# SPDX-License-Identifier: GPL-2.0-only
"""The gate as a command, and what its tests give it: a bench, and tools that start quickly."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from abigate import cli, sides, toolchain
from abigate import run as starting
from codegen.tests.compilers import compile_c
from lab import limits

GATE = sides.ROOT / "abi-tests/gate"
HEADER = (sides.ROOT / sides.HEADER).read_text(encoding="utf-8")
SPEC = (sides.ROOT / sides.SPEC).read_text(encoding="utf-8")
#: For what does not depend on the architecture.
ONE = ("--arch", "x86_64", "--quiet")
TOOLS = tuple(tool for tool, *_ in toolchain.TOOLS)

_DATA = Path(__file__).resolve().parent / "data"
_MOST = 1 << 17


def run(*args, env=None, cwd=sides.ROOT, command=GATE):
    """The gate, as a user would call it."""
    return subprocess.run(["/usr/bin/python3", str(command), *map(str, args)], cwd=cwd, text=True,
                          capture_output=True, timeout=limits.seconds(300), check=False,
                          env={**os.environ, **(env or {})})


@functools.cache
def _scratch():
    """A directory that goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="abi-gate-selftest-")


@functools.cache
def bench():
    """The self-check and the old sides, which all runs of the gate in this process share."""
    return cli.Bench(Path(_scratch().name))


def ask(*args):
    """
    As run(), in this process: the tools are the same ones all the time, so they are looked for,
    and prove that they see, once.
    """
    said = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]), \
            contextlib.chdir(sides.ROOT):
        status = cli.main([*map(str, args)], bench())
    for stream in said:
        stream.seek(0)
    return subprocess.CompletedProcess(args, status, said[0].read(), said[1].read())


def changed(tmp_path, old, new, text=HEADER, name="vfio_nvlink2.h"):
    """A file with one change made."""
    assert text.count(old) == 1
    path = tmp_path / name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@functools.cache
def _library() -> Path:
    path = Path(_scratch().name) / "warm.so"
    objection = compile_c((_DATA / "warm.c").read_text(encoding="utf-8"), "-O2", "-shared", "-fPIC",
                          to=path)
    assert objection == "", objection
    return path


class Warm:
    """
    A program that was started once and is forked for every call: data/warm.c.

    Clang spends most of a short run in the dynamic linker, and the self-test calls it some
    thousand times. A forked child has the same program, arguments and files, the environment of the
    start, and does all the rest itself: nothing that one run finds out is there for the next.
    """

    def __init__(self, program: str):
        path = shutil.which(program)
        if path is None:
            raise FileNotFoundError(program)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # All symbols are bound once, in place of in every child.
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                [program], executable=path, pass_fds=[theirs.fileno()], process_group=0,
                stdin=subprocess.DEVNULL, env={
                    **os.environ, "LC_ALL": "C", "LD_PRELOAD": str(_library()), "LD_BIND_NOW": "1",
                    "WARM_FD": str(theirs.fileno())})

    def run(self, words: list[str], cwd: Path | None, text_in: str | None,
            timeout: float) -> subprocess.CompletedProcess:
        """As subprocess.run() with the output captured."""
        request = b"".join(os.fsencode(word) + b"\0" for word in (str(cwd or os.getcwd()), *words))
        if len(request) > _MOST:
            raise OSError(f"{words[0]} has {len(request)} bytes of arguments; raise MOST in data/warm.c")
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(os.memfd_create(name), "r+b")) for name in
                     ("stdin", "stdout", "stderr")]
            files[0].write((text_in or "").encode("utf-8"))
            files[0].seek(0)
            self._socket.settimeout(timeout)
            try:
                socket.send_fds(self._socket, [request], [file.fileno() for file in files])
                status = self._socket.recv(4)
            except TimeoutError:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, timeout) from None
            if len(status) != 4:
                raise OSError(f"{words[0]} ended while it waited for requests, with status "
                              f"{self._process.wait()}")
            said = []
            for file in files[1:]:
                file.seek(0)
                said.append(io.TextIOWrapper(file, "utf-8", "replace").read())
        number = int.from_bytes(status, "little")
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(number), *said)

    def close(self) -> None:
        """Ends the program."""
        self._socket.close()
        self._process.wait()


class _Pool:
    """Programs that wait: as many of each tool as there are threads at work."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Warm]] = {}
        self._lock = threading.Lock()

    def run(self, words: list[str], *how) -> subprocess.CompletedProcess:
        """As Warm.run()."""
        with self._lock:
            idle = self._idle.setdefault(words[0], [])
            warm = idle.pop() if idle else None
        # One that could not answer is not asked again.
        warm = warm or Warm(words[0])
        done = warm.run(words, *how)
        with self._lock:
            idle.append(warm)
        return done

    def close(self) -> None:
        """Ends them all."""
        for warm in (warm for idle in self._idle.values() for warm in idle):
            warm.close()


@contextlib.contextmanager
def warm_tools():
    """Inside of this, what the gate runs in this process is forked."""
    pool = _Pool()
    before = dict(starting.STARTERS)
    starting.STARTERS.update({tool: pool.run for tool in TOOLS})
    try:
        yield
    finally:
        starting.STARTERS.clear()
        starting.STARTERS.update(before)
        pool.close()
