# SPDX-License-Identifier: GPL-2.0-only
"""Builds C tests that use cmocka with the address and undefined-behaviour sanitizers, and runs them."""

import math
import os
import re
import shutil
import subprocess
from pathlib import Path

from lab import limits

FLAGS = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all"]
PACKAGES = {"gcc": "gcc libc6-dev", "clang": "clang libclang-rt-dev"}


def compile_program(program, compiler, sources, flags):
    """Compiles C files into one program; what is missing, and each complaint, is a failure."""
    assert shutil.which(compiler), f"{compiler} is missing: apt-get install {PACKAGES[compiler]}"
    assert Path("/usr/include/cmocka.h").exists(), (
        "cmocka is missing: apt-get install libcmocka-dev")
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([compiler, *FLAGS, *flags, "-o", str(program), *map(str, sources),
                           "-lcmocka"], capture_output=True, text=True,
                          timeout=limits.seconds(120), check=False)
    assert done.returncode == 0, done.stderr


def run_program(program, cpu_seconds=120, **environment):
    """
    One run of all tests; {name: passed} of those that ended, all output, and the status.

    A program that never ends is stopped by its own time, however busy the machine is; the seconds are
    those of a quick one.
    """
    cpu_seconds = math.ceil(cpu_seconds * limits.slowness())
    done = subprocess.run(["sh", "-c", f'ulimit -t {cpu_seconds}; exec "$0"', str(program)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=limits.seconds(300), check=False, errors="replace",
                          env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "LC_ALL": "C",
                               "UBSAN_OPTIONS": "print_stacktrace=1", **environment})
    lines = re.findall(r"^(ok|not ok) \d+ - (\w+)$", done.stdout, flags=re.M)
    return {name: verdict == "ok" for verdict, name in lines}, done.stdout, done.returncode
