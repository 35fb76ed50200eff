# SPDX-License-Identifier: GPL-2.0-only
"""Running other programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import GateError

# A guard against hanging, and nothing else: a compiler on a machine that is busy takes its time.
_TIMEOUT = 1800


def run(command: Sequence[object], what: str, install: str, cwd: Path | None = None,
        text_in: str | None = None) -> subprocess.CompletedProcess[str]:
    """The finished process, whatever its status; GateError when it cannot be started or hangs.

    `install` is the Debian package that has the program.
    """
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, text=True, errors="replace", cwd=cwd,
                              input=text_in, stdin=None if text_in else subprocess.DEVNULL,
                              timeout=_TIMEOUT, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise GateError(f"{words[0]} is missing: apt-get install {install}") from None
    except subprocess.TimeoutExpired:
        raise GateError(f"{what}: {words[0]} did not end within {_TIMEOUT} s") from None
    except OSError as err:
        raise GateError(f"{what}: {words[0]} cannot be run: {err.strerror}") from err


def must(command: Sequence[object], what: str, install: str) -> str:
    """The output of a program that has to succeed and to say something."""
    done = run(command, what, install)
    if done.returncode or not done.stdout.strip():
        words = (done.stderr or done.stdout).strip() or "it said nothing"
        raise GateError(f"{what}: {command[0]} ended with status {done.returncode}: {words[-2000:]}")
    return done.stdout
