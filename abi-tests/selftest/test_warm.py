# SPDX-License-Identifier: GPL-2.0-only
"""A tool that was started before answers as one that is started now, and keeps nothing of a run."""

import subprocess

import pytest

from abigate import run, toolchain
from abigate.errors import GateError

from . import command

CLANG = toolchain.toolchains(("ppc64",))[0].command
PROGRAM = "struct probe { int first; long second; } probe;\n#define ONE 1\n"
OTHER = PROGRAM.replace("first; long second", "second; long first; char third")


def answers(ask, folder):
    """What every tool says and leaves, in the order in which the gate asks."""
    folder.mkdir()
    source = folder / "probe.c"
    said = []

    def told(*words, text_in=None):
        done = ask([str(word) for word in words], folder, text_in)
        said.append((done.returncode, done.stdout, done.stderr))

    for name, text in (("old", PROGRAM), ("new", OTHER)):
        source.write_text(text, encoding="ascii")
        for more in (["-E", "-dD"], ["-g", "-gdwarf-5", "-c", "-o", f"{name}.o"],
                     ["-fsyntax-only", "-Xclang", "-ast-dump"]):
            told(*CLANG, "-ffreestanding", *more, "probe.c")
        told("pahole", "-C", "probe", f"{name}.o")
        told("abidw", "--no-comp-dir-path", "--no-corpus-path", "--out-file", f"{name}.abi", f"{name}.o")
    for tool in command.TOOLS:
        told(tool, "--version")
        told(tool, "--no-such-option", "nowhere")
    told("abidiff", "--harmless", "old.abi", "new.abi")
    told("abidiff", "--harmless", "new.abi", "new.abi")
    told(*CLANG, "-fsyntax-only", "-x", "c", "-", text_in="int x = \u00fc;\n")
    told(*CLANG, "-fsyntax-only", "-x", "c", "-", text_in="#include <linux/types.h>\n__u64 x;\n")
    # Addresses in a syntax tree are of a process.
    said[2] = said[2][::2]
    said[7] = said[7][::2]
    return said, {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_answers(tmp_path):
    def cold(words, cwd, text_in):
        return run._start(words, cwd, text_in, 600)  # pylint: disable=protected-access

    def quick(words, cwd, text_in):
        return run.STARTERS[words[0]](words, cwd, text_in, 600)

    # One folder for both: its name is in the debug information.
    wanted = answers(cold, tmp_path / "here")
    assert {status for status, *_ in wanted[0]} >= {0, 1, 4}
    (tmp_path / "here").rename(tmp_path / "there")
    assert answers(quick, tmp_path / "here") == wanted


def test_every_run_is_a_process_of_its_own(tmp_path):
    """A run that ends badly is told as one, and the next one is none the worse."""
    program = command.Warm("sh")
    try:
        kill = program.run(["sh", "-c", "echo gone; kill -9 $$"], tmp_path, None, 60)
        assert (kill.returncode, kill.stdout) == (-9, "gone\n")
        first, second = (program.run(["sh", "-c", "echo $$ $left; left=1; pwd; cat; exit 3"], tmp_path,
                                     "given", 60) for _ in range(2))
    finally:
        program.close()
    assert first.returncode == second.returncode == 3
    for done in (first, second):
        assert done.stdout.splitlines()[1:] == [str(tmp_path), "given"]
    assert first.stdout != second.stdout and len(first.stdout.splitlines()[0].split()) == 1


def test_a_run_that_hangs_is_ended(tmp_path):
    program = command.Warm("sh")
    with pytest.raises(subprocess.TimeoutExpired):
        program.run(["sh", "-c", "while :; do :; done"], tmp_path, None, 0.2)
    with pytest.raises(OSError):
        program.run(["sh", "-c", "exit 0"], tmp_path, None, 60)
    program.close()


def test_a_tool_that_is_missing_is_missing(monkeypatch):
    monkeypatch.setitem(run.STARTERS, "no-such-tool", run.STARTERS["clang"])
    with pytest.raises(GateError, match="no-such-tool is missing: apt-get install nothing"):
        run.run(["no-such-tool"], "a tool", "nothing")
