# SPDX-License-Identifier: GPL-2.0-only
"""
The kernels that the lab builds: each built once from Debian's source, then kept compressed. There
are kinds of them (Recipe): the debug kernels, of debug.config, and those with the platform's part
of NPU2 (kernel/powernv) in them.

What is kept is what the stock packages give for the other flavours: vmlinux, the modules the
tests need, and a tree to build our modules against. Its key is the source's version, the
configuration, the patches and the compiler; a part of it that changes makes a new kernel.

The patches are those of kernel/patches: faults of the kernel that would stop every run in the
debug kernel at the same place, before anything of ours. A second vmlinux, of the source as it is,
is kept of a debug kernel for the tests that show those faults; the patches change no interface of
a module.

A mutant of what is in such a kernel needs more: a finished build with everything that it made on
the way, so that make goes on with it (build_tree(), relink.py). It is made when the first one asks.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.ageing import used
from lab.debian.apt import Apt
from lab.errors import LabError
from lab.kernels import kernelmake, source
from lab.kernels.kernelmake import CROSS, run
from lab.paths import BUILD, ROOT, cache, locked, write_atomic
from lab.progress import note
from lab.unpack import make_once, remove, remove_tree

FRAGMENT = Path(__file__).with_name("debug.config")
# What a series has otherwise.
OWN_FRAGMENTS = {"7.2": Path(__file__).with_name("debug-7.2.config")}
# Of that, the sections a plain kernel is without, as they begin, and options of the other sections;
# and what it has in their place.
_OF_FAULTS = ("# What finds faults", "# What provokes them")
_OF_TESTS = r"^CONFIG_KUNIT\w*=.*\n"
PLAIN_FRAGMENT = Path(__file__).with_name("plain.config")
NPU2_FRAGMENT = Path(__file__).with_name("npu2.config")
# Where in a kernel's tree a recipe's sources belong.
PLACE = "arch/powerpc/platforms/powernv"
UNPATCHED = "vmlinux-unpatched"
# The compiler of the stock kernels of the series, unless they have tools of their own.
COMPILER = f"{CROSS}gcc-12"
_MODULES = ("arch/powerpc/kvm/kvm.ko", "arch/powerpc/kvm/kvm-hv.ko")
# Raised when what is kept is made in another way.
_RECIPE = 2
_LOGS = BUILD / "logs"
# Folders of one build, and a file.
_SCRATCH = ("build", "keep", "source", "settings.config")
# Clones that share a cache may each have another kernel of a series in use.
_KEPT = 3
# Of builds with everything, which are larger, the last that were used.
_KEPT_TREES = 2


class Recipe(NamedTuple):
    """
    A kind of kernel, and how it is made. `debug`: with all that finds faults; `settings`: what is
    on top of that, as files; `patches`: the folders that have a folder of them for each series,
    applied in this order; `sources`: the folder whose C files are copied into the tree;
    `keep_unpatched`: whether a vmlinux of the source as it is, is kept too. Folders are below ROOT.
    `minutes` it takes on 2 cores, and `steps`, the lines `make` prints, only show how far it is.
    """
    name: str
    debug: bool
    minutes: str
    steps: int
    settings: tuple[Path, ...] = ()
    patches: tuple[str, ...] = ("kernel/patches",)
    sources: str = ""
    keep_unpatched: bool = False


DEBUG = Recipe("debug", True, "5 to 10", 1700, keep_unpatched=True)
NPU2 = Recipe("npu2", False, "3 to 5", 1600, settings=(NPU2_FRAGMENT,),
              patches=("kernel/patches", "kernel/powernv/patches"), sources="kernel/powernv")
NPU2_DEBUG = NPU2._replace(name="npu2-debug", debug=True, minutes="4 to 8", steps=1700)


def patches(series: str, recipe: Recipe = DEBUG) -> list[Path]:
    """What is applied to the kernels of a series, in order."""
    found = []
    for folder in recipe.patches:
        of_folder = sorted((ROOT / folder / series).glob("*.patch"))
        if not of_folder:
            raise LabError(f"{folder}/{series} has no patch")
        found += of_folder
    return found


def sources(recipe: Recipe) -> list[Path]:
    """The files that are copied into the tree."""
    if not recipe.sources:
        return []
    folder = ROOT / recipe.sources
    found = sorted([*folder.glob("*.c"), *folder.glob("*.h")])
    if not any(path.suffix == ".c" for path in found):
        raise LabError(f"{recipe.sources} has no C file")
    return found


def fragment(series: str, recipe: Recipe = DEBUG) -> str:
    """The settings of a series' kernel, as a text for merge_config.sh."""
    text = FRAGMENT.read_text("utf-8")
    if recipe.debug:
        own = [OWN_FRAGMENTS[series]] if series in OWN_FRAGMENTS else []
    else:
        text, own = _without_faults(text), [PLAIN_FRAGMENT]
    for path in (*own, *recipe.settings):
        text = _with(text, path.read_text("utf-8"))
    return text


