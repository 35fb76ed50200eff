# SPDX-License-Identifier: GPL-2.0-only
"""
Linux 5.10, the last kernel that has the driver of 2018, built once from Debian's source and kept;
then that driver and ours as vfio-pci modules of it, and the simulator for it.

Both drivers run in the same image: only vfio-pci.ko is another file.
"""

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.intree import tree as in_tree
from tools.intree import v5_10

from lab.debian.apt import Apt
from lab.errors import LabError
from lab.kernels import debugkernel, kernelmake, source
from lab.kernels.kernelmake import CROSS, run
from lab.paths import BUILD, ROOT, cache, locked
from lab.progress import note
from lab.unpack import remove_tree

SERIES = "5.10"
SUITE = "bullseye-security"
FRAGMENT = Path(__file__).with_name("reference-5.10.config")
COMPILER = f"{CROSS}gcc-12"
DRIVER = "drivers/vfio/pci/vfio-pci.ko"
# What the machine loads before the driver, in order.
MODULES = ("drivers/vfio/vfio.ko", "drivers/vfio/vfio_virqfd.ko", "drivers/vfio/vfio_spapr_eeh.ko",
           "drivers/vfio/vfio_iommu_spapr_tce.ko", "arch/powerpc/kvm/kvm.ko",
           "arch/powerpc/kvm/kvm-hv.ko")
SIMULATOR = ("sim_main.c", "sim_tree.c", "sim_memory.c", "sim_hooks.c", "sim_refs.c", "sim.h")
_LOG = BUILD / "logs/reference-kernel.log"
# Raised when what is kept is made in another way.
_RECIPE = 1


def _home() -> Path:
    return cache() / "reference-kernel"


def _make(home: Path) -> list[str | Path]:
    return kernelmake.command(home / "source", home / "build",
                              kernelmake.cached(COMPILER))


def _key(version: str) -> str:
    compiler = run([COMPILER, "--version"], COMPILER).splitlines()[0]
    recipe = f"{_RECIPE}\0{version}\0{compiler}\0{MODULES}\0{FRAGMENT.read_text('utf-8')}"
    return hashlib.sha256(recipe.encode()).hexdigest()


def kernel(apt: Apt, refresh: bool = False) -> tuple[str, Path, list[Path], Path]:
    """(release, vmlinux, modules in the order they load in, the tree that modules build against)"""
    home = _home()
    built = home / "built"
    with locked(home):
        if refresh or not built.exists() or _is_stale(built):
            _build(apt, home)
    release = (home / "build/include/config/kernel.release").read_text("ascii").strip()
    return (release, home / "vmlinux", [home / "modules" / Path(name).name for name in MODULES],
            home / "build")


@contextlib.contextmanager
def build_tree(apt: Apt, only_kept: bool = False) -> Iterator[debugkernel.Built | None]:
    """
    The kernel's build with all its objects, as debugkernel.Built, unchanged while the context lasts.
    It is made when the cache has none, or is None with `only_kept`.
    """
    home = _home()
    built = home / "built"
    if only_kept and (not built.exists() or _is_stale(built)):
        yield None
        return
    kernel(apt)
    with locked(home):
        yield debugkernel.Built(home, home,
                                f"{built.read_text('ascii')}{built.stat().st_mtime_ns}")


def _is_stale(built: Path) -> bool:
    version, key = built.read_text("ascii").split()
    return key != _key(version)


