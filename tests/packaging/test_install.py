# SPDX-License-Identifier: GPL-2.0-only
"""`make install`: every file in its place, found by pkg-config, CMake and Python, and gone again."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.clients import golden
from lab.kernels import build
from lab.paths import ROOT

from . import installed

VERSION = (ROOT / "VERSION").read_text("ascii").strip()
PREFIXES = ("/usr", "/opt/nvlink2")
PROGRAM = """\
#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>
#include "vfio_nvlink2_decode.h"

int main(void)
{
	struct vfio_nvlink2_region region;

	return vfio_nvlink2_decode("", 0, &region) == VFIO_NVLINK2_OK;
}
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.13)
project(importer C)
find_package(vfio-nvlink2 {version} REQUIRED CONFIG)
add_executable(importer main.c)
target_link_libraries(importer vfio-nvlink2::vfio-nvlink2)
"""


def files(folder):
    """Every file below a folder, as a path from its root."""
    return {f"/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(name="root", scope="module")
def root_fixture(tmp_path_factory):
    """A folder that stands for the root of a system with all of it installed."""
    root = tmp_path_factory.mktemp("root")
    installed.install(root)
    return root


@pytest.mark.parametrize("path", [
    "include/linux/vfio_nvlink2.h", "include/vfio_nvlink2_decode.h", "bin/nvlink2-info",
    "lib/python3/dist-packages/vfio_nvlink2.py", "share/pkgconfig/vfio-nvlink2.pc",
    "share/cmake/vfio-nvlink2/vfio-nvlink2-config.cmake", "bin/vfio-nvlink2-gate",
    "share/cmake/vfio-nvlink2/vfio-nvlink2-config-version.cmake",
    "share/man/man1/nvlink2-info.1", "share/man/man1/vfio-nvlink2-gate.1",
    "share/bash-completion/completions/nvlink2-info", "share/vfio-nvlink2/abi-tests/gate",
    "share/bash-completion/completions/vfio-nvlink2-gate",
    "share/doc/vfio-nvlink2/README.driverctl", "share/doc/vfio-nvlink2/examples/90-nvlink2.rules"])
def test_install_has_it(root, path):
    assert f"/usr/{path}" in files(root)
    mode = (root / "usr" / path).stat().st_mode & 0o777
    assert mode == (0o755 if path.startswith("bin/") or path.endswith("/gate") else 0o644)


def test_install_brings_nothing_that_a_run_left(root):
    assert not [name for name in files(root) if re.search(r"__pycache__|\.pyc$|\.o$|/tests/", name)]


def test_installed_files_name_no_place_of_the_build(root):
    named = [path for path in root.rglob("*") if path.is_file()
             and "share" in path.parts and str(ROOT).encode() in path.read_bytes()]
    assert not named and str(root).encode() not in (root / "usr/bin/vfio-nvlink2-gate").read_bytes()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_uninstall_leaves_nothing(tmp_path, prefix):
    (tmp_path / "theirs").write_text("theirs\n")
    installed.install(tmp_path, prefix=prefix)
    assert f"{prefix}/bin/nvlink2-info" in files(tmp_path)
    installed.install(tmp_path, "uninstall", prefix)
    assert files(tmp_path) == {"/theirs"}


@pytest.mark.parametrize("compiler", ["gcc", "clang", f"{build.CROSS}gcc"])
def test_pkg_config_finds_the_header(root, tmp_path, compiler):
    """And only there: without the flags the program does not compile."""
    (tmp_path / "main.c").write_text(PROGRAM)
    command = [compiler, "-Wall", "-Werror", "-o", tmp_path / "main", tmp_path / "main.c"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    build.run([*command, *installed.pkg_config(root, "--cflags")], compiler)
    assert installed.pkg_config(root, "--modversion") == [VERSION]


@pytest.mark.parametrize("wanted, found", [(VERSION, True), ("0.0.1", True), ("99.0.0", False)])
def test_cmake_finds_the_target(root, tmp_path, wanted, found):
    assert shutil.which("cmake"), "cmake is missing: run `sh setup.sh test`"
    (tmp_path / "main.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(version=wanted))
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build",
                           f"-DCMAKE_PREFIX_PATH={root}/usr"], capture_output=True, text=True,
                          check=False)
    assert (done.returncode == 0) == found, done.stderr
    if found:
        build.run(["cmake", "--build", tmp_path / "build"], "cmake --build")
        assert subprocess.run([tmp_path / "build/importer"], check=False).returncode == 0
    else:
        assert "99.0.0" in done.stderr


def test_python_finds_the_module(root):
    blob = golden.FOLDER / "atsd.bin"
    code = (f"import vfio_nvlink2; print(vfio_nvlink2.__file__); "
            f"print(vfio_nvlink2.decode(open({str(blob)!r}, 'rb').read(), 'little').kind)")
    folder = root / "usr/lib/python3/dist-packages"
    said = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True,
                          check=True, cwd="/", env=os.environ | {"PYTHONPATH": str(folder)}).stdout
    assert said.splitlines() == [str(folder / "vfio_nvlink2.py"), "atsd"]


def gate(root, *words):
    """Runs the installed gate: by the path its wrapper has in the system it is installed for."""
    wrapper = (root / "usr/bin/vfio-nvlink2-gate").read_text()
    program, = re.findall(r"^exec /usr/bin/python3 (\S+) \"\$@\"$", wrapper, re.M)
    return subprocess.run(["/usr/bin/python3", f"{root}{program}", *map(str, words)], check=False,
                          capture_output=True, text=True, cwd="/")


def test_installed_gate_works_outside_of_a_tree(root, tmp_path):
    """Without git, on two headers, with both verdicts, and it knows its own rules."""
    old, new = tmp_path / "old.h", tmp_path / "new.h"
    old.write_text("struct it {\n\tint a;\n\tint b;\n};\n")
    new.write_text(old.read_text().replace("\tint b;\n", "\tlong b;\n"))
    same = gate(root, "--header", old, "--against", old, "--arch", "x86_64", "--quiet")
    assert same.returncode == 0, same.stdout + same.stderr
    changed = gate(root, "--header", new, "--against", old, "--arch", "x86_64", "--quiet")
    assert changed.returncode == 1 and "STRUCT_ALIGNMENT_CHANGED" in changed.stdout
    assert "FIELD_MOVED" in gate(root, "--list-rules").stdout
    released = gate(root, "--against", "v1", "--arch", "x86_64", "--quiet")
    assert released.returncode == 0, released.stdout + released.stderr
    assert not list(root.rglob("*.pyc"))


def test_manual_page_of_the_gate_has_every_option(root):
    """As --help has them."""
    of_help = set(re.findall(r"--([a-z-]+)", gate(root, "--help").stdout)) - {"help"}
    page = (root / "usr/share/man/man1/vfio-nvlink2-gate.1").read_text()
    of_page = set(re.findall(r"^\.It Fl \\-([a-z-]+)", page, re.M))
    assert of_page == of_help
    completion = (root / "usr/share/bash-completion/completions/vfio-nvlink2-gate").read_text()
    assert of_help | {"help"} == set(re.findall(r"--([a-z-]+)", completion))
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning",
                           root / "usr/share/man/man1/vfio-nvlink2-gate.1"], check=False,
                          capture_output=True, text=True)
    assert not lint.stdout, lint.stdout
