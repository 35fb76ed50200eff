# SPDX-License-Identifier: GPL-2.0-only
"""Installs the files that `make install` gives to programs into a folder of the build, for the importers."""

import functools
import os
import shutil
import subprocess

from lab.kernels import build
from lab.paths import BUILD, ROOT, locked
from lab.unpack import remove_tree

PREFIX = "/usr"
ROOT_OF_ALL = BUILD / "installed"
HEADER = ROOT_OF_ALL / "usr/include/linux/vfio_nvlink2.h"
DECODER = ROOT_OF_ALL / "usr/include/vfio_nvlink2_decode.h"
MODULE = ROOT_OF_ALL / "usr/lib/python3/dist-packages/vfio_nvlink2.py"


def install(folder, target="install", prefix=PREFIX):
    """Runs a target of packaging/Makefile for a folder; the tool is built where all build it."""
    with locked(BUILD / "tools"):
        build.run(["make", "-s", "-C", ROOT / "packaging", target, f"PREFIX={prefix}",
                   f"DESTDIR={folder}"], f"make {target}", env=build.clean_env())


@functools.cache
def development():
    """
    The folder with what `make install` puts in place for programs. Another process of the run may
    read there: what is the same stays.
    """
    with locked(ROOT_OF_ALL):
        draft = ROOT_OF_ALL / ".draft"
        remove_tree(draft)
        install(draft, "install-dev")
        if _files(draft / "usr") != _files(ROOT_OF_ALL / "usr"):
            remove_tree(ROOT_OF_ALL / "usr")
            (draft / "usr").rename(ROOT_OF_ALL / "usr")
        remove_tree(draft)
    return ROOT_OF_ALL


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pkg_config(folder, *words, prefix=PREFIX):
    """Returns the output of pkg-config for a folder that stands for the root of a system."""
    assert shutil.which("pkg-config"), "pkg-config is missing: run `sh setup.sh test`"
    done = subprocess.run(["pkg-config", *words, "vfio-nvlink2"], capture_output=True, text=True,
                          check=False, env=os.environ | {
                              "PKG_CONFIG_LIBDIR": f"{folder}{prefix}/share/pkgconfig",
                              "PKG_CONFIG_SYSROOT_DIR": str(folder),
                              "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def flags():
    """The compiler's flags of a program that found the installed header by pkg-config."""
    return pkg_config(development(), "--cflags")
