# SPDX-License-Identifier: GPL-2.0-only
"""
Runs compilers and sparse over the modules at W=1.

Debian's kernels are configured for gcc. For clang there is a tree of our own, out of the same
source and only prepared, never built: modules are compiled and linked against it, but what they
import is not looked up. Each build compiles planted mistakes too, which have to be reported.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.ageing import used
from lab.errors import LabError
from lab.kernels import build, flavours, kernelmake, source
from lab.paths import BUILD, cache, locked
from lab.progress import note
from lab.unpack import make_once, remove, remove_tree

SERIES = "6.12"
FRAGMENT = Path(__file__).with_name("clang.config")
# Debian 12's clang has no assembler for all of powerpc's assembly.
_CLANG = ("CC=clang", "LLVM_IAS=0")

PLANTED = "kernel/planted.c"
_MISTAKES = "int planted_global;\nstatic const int planted_static = 1;\n"
_BY_COMPILER = "-Wunused-const-variable"
_BY_SPARSE = "'planted_global' was not declared"
# Debug information and the last link bring no warning; the tests' own builds have both, for each
# kernel. modpost still looks up what the modules import.
_QUICK = ("KCFLAGS=-g0", "KBUILD_MODPOST_NOFINAL=1")


def gcc_and_sparse(name: str) -> list[str]:
    """Warnings of W=1 and sparse in our own files, from a build of everything for a flavour."""
    need("sparse")
    # The debug kernels have KUnit.
    more = ["KUNIT=1"] if flavours.flavour(name).debug else []
    return _warnings(name, lambda tree: build.make_command(name, tree, "W=1", "C=2",
                                                            # Debian's build tools lack the
                                                            # script that would switch it off.
                                                            "KBUILD_CHECKSRC=2", *_QUICK, *more),
                     [_BY_COMPILER, _BY_SPARSE]) + _bench_warnings(name)


def _bench_warnings(name: str) -> list[str]:
    """The same of the module that the driver is measured against; the tools are proved above."""
    tree = BUILD / f"lint-{name}"
    with locked(tree):
        remove_tree(tree / build.BENCH)
        build.synchronize(build.BENCH_MODULE, tree / build.BENCH)
        text = build.run(build.bench_command(name, tree, "W=1", "C=2", "KBUILD_CHECKSRC=2", *_QUICK),
                         f"the benchmark's module for {name}", env=build.module_env(name))
    return [f"{name}: {line}" for line in own_warnings(text, tree, build.BENCH)]


def clang() -> list[str]:
    """Warnings of clang at W=1, without KVM and with KUnit."""
    need("clang")
    kernel = clang_tree()
    return _warnings("clang", lambda tree: [
        "make", "-C", tree / "kernel", f"KDIR={kernel}", "ARCH=powerpc",
        f"CROSS_COMPILE={build.CROSS}", *_CLANG, "W=1", "KUNIT=1", "KBUILD_MODPOST_WARN=1"],
        [_BY_COMPILER])


def clang_tree() -> Path:
    """A kernel tree prepared for clang, kept in the cache."""
    tree = source.kept(flavours.index(), SERIES)
    compiler = kernelmake.run(["clang", "--version"], "clang").splitlines()[0]
    key = hashlib.sha256(f"{tree}\0{compiler}\0".encode() + FRAGMENT.read_bytes()).hexdigest()[:12]
    folder = cache() / "clang-tree"
    target = folder / key
    with locked(folder):
        used(target)
        if not target.exists():
            note(f"preparing Linux {SERIES} for clang (half a minute)")
            make_once(target, lambda draft: _prepare(tree, draft))
            for other in folder.iterdir():
                if other.name not in (key, ".lock"):
                    remove(other)
    return target


def _prepare(tree: Path, folder: Path) -> None:
    make = kernelmake.command(tree, folder, *_CLANG)
    kernelmake.configure(make, tree, folder, FRAGMENT)
    kernelmake.run([*make, "modules_prepare"], "make modules_prepare")


def _warnings(name: str, command: Callable[[Path], Sequence[str | Path]],
              expected: Sequence[str]) -> list[str]:
    tree = BUILD / f"lint-{name}"
    with locked(tree):
        build.planted_copy(tree, PLANTED, _MISTAKES)
        with open(tree / "kernel/Kbuild", "a", encoding="utf-8") as kbuild:
            kbuild.write("nvlink2-vfio-pci-y += planted.o\n")
        env = build.module_env(name) if name in flavours.ALL else build.clean_env()
        text = build.run(command(tree), f"the modules for {name}", env=env)
    return [f"{name}: {line}" for line in without_planted(own_warnings(text, tree), expected)]


def need(tool: str) -> None:
    """Raises when a tool is not there; the build would only say that make failed."""
    if not shutil.which(tool):
        raise LabError(f"{tool} is missing: run `sh setup.sh lint`")


def own_warnings(text: str, tree: str | Path, folder: str = "kernel") -> list[str]:
    """
    The compiler's and sparse's complaints about files of the tree, not of the headers; what has no
    whole path lies in the folder.
    """
    tree = Path(tree)
    found = []
    for line in re.findall(r"^\S+:\d+:.*(?:warning|error):.*$", text, re.MULTILINE):
        file, colon, rest = line.partition(":")
        # Linux 6.13 and later compile modules in their own folder, and name files from there.
        path = Path(file) if file.startswith("/") else tree / folder / file
        if tree in path.parents:
            found.append(f"{path.relative_to(tree)}{colon}{rest}")
    return found


def without_planted(found: Sequence[str], expected: Sequence[str]) -> list[str]:
    """The warnings that are ours to mend; an error when a planted mistake was not warned of."""
    planted = [line for line in found if line.startswith(f"{PLANTED}:")]
    lost = [text for text in expected if not any(text in line for line in planted)]
    if lost:
        raise LabError(f"the build did not warn of a planted mistake ({', '.join(lost)}): is the "
                       "tool there? Run `sh setup.sh lint`")
    return [line for line in found if line not in planted]
