# SPDX-License-Identifier: GPL-2.0-only
"""Programs of another release run in a script's guise, by their own loader and libraries."""

import shutil
import subprocess

import pytest

from lab.debian import privateroot, toolchain

SOURCE = r"""
#include <stdio.h>
int main(int argc, char **argv)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	printf("%s %s\n", argv[0], argc > 1 ? argv[1] : "-");
	while (fgets(line, sizeof(line), maps))
		fputs(line, stdout);
	return 7;
}
"""


@pytest.fixture(name="root")
def root_fixture(tmp_path):
    """A root with this machine's own loader and C library, and a program."""
    listed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    files = [word for word in listed.split() if word.startswith("/")]
    assert any("libc.so" in file for file in files) and len(files) >= 2
    for file in files:
        target = tmp_path / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (tmp_path / "usr/bin").mkdir(parents=True, exist_ok=True)
    for name, flags in (("dynamic", ()), ("static", ("-static",))):
        subprocess.run(["gcc", "-x", "c", "-", "-o", tmp_path / "usr/bin" / name, *flags],
                       input=SOURCE, text=True, check=True)
    (tmp_path / "usr/bin/script").write_text("#!/bin/sh\necho script\n")
    (tmp_path / "usr/bin/link").symlink_to("dynamic")
    return privateroot.PrivateRoot(tmp_path)


def run(path, *arguments):
    """(exit status, first line, the rest)"""
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    first, _, rest = done.stdout.partition("\n")
    return done.returncode, first, rest


def test_wrapped_program_uses_the_root(root):
    """Its arguments and its status pass through, and no library is the machine's."""
    program = root.path / "usr/bin/dynamic"
    toolchain.wrap(root.path / "usr/bin", root)
    status, first, maps = run(program, "two words $HOME")
    assert (status, first) == (7, f"{program} two words $HOME")
    libraries = {line.split()[-1] for line in maps.splitlines() if ".so" in line}
    assert libraries and all(name.startswith(str(root.path)) for name in libraries)


def test_wrapped_program_by_another_name(root):
    """A link runs the program it leads to, which finds what stands beside itself."""
    toolchain.wrap(root.path / "usr/bin", root)
    status, first, _ = run(root.path / "usr/bin/link")
    assert (status, first) == (7, f"{root.path}/usr/bin/dynamic -")


def test_wrapping_twice_changes_nothing(root):
    toolchain.wrap(root.path / "usr/bin", root)
    before = {path.name: path.read_bytes() for path in (root.path / "usr/bin").iterdir()}
    toolchain.wrap(root.path / "usr/bin", root)
    assert {path.name: path.read_bytes() for path in (root.path / "usr/bin").iterdir()} == before


def test_only_dynamic_programs_are_wrapped(root):
    kept = {name: (root.path / "usr/bin" / name).read_bytes() for name in ("static", "script")}
    toolchain.wrap(root.path / "usr/bin", root)
    assert {name: (root.path / "usr/bin" / name).read_bytes() for name in kept} == kept
    assert (root.path / "usr/bin/link").is_symlink()
    assert sorted(path.name for path in (root.path / "usr/bin").iterdir()) == [
        ".dynamic.elf", "dynamic", "link", "script", "static"]
