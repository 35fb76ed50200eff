# SPDX-License-Identifier: GPL-2.0-only
"""The ABI gate without its tools: it never passes what it could not see."""

import os
import shutil
import subprocess
import sys

import pytest

from abigate import toolchain
from abigate.errors import GateError

from .command import GATE, ONE, run


@pytest.fixture(name="tools")
def tools_fixture(tmp_path):
    """A PATH of its own with links to what the ABI gate may run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("clang", "abidw", "abidiff", "pahole", "git", "sh"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def with_tools(folder):
    return {"PATH": str(folder)}


@pytest.mark.parametrize("tool, package", [("clang", "clang"), ("abidw", "abigail-tools"),
                                           ("abidiff", "abigail-tools"), ("pahole", "dwarves")])
def test_a_missing_tool_is_no_verdict(tools, tool, package):
    (tools / tool).unlink()
    done = run(*ONE, env=with_tools(tools))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tool} is missing: apt-get install {package}" in done.stderr


@pytest.mark.parametrize("tool, version", [("clang", "clang version 11.0.1"), ("abidiff", "abidiff: 1.8"),
                                           ("pahole", "v1.20"), ("abidw", "what is a version")])
def test_a_tool_too_old_is_no_verdict(tools, tool, version):
    script(tools / tool, f"echo '{version}'")
    done = run(*ONE, env=with_tools(tools))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tool} " in done.stderr and "is too old" in done.stderr


def script(path, text):
    """A stand-in for a tool that knows its own version."""
    real = os.path.realpath(path)
    path.unlink()
    if not text.startswith("echo"):
        text = f'case "$*" in *--version*) exec {real} "$@";; esac\n{text.format(real=real)}'
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


#: The output of a tool that looks at nothing, and the error of the ABI gate.
BLIND = {
    "abidiff that always agrees": ("abidiff", "exit 0", "libabigail is blind"),
    "abidiff that fails": ("abidiff", "exit 1", "abidiff ended with status 1"),
    "abidiff that says nothing": ("abidiff", "exit 4", "report is of an unknown form"),
    "abidw that leaves nothing": ("abidw", "exit 0", "left nothing"),
    "abidw that sees nothing": ("abidw", 'while [ "$1" != --out-file ]; do shift; done\n'
                                "echo '<abi-corpus/>' > \"$2\"", "libabigail does not see"),
    "pahole that says nothing": ("pahole", "exit 0", "it said nothing"),
    "pahole that shows one struct": ("pahole", "printf 'struct x {{\\n}};'", "pahole does not see"),
    "clang without debug information": (
        "clang", 'for word; do shift; case $word in -g*) ;; *) set -- "$@" "$word";; esac; done\n'
        'exec {real} "$@"', "pahole ended with status 1"),
    "clang of one architecture": (
        "clang", 'for word; do shift; case $word in --target=*) ;; *) set -- "$@" "$word";; esac; done\n'
        'exec {real} --target=aarch64-linux-gnu "$@"', "makes code for another machine, EM_AARCH64"),
    "clang that objects to nothing": (
        "clang", 'case "$*" in *-ferror-limit=0*) exit 0;; esac\nexec {real} "$@"', "is blind"),
}


@pytest.mark.parametrize("how", BLIND)
def test_a_blind_tool_is_no_verdict(tools, how):
    tool, text, says = BLIND[how]
    script(tools / tool, text)
    done = run(*ONE, env=with_tools(tools))
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert says in done.stderr


def test_headers_of_an_architecture_that_are_missing(monkeypatch):
    lost = toolchain.Target("s390x", "s390x-linux-gnu", "s390x", ("EM_S390", False),
                            ("s390x-linux-gnu-gcc",), "/nowhere")
    monkeypatch.setattr(toolchain, "TARGETS", (lost,))
    with pytest.raises(GateError, match="apt-get install linux-libc-dev-s390x-cross"):
        toolchain.toolchains()


def test_a_package_of_python_that_is_missing(tmp_path):
    (tmp_path / "elftools").mkdir()
    (tmp_path / "elftools/__init__.py").write_text(
        "raise ModuleNotFoundError('no', name='elftools')\n", encoding="ascii")
    text = GATE.read_text(encoding="utf-8").replace("sys.path[:0] = [",
                                                    f"sys.path[:0] = [{str(tmp_path)!r}, ")
    text = text.replace("Path(__file__).resolve().parent", f"Path({str(GATE.parent)!r})")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "apt-get install python3-pyelftools" in done.stderr
