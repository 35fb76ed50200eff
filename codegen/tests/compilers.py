# SPDX-License-Identifier: GPL-2.0-only
"""The compilers the tests need; one that is missing is a failure that says what to install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab import limits

PACKAGES = {"gcc": "gcc", "g++": "g++",
            "powerpc64le-linux-gnu-gcc": "gcc-powerpc64le-linux-gnu"}


def compile_c(text: str, *flags: str, compiler: str = "gcc", to: Path | None = None,
              language: str = "c") -> str:
    """Returns the compiler's complaints; nothing when it is content."""
    assert shutil.which(compiler), f"{compiler} is missing: apt-get install {PACKAGES[compiler]}"
    target = ["-o", str(to)] if to else ["-fsyntax-only"]
    result = subprocess.run([compiler, "-x", language, "-Wall", "-Wextra", "-Werror", *flags,
                             *target, "-"], input=text, capture_output=True, text=True,
                            timeout=limits.seconds(120), check=False)
    return "" if result.returncode == 0 else result.stderr or "failed"
