# SPDX-License-Identifier: GPL-2.0-only
"""Cross-builds what goes into the machine: our modules per kernel, and static programs."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.errors import CheckFailed, LabError
from lab.kernels import flavours, reference
from lab.paths import BUILD, ROOT, disk_full, locked, write_atomic
from lab.progress import note
from lab.unpack import remove_tree

CROSS = "powerpc64le-linux-gnu-"
_WARNINGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
_INCLUDES = ["-I", str(ROOT / "uapi"), "-I", str(ROOT / "generated/user")]

# What a module build reads, side by side as in the source tree.
MODULE_INPUTS = ("kernel", "generated/kernel", "uapi")
# What the driver is measured against; no part of it.
BENCH_MODULE = ROOT / "lab/bench/module"
BENCH = "bench"
BENCH_PRODUCT = "nvlink2-bench.ko"
_PRODUCTS = ("nvlink2-vfio-pci.ko", "sim/nvlink2-sim.ko", "sim/nvlink2-sim-pnv.ko")


def run(command: Sequence[str | Path], what: str, env: Mapping[str, str] | None = None) -> str:
    """Runs a build command; its complaint is the error when it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, env=env)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is missing: run `sh setup.sh test` to install what "
                       "the lab needs") from None
    if done.returncode and disk_full(done.stderr):
        raise LabError(f"{what} cannot be built: {disk_full(done.stderr)}")
    if done.returncode:
        raise CheckFailed(f"{what} does not build:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout + done.stderr


def synchronize_all(target: Path) -> None:
    """Brings a copy of the module's sources up to date."""
    for part in MODULE_INPUTS:
        synchronize(ROOT / part, target / part)


def planted_copy(target: Path, path: str, text: str) -> None:
    """A copy of the module's sources with one more file in it, and nothing of a build before."""
    for part in ("kernel", "generated", "uapi"):
        remove_tree(target / part)
    synchronize_all(target)
    (target / path).write_text(text, "ascii")


def synchronize(source: Path, target: Path) -> None:
    """Copies what changed, and only that: make looks at the times."""
    wanted = set()
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.suffix in (".o", ".ko", ".mod", ".cmd"):
            continue
        copy = target / path.relative_to(source)
        wanted.add(copy)
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    for path in target.rglob("*"):
        if path.suffix in (".c", ".h") and path not in wanted and not path.name.endswith(".mod.c"):
            path.unlink()


def make_command(name: str, tree: Path, *more: str) -> list[str | Path]:
    """The one command that builds the modules, as the README gives it."""
    kernel = flavours.kernel(name)
    return ["make", "-C", tree / "kernel", f"KDIR={kernel.headers}", "ARCH=powerpc",
            f"CROSS_COMPILE={CROSS}", *more]


def tree_of(name: str, kunit: bool = False) -> Path:
    """The copy of the sources that modules() builds a flavour's modules in."""
    return BUILD / f"kernel-{flavours.flavour(name).base}{'-kunit' if kunit else ''}"


def modules(name: str, kunit: bool = False) -> dict[str, Path]:
    """Builds the modules for a flavour: {file name: path of the stripped module}."""
    name = flavours.flavour(name).base
    release = flavours.kernel(name).release
    if flavours.flavour(name).reference:
        note(f"building the modules for {name} ({release})")
        return reference.modules(name)
    # A copy of the sources for each, so that two builds never meet.
    tree = tree_of(name, kunit)
    with locked(tree):
        synchronize_all(tree)
        note(f"building the modules for {name} ({release}{', with KUnit' if kunit else ''})")
        return modules_in(name, tree, f"the module for {name}", *(["KUNIT=1"] if kunit else []))


def unstripped(name: str) -> list[Path]:
    """Builds the modules for a flavour; their paths, in `_PRODUCTS`' order, as kbuild left them."""
    modules(name)
    return [BUILD / f"kernel-{name}/kernel" / product for product in _PRODUCTS]


def bench_command(name: str, tree: Path, *more: str) -> list[str | Path]:
    """The command that builds the module that is measured against, in a copy of its sources."""
    return ["make", "-C", flavours.kernel(name).headers, f"M={tree / BENCH}", "ARCH=powerpc",
            f"CROSS_COMPILE={CROSS}", *more, "modules"]


def bench_module(name: str) -> Path:
    """Builds the module that the driver is measured against; its path, stripped."""
    name = flavours.flavour(name).base
    tree = BUILD / f"kernel-{name}"
    with locked(tree):
        synchronize(BENCH_MODULE, tree / BENCH)
        run(bench_command(name, tree), f"the benchmark's module for {name}", env=module_env(name))
        return _stripped(tree / BENCH / BENCH_PRODUCT, tree / BENCH / "stripped")


def _stripped(path: Path, folder: Path) -> Path:
    """A module without what is for a debugger. Another process may read the one that is there."""
    slim = folder / path.name
    folder.mkdir(exist_ok=True)
    if not slim.exists() or slim.stat().st_mtime_ns <= path.stat().st_mtime_ns:
        draft = folder / f".{path.name}.{os.getpid()}"
        run([f"{CROSS}strip", "-g", "-o", draft, path], path.name)
        draft.replace(slim)
    return slim


def modules_in(name: str, tree: Path, what: str, *more: str) -> dict[str, Path]:
    """Builds the modules in a copy of the sources: {file name: path of the stripped module}."""
    run(make_command(name, tree, *more), what, env=module_env(name))
    stripped = {}
    for product in _PRODUCTS:
        slim = _stripped(tree / "kernel" / product, tree / "stripped")
        stripped[slim.name] = slim
    return stripped


def clean_env() -> dict[str, str]:
    """The environment without what a make above us left there."""
    return {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")} | {"LC_ALL": "C"}


def module_env(name: str) -> dict[str, str]:
    """The environment to build modules for a flavour in: its compiler comes first."""
    env = clean_env()
    return env | {"PATH": ":".join([*flavours.build_path(name), env.get("PATH", os.defpath)])}


def program(name: str, sources: Sequence[str | Path], cross: bool = True, flags: Iterable[str] = (),
            static: bool = True) -> Path:
    """Compiles C files into one program, statically for the guest; unchanged ones are kept."""
    folder = BUILD / ("guest" if cross else "host")
    compiler = f"{CROSS}gcc" if cross else "gcc"
    command = [compiler, *_WARNINGS, *_INCLUDES, *flags,
               *(["-static", "-s"] if cross and static else []), "-o", str(folder / name), *map(str, sources)]
    with locked(folder):
        stamp = folder / f".{name}.inputs"
        state = _state(command, sources)
        if not (folder / name).exists() or not stamp.exists() or stamp.read_text("ascii") != state:
            run(command, name)
            write_atomic(stamp, state)
    return folder / name


def _state(command: Sequence[str], sources: Sequence[str | Path]) -> str:
    folders = {Path(source).parent for source in sources}
    headers = sorted({header for folder in folders for header in folder.glob("*.h")}
                     | set((ROOT / "uapi").rglob("*.h"))
                     | set((ROOT / "generated/user").rglob("*.h")))
    digest = hashlib.sha256("\0".join(command).encode())
    for path in [*sources, *headers]:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def init() -> Path:
    """The first program of the machine."""
    return program("init", [ROOT / "tests/guest/init.c"])


def nvtest(cross: bool = True) -> Path:
    """The tests in the machine; built for the host too, where only `--list` makes sense."""
    sources = sorted(path for path in (ROOT / "tests/guest").glob("*.c") if path.name != "init.c")
    if not sources:
        raise LabError("tests/guest has no test program")
    return program("nvtest", sources, cross, ["-D_GNU_SOURCE", "-pthread"])


def info_tool() -> Path:
    """nvlink2-info for the guest."""
    folder = ROOT / "tools/nvlink2-info"
    sources = sorted(folder.glob("*.c"))
    if not sources:
        raise LabError(f"{folder} has no C files: nvlink2-info cannot be built")
    version = (ROOT / "VERSION").read_text("ascii").strip()
    return program("nvlink2-info", sources,
                   flags=["-D_GNU_SOURCE", f'-DINFO_VERSION="{version}"'])
