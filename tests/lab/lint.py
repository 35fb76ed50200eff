# SPDX-License-Identifier: GPL-2.0-only
"""Static checks: the kernel's own (W=1, sparse, checkpatch) and those of Python and shell."""

import os
import re
import subprocess
import sys
import tarfile

from . import build, flavours
from .errors import LabError
from .paths import BUILD, ROOT, cache, locked
from .progress import note
from .unpack import make_once, remove_tree, unpack

_CHECKPATCH_FILES = ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch")

# Rules that cannot hold where a construct is the file's very purpose.
_EXEMPT = {
    # A kernel version is compared nowhere else.
    "kernel/compat.h": {"LINUX_VERSION_CODE", "CONSTANT_COMPARISON"},
    # TRACE_EVENT is laid out like this in every trace header of the kernel.
    "kernel/trace.h": {"PARENTHESIS_ALIGNMENT", "OPEN_ENDED_LINE"},
    # A list macro: neither an expression nor a statement.
    "generated/kernel/nvlink2_contract.h": {"COMPLEX_MACRO", "MACRO_ARG_REUSE"},
}
_KERNEL_C = ("kernel", "generated/kernel")


def checkpatch():
    """The kernel's checkpatch.pl, out of Debian's source package of the same series."""
    target = cache() / "checkpatch"
    with locked(cache()):
        if not target.exists():
            apt = flavours.index()
            apt.refresh()
            series = next(iter(flavours.FLAVOURS.values())).series
            deb, = apt.fetch([f"linux-source-{series}"], f"linux-source-{series}")
            note("taking checkpatch.pl out of the kernel's source (half a minute)")
            make_once(target, lambda draft: _take_scripts(deb, draft))
            deb.unlink()
    return target / "checkpatch.pl"


def _take_scripts(deb, draft):
    raw = draft / "raw"
    unpack(deb, raw, ["./usr/src/linux-source-*.tar.xz"])
    archive, = raw.glob("usr/src/*.tar.xz")
    missing = set(_CHECKPATCH_FILES)
    # Read as a stream and left early: all of it would be 1.5 GB.
    with tarfile.open(archive, "r|xz") as source:
        for member in source:
            name = os.path.basename(member.name)
            if name in missing and f"/scripts/{name}" in member.name:
                (draft / name).write_bytes(source.extractfile(member).read())
                missing.discard(name)
                if not missing:
                    break
    if missing:
        raise LabError(f"{deb.name} has no scripts/{', '.join(sorted(missing))}")
    remove_tree(raw)


def _compiler_warnings(name):
    """Warnings of W=1 and sparse in our own files, from a build of everything."""
    tree = BUILD / f"lint-{name}"
    with locked(tree):
        for part in ("kernel", "generated", "uapi"):
            remove_tree(tree / part)
        build.synchronize_all(tree)
        command = build.make_command(name, tree, "W=1", "C=2")
        text = build.run(command, f"the module for {name}", env=build.clean_env())
    if "CHECK " not in text:
        raise LabError("the build ran no sparse: run `sh tests/setup.sh lint`")
    return [f"{name}: {line}" for line in own_warnings(text, tree)]


def own_warnings(text, tree):
    """The compiler's and sparse's complaints about files of the tree, not of the headers."""
    pattern = re.compile(rf"^{re.escape(str(tree))}/(\S+:\d+:.*(?:warning|error):.*)$", re.MULTILINE)
    return pattern.findall(text)


def _checkpatch_findings():
    files = sorted(path for folder in _KERNEL_C for pattern in ("*.c", "*.h")
                   for path in (ROOT / folder).rglob(pattern) if not path.name.endswith(".mod.c"))
    done = subprocess.run(
        ["perl", str(checkpatch()), "--no-tree", "--strict", "--terse", "--show-types", "--no-summary",
         "--max-line-length=100", "--file",
         *(str(path.relative_to(ROOT)) for path in files)],
        cwd=ROOT, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+: ", line)]
    if done.returncode and not found:
        raise LabError(f"checkpatch.pl failed: {(done.stdout + done.stderr).strip()}")
    return [line for line in found if not exempt(line)]


def exempt(line):
    """Whether a finding of checkpatch is about a construct its file exists for."""
    match = re.match(r"(\S+):\d+: \w+:(\w+):", line)
    return bool(match) and match[2] in _EXEMPT.get(match[1], ())


def _python_findings():
    done = subprocess.run([sys.executable, "-W", "error", "-m", "compileall", "-q", "-f",
                           "codegen", "tests"], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPYCACHEPREFIX": str(BUILD / "pycache")})
    return [done.stdout + done.stderr] if done.returncode else []


def _shell_findings():
    scripts = [path for path in (ROOT / "tests/setup.sh", ROOT / ".ci/run", ROOT / "abi-tests/run")
               if path.exists() and b"sh" in path.read_bytes().split(b"\n", 1)[0]]
    # A completion is sourced and has no first line to tell its shell by.
    completions = sorted((ROOT / "tools").glob("*.bash"))
    return [line for options, files in (([], scripts), (["--shell=bash"], completions))
            for line in _shellcheck(options, files)]


def _shellcheck(options, files):
    try:
        done = subprocess.run(["shellcheck", "--format=gcc", *options, *map(str, files)], cwd=ROOT,
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError("shellcheck is missing: run `sh tests/setup.sh lint`") from None
    return (done.stdout + done.stderr).splitlines()


def lint():
    """Runs every check and returns all findings."""
    findings = []
    checks = [(f"W=1 and sparse, {name}", lambda name=name: _compiler_warnings(name))
              for name in flavours.FLAVOURS]
    checks += [("checkpatch", _checkpatch_findings), ("Python", _python_findings),
               ("shell scripts", _shell_findings)]
    for title, check in checks:
        note(f"lint: {title}")
        found = check()
        note(f"lint: {title}: {len(found)} findings" if found else f"lint: {title}: clean")
        findings += found
    return findings
