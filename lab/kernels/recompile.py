# SPDX-License-Identifier: GPL-2.0-only
"""
Compiles single files of a changed copy of the module's sources as kbuild compiled them.

kbuild records the command of each object, and the files it read, in `.NAME.o.cmd` beside it. The
same command with the other copy's paths shows whether a change compiles, in a tenth of the time that
make takes. It does not link: a name that nobody defines is found by a whole build only.
"""

import functools
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from lab.errors import CheckFailed, LabError
from lab.kernels import build, flavours

_COMMAND = re.compile(r"^(?:saved)?cmd_\S+ := +(.*)$", re.MULTILINE)
# Of the many objects that read a header, as many are compiled.
READERS = 2


class Object(NamedTuple):
    """One object of a build: its name in the tree, kbuild's command, and what it read there."""
    name: str
    command: str
    sources: frozenset[str]


class Recorded(NamedTuple):
    """What a finished build recorded: its tree, the folder the commands ran in, the objects."""
    tree: Path
    folder: Path
    objects: tuple[Object, ...]


def recorded(tree: Path, headers: Path) -> Recorded:
    """Reads the record of a finished build of `tree` against `headers`."""
    tree = tree.resolve()
    objects, folder = [], tree / "kernel"
    for path in sorted(folder.rglob(".*.o.cmd")):
        text = path.read_text("utf-8")
        command = _COMMAND.search(text)
        source = re.search(r"^source_\S+ := (\S+\.c)$", text, re.MULTILINE)
        if not command or not source or source[1].endswith(".mod.c"):
            continue
        if Path(source[1]).is_absolute():
            # Before 6.13 make works in the folder of the headers, and names ours in full.
            where = headers
            if tree not in Path(source[1]).parents:
                continue
        else:
            where = folder
        if not (where / source[1]).exists():
            # Left behind by a build of before the file went.
            continue
        read = text.partition("\ndeps_")[2].partition("\n\n")[0]
        names = [source[1], *re.findall(r"^ +(/?[^\s$]+)", read, re.MULTILINE)]
        inside = frozenset(str(found.relative_to(tree)) for found in
                           ((where / name).resolve() for name in names) if tree in found.parents)
        name = str((path.parent / path.name[1:].removesuffix(".cmd")).relative_to(tree))
        objects.append((where, Object(name, command[1], inside)))
    if not objects:
        raise LabError(f"{tree} has no record of a build")
    if len({where for where, _ in objects}) != 1:
        raise LabError(f"{tree}: kbuild worked in more than one folder")
    return Recorded(tree, objects[0][0], tuple(found for _, found in objects))


def of_flavour(name: str, kunit: bool = False) -> Recorded:
    """Builds a flavour's modules, once a run, and reads the record of that."""
    return _of_base(flavours.flavour(name).base, kunit)


@functools.cache
def _of_base(name: str, kunit: bool) -> Recorded:
    build.modules(name, kunit)
    return recorded(build.tree_of(name, kunit), flavours.kernel(name).headers)


def affected(record: Recorded, files: Iterable[str]) -> list[Object]:
    """The objects that show whether an edit of `files` compiles; CheckFailed when one is in none."""
    chosen: list[Object] = []
    # Sources first: an object that is compiled anyway may read the header too.
    for file in sorted(files, key=lambda name: not name.endswith(".c")):
        readers = [found for found in record.objects if file in found.sources]
        if not readers:
            raise CheckFailed(f"no object of the build reads {file}")
        known = [found for found in readers if found in chosen]
        chosen += [found for found in readers if found not in known][:max(0, READERS - len(known))]
    return chosen


def compile_copy(name: str, record: Recorded, copy: Path, objects: Iterable[Object]) -> None:
    """Compiles objects of a copy of the sources for a flavour; CheckFailed when one does not."""
    folder = record.folder
    if folder.is_relative_to(record.tree):
        folder = copy / folder.relative_to(record.tree)
    for found in objects:
        _compile(found.name, found.command.replace(str(record.tree), str(copy)), folder,
                 build.module_env(name))
        (copy / found.name).unlink()


def compile_again(folder: Path, name: Path, env: Mapping[str, str]) -> None:
    """
    Compiles an object of a kernel's own build once more, in the folder of that build; CheckFailed when
    its source does not compile now.
    """
    path = folder / name.parent / f".{name.name}.cmd"
    command = _COMMAND.search(path.read_text("utf-8")) if path.exists() else None
    if not command:
        raise LabError(f"{path} has no record of how {name} is compiled: that kernel is built without "
                       "it")
    _compile(name, command[1], folder, env)


def _compile(name: str | Path, command: str, folder: Path, env: Mapping[str, str]) -> None:
    # After the compiler come objtool and the like, for what is linked.
    done = subprocess.run(command.partition(" ; ")[0], shell=True, cwd=folder, env=env, check=False,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CheckFailed(f"{name} does not build:\n{(done.stdout + done.stderr).strip()}")
