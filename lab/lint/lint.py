# SPDX-License-Identifier: GPL-2.0-only
"""The static checks: the kernel's own (W=1, sparse, checkpatch, coccinelle), Python's and shell's."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from lab.errors import LabError
from lab.kernels import flavours, source
from lab.kernels.build import synchronize
from lab.lint import coccinelle, compilers, typed
from lab.paths import BUILD, ROOT, locked, write_atomic
from lab.progress import note
from lab.unpack import remove_tree

# Rules that cannot hold where a construct is the file's very purpose.
_EXEMPT = {
    # A kernel version is compared nowhere else.
    "kernel/compat.h": {"LINUX_VERSION_CODE", "CONSTANT_COMPARISON"},
    "kernel/v5_10/compat.h": {"LINUX_VERSION_CODE", "CONSTANT_COMPARISON"},
    # The kernel it is for takes no const one.
    "kernel/v5_10/sim/sim_changeset.c": {"CONST_STRUCT"},
    # OpalPciBusAll is the kernel's; what the lock is for stands above the struct, by kernel-doc.
    "kernel/powernv/npu2.c": {"CAMELCASE", "UNCOMMENTED_DEFINITION"},
    # TRACE_EVENT is laid out like this in every trace header of the kernel.
    "kernel/trace.h": {"PARENTHESIS_ALIGNMENT", "OPEN_ENDED_LINE"},
    # A list macro: neither an expression nor a statement.
    "generated/kernel/nvlink2_contract.h": {"COMPLEX_MACRO", "MACRO_ARG_REUSE"},
}
_KERNEL_C = ("kernel", "generated/kernel", "lab/bench/module")
_PYTHON = ("conftest.py", "codegen", "docs/builder", "examples/regions.py", "lab", "tests", "tools/intree",
           "packaging/deb.py", "abi-tests/abigate", "abi-tests/selftest", "abi-tests/gate", "abi-tests/face",
           "abi-tests/matrix")
# Debian's, with its own Python: another one lacks the modules that are imported.
PYLINT = ["/usr/bin/python3", "-m", "pylint"]
_INSTALL = "is missing: run `sh setup.sh lint`"


def _source() -> Path:
    return source.kept(flavours.index(), compilers.SERIES)


def _checkpatch_findings() -> list[str]:
    # It keeps the names in CamelCase that it has looked for, where it runs: not in our tree.
    tree = BUILD / "lint-checkpatch"
    with locked(tree):
        for folder in _KERNEL_C:
            remove_tree(tree / folder)
            synchronize(ROOT / folder, tree / folder)
        files = sorted(path for folder in _KERNEL_C for pattern in ("*.c", "*.h")
                       for path in (tree / folder).rglob(pattern) if not path.name.endswith(".mod.c"))
        done = subprocess.run(
            ["perl", str(_source() / "scripts/checkpatch.pl"), "--no-tree", "--strict", "--terse",
             "--show-types", "--no-summary", "--max-line-length=100", "--file",
             *(str(path.relative_to(tree)) for path in files)],
            cwd=tree, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+: ", line)]
    if done.returncode and not found:
        raise LabError(f"checkpatch.pl failed: {(done.stdout + done.stderr).strip()}")
    return [line for line in found if not exempt(line)]


def exempt(line: str) -> bool:
    """Says whether a finding of checkpatch is about a construct its file exists for."""
    match = re.match(r"(\S+):\d+: \w+:(\w+):", line)
    return match is not None and match[2] in _EXEMPT.get(match[1], ())


def _syntax_findings() -> list[str]:
    done = subprocess.run([sys.executable, "-W", "error", "-m", "compileall", "-q", "-f", *_PYTHON],
                          cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPYCACHEPREFIX": str(BUILD / "pycache")})
    return [done.stdout + done.stderr] if done.returncode else []


def _pylint_findings() -> list[str]:
    planted = BUILD / "lint-pylint/planted.py"
    write_atomic(planted, '"""Imports what it does not use."""\nimport os\n')
    done = subprocess.run([*PYLINT, "--rcfile=.pylintrc", "--score=n",
                           "--msg-template={path}:{line}: {msg} ({symbol})", *_PYTHON, str(planted)],
                          cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYLINTHOME": str(BUILD / "lint-pylint")})
    if "No module named pylint" in done.stderr:
        raise LabError(f"pylint {_INSTALL}")
    found = [line for line in done.stdout.splitlines() if line and not line.startswith("***")]
    ours = [line for line in found if "planted.py:" not in line]
    if not any("(unused-import)" in line for line in found if line not in ours):
        raise LabError(f"pylint did not report a planted mistake: {(done.stdout + done.stderr)[-500:]}")
    return ours


def _shell_findings() -> list[str]:
    scripts = [ROOT / "setup.sh", ROOT / ".ci/run", ROOT / "kernel/check-kernel.sh"]
    # A completion is sourced and has no first line that names its shell.
    completions = sorted((ROOT / "tools").glob("*/*.bash"))
    return [*_shellcheck([], scripts), *_shellcheck(["--shell=bash"], completions)]


def _shellcheck(options: Sequence[str], files: Sequence[Path]) -> list[str]:
    try:
        done = subprocess.run(["shellcheck", "--format=gcc", *options, *map(str, files)], cwd=ROOT,
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"shellcheck {_INSTALL}") from None
    return (done.stdout + done.stderr).splitlines()


# What `make lint` runs, and `make test` as one test each: {name: function that gives findings}. There
# are three parts of about the same length, each with its file of tests: files run side by side.
BUILDS: dict[str, Callable[[], list[str]]] = {
    f"gcc-sparse-{name}": partial(compilers.gcc_and_sparse, name) for name in flavours.BUILT_FOR}
SOURCES: dict[str, Callable[[], list[str]]] = {
    "clang": compilers.clang,
    "checkpatch": _checkpatch_findings,
    "coccinelle": lambda: coccinelle.findings(_source()),
}
SCRIPTS = {
    "pylint": _pylint_findings,
    "mypy": typed.findings,
    "python-syntax": _syntax_findings,
    "shellcheck": _shell_findings,
}
CHECKS = {**BUILDS, **SOURCES, **SCRIPTS}


def lint(names: Collection[str] = ()) -> list[str]:
    """Runs the checks of these names, or all, and returns all findings."""
    findings: list[str] = []
    for name in names or CHECKS:
        note(f"lint: {name}")
        found = CHECKS[name]()
        note(f"lint: {name}: {len(found)} findings" if found else f"lint: {name}: clean")
        findings += found
    return findings
