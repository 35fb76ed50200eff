# SPDX-License-Identifier: GPL-2.0-only
"""docs/structure.md: its tables say who imports and includes whom, and the sources agree."""

import ast
import re
import subprocess

import pytest

from lab.paths import ROOT

PAGE = (ROOT / "docs/structure.md").read_text("utf-8")
# Files at the top of lab/ that all rooms stand on; the others stand on the rooms.
BASE = ("__init__", "ageing", "errors", "leftovers", "limits", "paths", "progress", "unpack")
KERNEL, TOOL = "Which kernel file knows which", "Which file of nvlink2-info knows which"
C_TABLES = {"kernel/": KERNEL, "tools/nvlink2-info/": TOOL}
SCRIPTS = ("abi-tests/face", "abi-tests/gate", "abi-tests/matrix")


def room_of(path):
    """The row of the first table that a file of Python belongs to."""
    *folders, name = path.split("/")
    if folders == ["lab"]:
        return "lab" if name.removesuffix(".py") in BASE else "lab's commands"
    if folders[:1] == ["codegen"] and folders[1:2] != ["tests"]:
        return "codegen"
    return "/".join(folders[:2])


def place_of(module, files):
    """The file that an imported name stands for, or None for one that is not ours."""
    path = module.replace(".", "/")
    for name, folder in (("abigate", "abi-tests"), ("deb", "packaging")):
        if path.split("/")[0] == name:
            path = f"{folder}/{path}"
    while path:
        for found in (f"{path}.py", f"{path}/__init__.py"):
            if found in files:
                return found
        path = path.rpartition("/")[0]
    return None


def imports(files):
    """{(room, room it imports)} of sources, {path: text}."""
    found = set()
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            places = {place_of(name, files) for name in names} - {None}
            found |= {(room_of(path), room_of(place)) for place in places}
    return {(room, other) for room, other in found if room != other}


def includes(files, folder):
    """{(file, file of ours that it includes)} of C sources, {path: text}, below a folder."""
    return {(path.removeprefix(folder), name.rpartition("/")[2]) for path, text in files.items()
            if path.startswith(folder) for name in re.findall(r'^#include "([^"]+)"', text, re.M)}


def table(title):
    """{(first cell, a word of the second)} of the table below a title of the page."""
    part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    rows = re.findall(r"^\| `?([^|`]+?)`? +\| (.*?) *\|$", part, re.M)[1:]
    return {(room, other) for room, others in rows
            for other in re.split(r", *", others.replace("`", "")) if other not in ("", "nothing")}


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True,
                            check=False)
    # An unpacked source package has no git.
    names = listed.stdout.split() if not listed.returncode else [
        path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(f"**/{pattern}")
        if "build" not in path.relative_to(ROOT).parts]
    found = {name: (ROOT / name).read_text("utf-8") for name in names if (ROOT / name).is_file()}
    assert len(found) > 5, f"no sources: {listed.stderr}"
    return found


def python():
    return sources("*.py", *SCRIPTS)


def c_files():
    return sources("*.c", "*.h")


def complaints(real, allowed):
    """Lines for each use that the page does not have, and for each that no source has."""
    return [*(f"{one} uses {other}, which docs/structure.md does not allow"
              for one, other in sorted(real - allowed)),
            *(f"docs/structure.md allows {one} to use {other}, which it does not"
              for one, other in sorted(allowed - real))]


def test_python_imports_what_the_page_allows():
    assert complaints(imports(python()), table("Who imports whom")) == []


@pytest.mark.parametrize("folder, title", C_TABLES.items())
def test_c_files_include_what_the_page_allows(folder, title):
    assert complaints(includes(c_files(), folder), table(title)) == []


@pytest.mark.parametrize("path, line, other", [
    ("lab/machine/qemu.py", "from lab.suites import judge", "lab/suites"),
    ("lab/paths.py", "import lab.kernels.flavours", "lab/kernels"),
    ("lab/kernels/build.py", "from tests.lab.test_structure import PAGE", "tests/lab"),
    ("abi-tests/abigate/cli.py", "def f():\n    from lab import paths", "lab"),
])
def test_forbidden_import_is_found(path, line, other):
    files = python()
    files[path] += f"\n{line}\n"
    assert complaints(imports(files), table("Who imports whom")) == [
        f"{room_of(path)} uses {other}, which docs/structure.md does not allow"]


@pytest.mark.parametrize("path, header, title", [
    ("kernel/topology.c", "device.h", KERNEL), ("kernel/gpu_ram.c", "platform.h", KERNEL),
    ("kernel/range.h", "compat.h", KERNEL), ("tools/nvlink2-info/json_writer.c", "device.h", TOOL),
    ("tools/nvlink2-info/region.c", "sysfs.h", TOOL)])
def test_forbidden_include_is_found(path, header, title):
    files = c_files()
    files[path] += f'#include "{header}"\n'
    folder, = (folder for folder, other in C_TABLES.items() if other == title)
    assert len(complaints(includes(files, folder), table(title))) == 1


@pytest.mark.parametrize("title", ["Who imports whom", TOOL])
def test_nothing_uses_itself_in_a_circle(title):
    below = {}
    for room, other in table(title):
        # Tests may use each other's helpers; a header stands for the C file of its name.
        if not room.startswith("tests/"):
            below.setdefault(re.sub(r"\.[ch]$", "", room), set()).add(re.sub(r"\.[ch]$", "", other))
    below = {room: others - {room} for room, others in below.items()}

    def walk(room, way):
        assert room not in way, " -> ".join([*way, room])
        for other in below.get(room, ()):
            walk(other, [*way, room])

    for room in below:
        walk(room, [])


def test_no_product_imports_a_test():
    tests = ("tests", "codegen/tests", "abi-tests/selftest")
    assert [(room, other) for room, other in table("Who imports whom")
            if other.startswith(tests) and not room.startswith(tests)] == []
