# SPDX-License-Identifier: GPL-2.0-only
"""
Kernels that the lab builds, with other sources of ours in them, in seconds: for mutants of
kernel/powernv, which is built into vmlinux, and of kernel/v5_10, which is a part of vfio-pci.ko.

A copy of a finished build is kept below build/, the files of the source as links. Files that differ are
replaced there, and make goes on: it compiles what changed, and links. Nothing is written to the
cache, so that whatever ends a mutant leaves it as it is; and the next mutant puts its own sources
there, so that the copy needs no clean-up.

kbuild compiles anew what was made by another command than the one it would use now, and commands
name folders in full. So in a copy the records of the commands get its own folders.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tools.intree import tree as in_tree
from tools.intree import v5_10

from lab.errors import LabError
from lab.kernels import debugkernel, flavours, kernelmake, recompile, reference
from lab.kernels.kernelmake import CROSS, run
from lab.paths import BUILD, locked, write_atomic
from lab.progress import note
from lab.unpack import remove_tree

_HOME = BUILD / "relink"
POWERNV, V5_10 = "kernel/powernv/", "kernel/v5_10/"
DRIVER = Path(reference.DRIVER).name


class Part(NamedTuple):
    """A part of a kernel that mutants change: the folder here, and the file that is built of it."""
    folder: str
    product: str


def part_of(name: str) -> Part | None:
    """The Part of ours in a flavour's kernel, or None: what is there is built as modules."""
    chosen = flavours.ALL.get(name)
    if not chosen:
        return None
    if name == reference.SERIES:
        return Part(V5_10, DRIVER)
    if chosen.recipe and chosen.recipe.sources:
        return Part(f"{chosen.recipe.sources}/", "vmlinux")
    return None


def _part(name: str) -> Part:
    """The Part of ours in a flavour's kernel that has one."""
    part = part_of(name)
    if not part:
        raise LabError(f"{name} has nothing of ours in its kernel that could be linked anew")
    return part


def is_in_5_10(file: str) -> bool:
    """Whether a file of the repository is a part of the driver that Linux 5.10 gets."""
    folder, _, name = file.rpartition("/")
    return (folder in (v5_10.OWN, "generated/kernel") or folder.startswith("uapi")
            or folder == "kernel" and name in (*v5_10.SAME, "trace.h"))


def build(name: str, root: Path, target: Path, log: Path) -> Path:
    """
    Builds the Part of a flavour's kernel from the sources below `root`, which lie there as in the
    repository; its path is `target`, which is without what is for a debugger. LabError when it does
    not build, with the compiler's words.
    """
    part = _part(name)
    note(f"{name}: compiling what changed, and linking {part.product}")
    with locked(_HOME):
        folder = _copy(name)
        assert folder, "it is made when there is none"
        _place(name, root, folder)
        make = kernelmake.command(folder / "source", folder / "build",
                                  kernelmake.cached(_tools(name).compiler))
        wanted, product = ("modules", reference.DRIVER) if part.folder == V5_10 else \
            ("vmlinux", "vmlinux")
        debugkernel.run_long([*make, wanted], _tools(name).folders, log=log)
        target.parent.mkdir(parents=True, exist_ok=True)
        run([f"{CROSS}strip", "-g", "-o", target, folder / "build" / product], "strip")
    return target


def compiles(name: str, root: Path) -> bool:
    """
    Compiles the sources below `root` that are in a flavour's kernel, with the commands of its build;
    CheckFailed when one does not. False when the cache has no such build, and nothing is known.
    """
    part = _part(name)
    with locked(_HOME):
        folder = _copy(name, only_kept=True)
        if not folder:
            return False
        _place(name, root, folder)
        objects = [Path(v5_10.PLACE)] if part.folder == V5_10 else \
            [Path(place) for place in _sources(name, root) if place.endswith(".c")]
        for place in objects:
            recompile.compile_again(folder / "build", place.with_suffix(".o"),
                                    kernelmake.environment(_tools(name).folders))
    return True


def _place(name: str, root: Path, folder: Path) -> None:
    """Puts the sources below `root` into the copy of a kernel's build; make sees which changed."""
    if _part(name).folder == V5_10:
        v5_10.replace(folder / "source", root)
    else:
        in_tree.write(folder / "source", _sources(name, root))


def _recipe(name: str) -> debugkernel.Recipe:
    """How the lab builds a flavour's kernel, one with a part of ours."""
    recipe = flavours.flavour(name).recipe
    assert recipe, f"{name} is no kernel of a Recipe"
    return recipe


def _sources(name: str, root: Path) -> dict[str, str]:
    """{place in the kernel's tree: text} of what the recipe of a flavour puts there."""
    recipe = _recipe(name)
    return {f"{debugkernel.PLACE}/{path.name}": (root / recipe.sources / path.name).read_text("utf-8")
            for path in debugkernel.sources(recipe)}


def _tools(name: str) -> debugkernel.Tools:
    if name == reference.SERIES:
        return debugkernel.Tools(compiler=reference.COMPILER)
    return flavours.tools_of(flavours.flavour(name))


def _base(name: str, only_kept: bool) -> AbstractContextManager[debugkernel.Built | None]:
    """The finished build, as a context of debugkernel.Built, or of None."""
    chosen = flavours.flavour(name)
    apt = flavours.index(chosen.suite)
    if name == reference.SERIES:
        return reference.build_tree(apt, only_kept)
    return debugkernel.build_tree(apt, chosen.series, _tools(name), _recipe(name), only_kept)


def _copy(name: str, only_kept: bool = False) -> Path | None:
    """The copy of a flavour's finished build, made when there is none of that build; or None."""
    folder = _HOME / name
    with _base(name, only_kept) as base:
        if not base:
            return None
        stamp = folder / "stamp"
        if not stamp.exists() or stamp.read_text("utf-8") != base.stamp:
            remove_tree(folder)
            folder.mkdir(parents=True)
            note(f"{name}: copying its finished build to {folder} (once)")
            _copy_source(base.folder / "source", folder / "source")
            run(["cp", "-a", "--reflink=auto", base.folder / "build", folder / "build"], "cp")
            _move_records(folder / "build", base.origin, folder)
            write_atomic(stamp, base.stamp)
    return folder


def _copy_source(source: Path, target: Path) -> None:
    """The source as links, as in_tree.write() replaces what it changes and make reads only."""
    linked = source.stat().st_dev == target.parent.stat().st_dev
    if not linked:
        note(f"{target.parent} is on another disk than the cache: copying the source (1.5 GB)")
    run(["cp", "-al" if linked else "-a", source, target], "cp")


def _move_records(build_folder: Path, old: Path, new: Path) -> None:
    """Puts the copy's own folder into the records of what was built, in place of the one they have."""
    count = 0
    for path in build_folder.rglob("*.cmd"):
        text = path.read_text("utf-8")
        if str(old) in text:
            path.write_text(text.replace(str(old), str(new)), "utf-8")
            count += 1
    if not count:
        raise LabError(f"no record in {build_folder} names {old}: kbuild keeps them in another way "
                       "than lab/kernels/relink.py knows, and make would build everything anew")
