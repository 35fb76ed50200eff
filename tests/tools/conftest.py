# SPDX-License-Identifier: GPL-2.0-only
"""The tool, built once, and a fresh machine for each test that wants one."""

import os

import pytest

from lab.paths import locked

from .support import BUILD, SANITIZE, Machine, build, need, run, ROOT


@pytest.fixture(name="tool", scope="session")
def tool_fixture():
    need("gcc")
    # One program for all processes of a run: the first builds it.
    with locked(BUILD / "sanitized"):
        return build(BUILD / "sanitized", "CC=gcc", f"CFLAGS={SANITIZE}")


@pytest.fixture(name="info", scope="session")
def info_fixture(tool):
    """Runs the tool as it is, without a made-up machine."""
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"}

    def info(*arguments, **options):
        return run(tool, *arguments, env=environment, **options)

    return info


@pytest.fixture(name="shim", scope="session")
def shim_fixture(tmp_path_factory):
    need("gcc")
    # Of this process: another one's may be loaded while this is written.
    shim = tmp_path_factory.mktemp("shim") / "fake_vfio.so"
    done = run("gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
               "-o", shim, ROOT / "tests/tools/fake_vfio.c", "-ldl")
    assert done.returncode == 0, done.stderr
    return shim


@pytest.fixture(name="machine")
def machine_fixture(tmp_path, tool, shim):
    return Machine(tmp_path, tool, shim)
