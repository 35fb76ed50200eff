# SPDX-License-Identifier: GPL-2.0-only
"""The ABI gate as a command, and what its tests give it."""

import contextlib
import functools
import io
import os
import subprocess
import tempfile
from pathlib import Path

from abigate import cli, sides
from lab import limits

GATE = sides.ROOT / "abi-tests/gate"
HEADER = (sides.ROOT / sides.HEADER).read_text(encoding="utf-8")
SPEC = (sides.ROOT / sides.SPEC).read_text(encoding="utf-8")
#: For what does not depend on the architecture.
ONE = ("--arch", "x86_64", "--quiet")


def run(*args, env=None, cwd=sides.ROOT, command=GATE):
    """The ABI gate, as a user would call it."""
    return subprocess.run(["/usr/bin/python3", str(command), *map(str, args)], cwd=cwd, text=True,
                          capture_output=True, timeout=limits.seconds(300), check=False,
                          env={**os.environ, **(env or {})})


@functools.cache
def _scratch():
    """A directory that goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="abi-gate-selftest-")


@functools.cache
def bench():
    """The self-check and the old sides, which all runs of the ABI gate in this process share."""
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
