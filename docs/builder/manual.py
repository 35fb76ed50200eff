# SPDX-License-Identifier: GPL-2.0-only
"""
Builds the manual of a source tree with Sphinx: every warning is a failure.

kernel-doc, which takes the comments out of C sources, is the kernel's own script. It comes from
the headers in the lab's cache, or else from Debian's package of the kernel's build tools.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab.ageing import used
from lab.errors import LabError
from lab.kernels import flavours
from lab.kernels.build import clean_env
from lab.paths import ROOT, cache, locked
from lab.unpack import make_once, unpack

OUTPUT = ROOT / "build/docs"
_SERIES = "6.12"
_NEEDED = {"dot": "graphviz", "perl": "perl"}


def kernel_doc() -> Path:
    """The kernel's script, from the cache or fetched into it."""
    headers = cache() / "headers"
    for folder in sorted(headers.glob(f"{_SERIES}.*"), reverse=True):
        kept: list[Path] = sorted(used(folder).glob("usr/lib/linux-kbuild-*/scripts/kernel-doc"))
        if kept:
            return kept[-1]
    folder = used(cache() / "kernel-doc")
    with locked(folder):
        target: Path = make_once(folder / _SERIES, _fetch)
    script, = target.glob("usr/lib/linux-kbuild-*/scripts/kernel-doc")
    return script


def _fetch(draft: Path) -> None:
    apt = flavours.index()
    apt.refresh()
    package = apt.newest(rf"linux-kbuild-{_SERIES}\.\d+\+deb\d+")
    deb, = apt.fetch([package], "kernel-doc")
    unpack(deb, draft, ["*/scripts/kernel-doc"])
    deb.unlink()


def build(tree: Path, output: Path, anew: bool = True) -> tuple[int, str]:
    """
    Builds the manual of `tree` below `output`: (Sphinx' exit status, what it said). Unless `anew`,
    only what changed since the manual that is there, and what depends on it.
    """
    for program, package in _NEEDED.items():
        if not shutil.which(program):
            raise LabError(f"{program} is missing: apt-get install {package}")
    if anew:
        # What an older manual had is not to be found in this one.
        shutil.rmtree(output, ignore_errors=True)
    # -n: a reference that leads nowhere is a warning; -E, -a: of all pages.
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-n",
         *(["-E", "-a"] if anew else []),
         "-q", "-j", str(os.cpu_count() or 1), "-d", str(output / "doctrees"),
         str(Path(tree) / "docs"), str(output / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=clean_env() | {"NVLINK2_KERNEL_DOC": str(kernel_doc()), "LC_ALL": "C.UTF-8",
                           "PYTHONPATH": str(ROOT)})
    if "No module named" in done.stderr:
        raise LabError(f"{done.stderr.splitlines()[-1]}: apt-get install python3-sphinx "
                       "python3-myst-parser")
    return done.returncode, done.stdout + done.stderr
