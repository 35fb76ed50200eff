# SPDX-License-Identifier: GPL-2.0-only
"""The gate as a command, and what its tests give it."""

import os
import subprocess

from abigate import sides

GATE = sides.ROOT / "abi-tests/gate"
HEADER = (sides.ROOT / sides.HEADER).read_text(encoding="utf-8")
SPEC = (sides.ROOT / sides.SPEC).read_text(encoding="utf-8")
#: For what does not depend on the architecture.
ONE = ("--arch", "x86_64", "--quiet")


def run(*args, env=None, cwd=sides.ROOT, command=GATE):
    """The gate, as a user would call it."""
    return subprocess.run(["/usr/bin/python3", str(command), *map(str, args)], cwd=cwd, text=True,
                          capture_output=True, timeout=300, check=False,
                          env={**os.environ, **(env or {})})


def changed(tmp_path, old, new, text=HEADER, name="vfio_nvlink2.h"):
    """A file with one change made."""
    assert text.count(old) == 1
    path = tmp_path / name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path
