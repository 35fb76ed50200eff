# SPDX-License-Identifier: GPL-2.0-only
"""The compilers, targets and standards that what users include has to compile with."""

import re
import shutil
import subprocess
from pathlib import Path

from lab import limits

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
FLAGS = [*WARNINGS, "-I", str(ROOT / "uapi")]
PPC_INCLUDE = "/usr/powerpc64le-linux-gnu/include"
CLANG_PPC = ["--target=powerpc64le-linux-gnu", "-nostdlibinc", "-isystem", PPC_INCLUDE,
             "-Wno-unused-command-line-argument"]

# name: C compiler, C++ compiler, flags, what to install
COMPILERS = {
    "gcc": ("gcc", "g++", [], "gcc g++ libc6-dev"),
    "clang": ("clang", "clang++", [], "clang libc6-dev"),
    "ppc64le-gcc": ("powerpc64le-linux-gnu-gcc", "powerpc64le-linux-gnu-g++", [],
                    "gcc-powerpc64le-linux-gnu g++-powerpc64le-linux-gnu"),
    "ppc64le-clang": ("clang", "clang++", CLANG_PPC, "clang libc6-dev-ppc64el-cross"),
}
STANDARDS = {"c": ["c90", "c99", "c11", "c17", "c2x"],
             "c++": ["c++11", "c++14", "c++17", "c++20"]}


def command(name, language, *first):
    """The compiler; of two folders with the same header, one in `first` wins."""
    c, cxx, flags, packages = COMPILERS[name]
    program = cxx if language == "c++" else c
    assert shutil.which(program), f"{program} is missing: apt-get install {packages}"
    return [program, "-x", language, *first, *flags]


def compile_one(name, language, text, *flags):
    """Returns the compiler's complaints; nothing when it is content."""
    done = subprocess.run([*command(name, language, *flags), *FLAGS, "-"], input=text,
                          capture_output=True, text=True, timeout=limits.seconds(60), check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stderr if done.returncode else ""


def without_nvlink2(text):
    """As in May 2021, when the kernel dropped the definitions: none is left."""
    text, defines = re.subn(r"^#define\s+\w*NVLINK2\w*\s.*\n", "", text, flags=re.M)
    text, structs = re.subn(r"^struct vfio_region_info_cap_nvlink2_\w+ \{[^}]*\};\n", "", text,
                            flags=re.M)
    assert (defines, structs) == (4, 2)
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    assert "nvlink2" not in code.lower()
    return text