def _without_faults(text: str) -> str:
    """debug.config without what finds faults; its sections are apart by an empty line."""
    sections = text.split("\n\n")
    kept = [section for section in sections if not section.startswith(_OF_FAULTS)]
    if len(sections) - len(kept) != len(_OF_FAULTS):
        raise LabError(f"{FRAGMENT.name} has no sections {', '.join(_OF_FAULTS)}, one of each: "
                       "what a plain kernel is without (debugkernel.py) has to follow")
    return re.sub(_OF_TESTS, "", "\n\n".join(kept), flags=re.M)


def _with(text: str, own: str) -> str:
    """Settings with others after them, in place of those of the same name."""
    for name in re.findall(r"^(?:# )?(CONFIG_\w+)(?:=| is not set)", own, re.M):
        text = re.sub(rf"^(?:# )?{name}(?:=.*| is not set)\n", "", text, flags=re.M)
    return text + own


class Tools(NamedTuple):
    """What a kernel is compiled with: folders that come first in PATH, and the compiler's name."""
    folders: tuple[str, ...] = ()
    compiler: str = COMPILER


class Built(NamedTuple):
    """
    A finished build with all that it made on the way. `folder` has `source` and `build` in it;
    `origin` is where these were when it was made, which kbuild's records name; `stamp` is another
    one for each build.
    """
    folder: Path
    origin: Path
    stamp: str


def kernel(apt: Apt, series: str, tools: Tools = Tools(), refresh: bool = False,
           recipe: Recipe = DEBUG) -> tuple[str, Path]:
    """(release, folder) of a series' kernel of a kind, built when it is not in the cache."""
    home = cache() / f"{recipe.name}-kernel"
    with locked(home):
        archive = _current(apt, home, series, lambda: _archive(home, series, recipe, tools), refresh)
        if not archive.exists():
            try:
                _make(source.tree(apt, series), series, recipe, tools, archive)
            finally:
                _remove_scratch(home)
        folder = home / archive.name.removesuffix(".tar.xz")
        make_once(folder, lambda draft: run(["tar", "-xJf", archive, "-C", draft], "tar"))
        _tidy(home, archive)
        return (folder / "release").read_text("utf-8").strip(), folder


@contextlib.contextmanager
def build_tree(apt: Apt, series: str, tools: Tools = Tools(), recipe: Recipe = NPU2,
               only_kept: bool = False) -> Iterator[Built | None]:
    """
    A finished build of a kernel of a kind, as Built, which nobody changes. It is made when the cache
    has none, or is None with `only_kept`; and it stays as it is while the context lasts.

    The sources of ours in it may be older ones: whoever goes on with a copy puts theirs there. So a
    change of kernel/powernv makes no new one; a change of the patches does.
    """
    home = cache() / f"{recipe.name}-kernel"
    with locked(home):
        if only_kept and not (_record(home, series).exists()
                              and _tree(home, series, recipe, tools).exists()):
            yield None
            return
        folder = _current(apt, home, series, lambda: _tree(home, series, recipe, tools))
        if not folder.exists():
            note(f"keeping a build of the {recipe.name} kernel {series} with all its objects, which "
                 f"mutants of {recipe.sources} go on with (once)")
            try:
                _build(source.tree(apt, series), series, recipe, tools,
                       _archive(home, series, recipe, tools))
                make_once(folder, lambda draft: _move(home, draft))
            finally:
                _remove_scratch(home)
        used(folder)
        _tidy_trees(folder, f"{recipe.name}-{series}-")
        yield Built(folder, home, (folder / "stamp").read_text("ascii"))


def _current(apt: Apt, home: Path, series: str, place: Callable[[], Path], refresh: bool = False) -> Path:
    """The place of a kernel of the recorded source; of the newest one when there is nothing yet."""
    if refresh or not _record(home, series).exists():
        _write_record(apt, home, series)
    found = place()
    if not found.exists():
        _write_record(apt, home, series)
        found = place()
    return found