def _build(apt: Apt, home: Path) -> None:
    version = source.package(apt, SERIES)[1]
    tree = source.tree(apt, SERIES)
    for name in ("build", "source", "modules"):
        remove_tree(home / name)
    for name in ("built", "vmlinux"):
        (home / name).unlink(missing_ok=True)
    # A copy whose files are links: the driver is replaced there, not in the cache.
    run(["cp", "-al", tree, home / "source"], "cp")
    (home / "build").mkdir()
    note(f"building Linux {SERIES} (once; 3 to 5 minutes on 2 cores)")
    kernelmake.configure(_make(home), home / "source", home / "build", FRAGMENT)
    debugkernel.run_long([*_make(home), "vmlinux", "modules"], log=_LOG)
    (home / "modules").mkdir()
    _strip(home / "build/vmlinux", home / "vmlinux")
    for name in (*MODULES, DRIVER):
        _strip(home / "build" / name, home / "modules" / Path(name).name)
    (home / "built").write_text(f"{version} {_key(version)}\n", "ascii")


def _strip(path: Path, target: Path) -> Path:
    run([f"{CROSS}strip", "-g", "-o", target, path], path.name)
    return target


def driver_of_2018() -> Path:
    """The original's vfio-pci.ko, as the kernel was built with it."""
    return _home() / "modules" / Path(DRIVER).name


def our_driver() -> Path:
    """Our vfio-pci.ko for the same kernel, built when the sources changed."""
    home = _home()
    with locked(home):
        v5_10.replace(home / "source")
        run([*_make(home), "modules"], "the driver in a tree of 5.10")
        target = BUILD / f"kernel-{SERIES}"
        target.mkdir(parents=True, exist_ok=True)
        return _strip(home / "build" / DRIVER, target / Path(DRIVER).name)


def warnings() -> list[str]:
    """What the compiler says of our driver there with W=1, which is gnu89 in this kernel."""
    home = _home()
    place = Path(v5_10.PLACE)
    with locked(home):
        v5_10.replace(home / "source")
        (home / "build" / place.with_suffix(".o")).unlink(missing_ok=True)
        log = BUILD / "logs/reference-warnings.log"
        debugkernel.run_long([*_make(home), "W=1", place.with_suffix(".o")], log=log)
        said = log.read_text("utf-8")
    if f"CC [M]  {place.with_suffix('.o')}" not in said:
        raise LabError(f"{place} was not compiled: {said[-500:]}")
    return re.findall(rf"^.*{re.escape(str(place.parent))}/.*(?:warning|error):.*$", said, re.M)


def simulator() -> Path:
    """The simulator's module for 5.10."""
    home = _home()
    folder = BUILD / f"kernel-{SERIES}/sim"
    with locked(home):
        folder.mkdir(parents=True, exist_ok=True)
        own = ROOT / "kernel/v5_10/sim"
        wanted = {path.relative_to(own): path for path in own.rglob("*") if path.is_file()}
        wanted |= {Path(name): ROOT / "kernel/sim" / name for name in SIMULATOR}
        wanted |= {Path(path.name): path for path in (
            ROOT / "kernel/range.h", ROOT / "generated/kernel/nvlink2_contract.h")}
        for name, path in wanted.items():
            copy = folder / name
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        run([*_make(home), f"M={folder}", "modules"], "the simulator for 5.10")
        return _strip(folder / "nvlink2-sim.ko", folder / "stripped.ko")


def modules(name: str) -> dict[str, Path]:
    """What the tests load in a flavour of this kernel: {file name: path}."""
    driver = driver_of_2018() if name.endswith("-2018") else our_driver()
    return {Path(DRIVER).name: driver, "nvlink2-sim.ko": simulator()}


def undone() -> str:
    """Takes our driver out of the tree and puts it back; what is then not as it was, in words."""
    home = _home()
    with locked(home):
        v5_10.restore(home / "source")
        kept = (home / "source" / v5_10.PLACE).read_bytes()
        left = (home / "source" / in_tree.DRIVER).exists()
        v5_10.replace(home / "source")
        source_of = source.have(SERIES)
    if not source_of:
        raise LabError(f"the source of Linux {SERIES} is in the cache no more: start again")
    if left:
        return f"{in_tree.DRIVER} is still there"
    if kept != (source_of / v5_10.PLACE).read_bytes():
        return f"{v5_10.PLACE} is not Debian's"
    return ""
