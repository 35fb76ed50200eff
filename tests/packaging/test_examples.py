# SPDX-License-Identifier: GPL-2.0-only
"""
The examples, built and started as their README says. What they show of a device is tested in the
machine (tests/guest/test_examples.c).
"""

import os
import subprocess

import pytest

from lab.paths import ROOT

from . import installed

FOLDER = ROOT / "examples"


def environment(folder):
    return os.environ | {"PKG_CONFIG_LIBDIR": f"{folder}/usr/share/pkgconfig",
                         "PKG_CONFIG_SYSROOT_DIR": str(folder), "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                          **options)


def make(out, root, *settings):
    return run("make", "-s", "-C", FOLDER, f"O={out}", *settings, env=environment(root))


@pytest.fixture(name="commands", scope="module", params=["gcc g++", "clang clang++"])
def commands_fixture(request, tmp_path_factory):
    """The command line of each example, built with one pair of compilers."""
    out = tmp_path_factory.mktemp("examples")
    compilers = request.param.split()
    flags = "-O2 -Wall -Wextra -Wpedantic -Werror"
    done = make(out, installed.development(), *(f"{key}={value}" for key, value in zip(
        ("CC", "CXX", "CFLAGS", "CXXFLAGS"), (*compilers, flags, flags))))
    assert done.returncode == 0, done.stderr
    return [[out / "regions-c"], [out / "regions-cpp"], ["/usr/bin/python3", FOLDER / "regions.py"]]


@pytest.fixture(name="env")
def env_fixture():
    """The environment in which Python finds the module as pkg-config shows."""
    folder, = installed.pkg_config(installed.development(), "--variable=pythondir")
    return os.environ | {"PYTHONPATH": folder,
                         "PYTHONDONTWRITEBYTECODE": "1"}


def test_examples_without_a_device_print_their_usage(commands, env):
    for command in commands:
        done = run(*command, env=env)
        assert done.returncode == 2, done
        assert "usage: " in done.stderr and "DEVICE, such as 0004:04:00.0" in done.stderr


def test_examples_name_what_cannot_be_opened(commands, env):
    for command in commands:
        done = run(*command, "ffff:1f:1f.7", env=env)
        assert done.returncode == 1, done
        assert done.stderr.startswith("regions: ") and "No such file or directory" in done.stderr
        assert not done.stdout


def test_examples_without_the_package_say_its_name(tmp_path):
    done = make(tmp_path, tmp_path)
    assert done.returncode == 2
    assert "pkg-config does not find vfio-nvlink2: install libvfio-nvlink2-dev" in done.stderr
    assert not list(tmp_path.iterdir())


def test_readme_names_each_example():
    text = (FOLDER / "README.md").read_text("utf-8")
    sources = {path.name for path in FOLDER.iterdir() if path.name.startswith("regions.")}
    assert sources == {"regions.c", "regions.cpp", "regions.py"}
    assert all(f"`{name}`" in text for name in sources)