def _tree(home: Path, series: str, recipe: Recipe, tools: Tools) -> Path:
    version = json.loads(_record(home, series).read_text("utf-8"))["version"]
    key = key_of(series, version, tools, recipe._replace(sources=""))
    return cache() / "build-trees" / f"{recipe.name}-{key}"


def _move(home: Path, draft: Path) -> None:
    for name in ("source", "build"):
        (home / name).rename(draft / name)
    (draft / "stamp").write_text(f"{time.time_ns()}", "ascii")


def _tidy_trees(newest: Path, kind: str) -> None:
    """Removes what an interrupted start left, and all trees of a kind but the last that were used."""
    os.utime(newest)
    found = sorted(newest.parent.glob(f"{kind}*"), key=lambda path: path.stat().st_mtime)
    for path in [*found[:-_KEPT_TREES], *newest.parent.glob(f".{kind}*.draft")]:
        note(f"removing the build tree {path.name}, which others came after")
        remove(path)


def _remove_scratch(home: Path) -> None:
    for path in (home / name for name in _SCRATCH):
        if path.exists():
            remove(path)


def _record(home: Path, series: str) -> Path:
    return home / f"source-{series}.json"


def _write_record(apt: Apt, home: Path, series: str) -> None:
    """Writes down which version of the source the index has."""
    version = source.package(apt, series)[1]
    write_atomic(_record(home, series), json.dumps({"version": version}) + "\n")


def _archive(home: Path, series: str, recipe: Recipe, tools: Tools) -> Path:
    version = json.loads(_record(home, series).read_text("utf-8"))["version"]
    return home / f"{key_of(series, version, tools, recipe)}.tar.xz"


def _tidy(home: Path, newest: Path) -> None:
    """Removes what an interrupted start left, and all kernels but the last that were used."""
    newest.touch()
    archives = sorted(home.glob("*.tar.xz"), key=lambda path: path.stat().st_mtime)
    series_of = {path: path.name.partition("-")[0] for path in archives}
    kept = {".lock"} | {path.name for path in home.glob("source-*.json")}
    for series in set(series_of.values()):
        of_series = [path for path in archives if series_of[path] == series]
        kept |= {path.name.removesuffix(".tar.xz") for path in of_series[-_KEPT:]}
    for path in home.iterdir():
        if path.name.removesuffix(".tar.xz") not in kept:
            remove(path)


def key_of(series: str, version: str, tools: Tools = Tools(), recipe: Recipe = DEBUG) -> str:
    """The name of a kernel: another one for each source, recipe and compiler."""
    compiler = run([tools.compiler, "--version"], tools.compiler, tools.folders).splitlines()[0]
    parts = f"{_RECIPE}\0{_MODULES}\0{version}\0{compiler}\0".encode()
    parts += fragment(series, recipe).encode()
    # What they say is of no matter to a kernel.
    parts += "".join(path.read_text("utf-8").partition("\ndiff ")[2]
                     for path in patches(series, recipe)).encode()
    for path in sources(recipe):
        parts += f"\0{path.name}\0".encode() + path.read_bytes()
    digest = hashlib.sha256(parts).hexdigest()
    return f"{series}-{re.sub('[^A-Za-z0-9.]', '_', version)}-{digest[:12]}"


def _make(tree: Path, series: str, recipe: Recipe, tools: Tools, archive: Path) -> None:
    """Builds in a folder of its own, at first without the patches if need be, and packs it."""
    build, keep, copy = (archive.parent / name for name in _SCRATCH[:3])
    make = _build(tree, series, recipe, tools, archive)
    log = _log(recipe)
    if recipe.keep_unpatched:
        _strip(build / "vmlinux", keep / UNPATCHED)
        _change(copy, series, recipe, tools, archive)
        run_long([*make, "vmlinux", "modules"], tools.folders, again=True, log=log)
    _look(build, recipe)
    _keep(make, copy, build, keep, tools)
    if recipe.keep_unpatched and (keep / "vmlinux").read_bytes() == (keep / UNPATCHED).read_bytes():
        raise LabError("the patches changed nothing in the kernel: they were not compiled")
    note(f"packing the {recipe.name} kernel")
    draft = archive.with_suffix(".draft")
    run(["tar", "-cf", draft, "-C", keep, "--use-compress-program=xz -1 -T0", "."], "tar")
    draft.replace(archive)


def _build(tree: Path, series: str, recipe: Recipe, tools: Tools, archive: Path) -> list[str | Path]:
    """Builds a kernel, without the patches if the vmlinux without them is kept; its make command."""
    build, keep, copy = (archive.parent / name for name in _SCRATCH[:3])
    for folder in (build, keep):
        remove_tree(folder)
        folder.mkdir()
    # A copy whose files are links: those that change are replaced.
    remove_tree(copy)
    run(["cp", "-al", tree, copy], "cp")
    make = kernelmake.command(copy, build, kernelmake.cached(tools.compiler))
    note(f"building the {recipe.name} kernel {series} (once; {recipe.minutes} minutes on 2 cores)")
    if not recipe.keep_unpatched:
        _change(copy, series, recipe, tools, archive)
    settings = keep.parent / _SCRATCH[3]
    settings.write_text(fragment(series, recipe), "utf-8")
    kernelmake.configure(make, copy, build, settings, tools.folders)
    run_long([*make, "vmlinux", "modules"], tools.folders, log=_log(recipe), steps=recipe.steps)
    return make


def _change(copy: Path, series: str, recipe: Recipe, tools: Tools, archive: Path) -> None:
    """Applies the patches to the copy of the source, and puts the sources of ours into it."""
    for path in patches(series, recipe):
        note(f"applying {path.name}")
        run(["patch", "-p1", "-d", copy, "--fuzz=0", "--no-backup-if-mismatch", "-i", path],
            f"patch {path.name}")
    for path in sources(recipe):
        target = copy / PLACE / path.name
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target)
    # What is built must not be kept under the name of what was there before.
    if _archive(archive.parent, series, recipe, tools) != archive:
        raise LabError(f"what the {recipe.name} kernel is made of changed in the meantime: start "
                       "again")


def _look(build: Path, recipe: Recipe) -> None:
    """Raises when the build has passed over all of the sources of ours."""
    wanted = [path.stem for path in sources(recipe) if path.suffix == ".c"]
    if wanted and not any((build / PLACE / f"{stem}.o").exists() for stem in wanted):
        raise LabError(f"no file of {recipe.sources} was compiled: {PLACE}/Makefile names none")


def _log(recipe: Recipe) -> Path:
    return _LOGS / f"{recipe.name}-kernel.log"


def _strip(path: Path, target: Path) -> None:
    run([f"{CROSS}strip", "-g", "-o", target, path], "strip")


def _keep(make: Sequence[str | Path], tree: Path, build: Path, keep: Path, tools: Tools) -> None:
    release = run([*make, "-s", "kernelrelease"], "make kernelrelease", tools.folders).split()[-1]
    (keep / "release").write_text(release + "\n", "utf-8")
    _strip(build / "vmlinux", keep / "vmlinux")
    (keep / "modules").mkdir()
    for module in _MODULES:
        _strip(build / module, keep / "modules" / Path(module).name)
    (keep / "order").write_text("".join(f"{Path(module).stem}\n" for module in _MODULES), "utf-8")
    # The script would make the build's own tools anew, for the machine the kernel is for; they are
    # to run here.
    command = f"+env CC=gcc HOSTCC=gcc {tree}/scripts/package/install-extmod-build {keep / 'tree'}"
    run([*make, "run-command", f"KBUILD_RUN_COMMAND={command}"], "install-extmod-build",
        tools.folders)
    # It leaves out what a build of modules against vmlinux does not need.
    shutil.copyfile(build / "Module.symvers", keep / "tree/Module.symvers")


def run_long(command: Sequence[str | Path], tools: Sequence[str] = (), again: bool = False,
             log: Path | None = None, steps: int = 0) -> None:
    """
    Runs a build with its output in a log, and says how far it is, of so many steps when they are
    known; `again`: adds to the log.
    """
    log = log or _log(DEBUG)
    log.parent.mkdir(parents=True, exist_ok=True)
    said = time.monotonic()
    lines = 0
    with open(log, "a" if again else "w", encoding="utf-8") as file, \
         subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=kernelmake.environment(tools)) as process:
        assert process.stdout is not None, "it is a pipe"
        try:
            for line in process.stdout:
                file.write(line)
                lines += 1
                if time.monotonic() - said > 5:
                    said = time.monotonic()
                    note(f"kernel: {lines} steps" + (f" of about {steps}" if steps else ""))
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        whole = log.read_text("utf-8").splitlines()
        errors = [line for line in whole if re.search(r"\berror:|\*\*\*", line)][:5]
        raise LabError("\n".join(["the kernel does not build:", *(errors or whole[-20:]),
                                  f"(all of it: {log})"]))
