# SPDX-License-Identifier: GPL-2.0-only
"""
Builds kernels with the driver in their trees: built in, as modules, and where only COMPILE_TEST
lets it be chosen. `make test-in-tree`; it takes minutes, so `make test` does not.
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from tools.intree import tree as in_tree

from lab.kernels import debugkernel, flavours, kernelmake, source
from lab.kernels.kernelmake import CROSS, run
from lab.paths import BUILD, locked
from lab.progress import note
from lab.suites import judge
from lab.unpack import remove_tree

FRAGMENT = Path(__file__).with_name("intree.config")
SERIES = {"6.12": flavours.SUITE, "7.2": "forky"}
_DRIVER = f"{in_tree.DRIVER}/"
_BUILT_IN = ("CONFIG_NVLINK2_VFIO_PCI=y", "CONFIG_NVLINK2_VFIO_PCI_KUNIT_TEST=y")
_MODULES = ("CONFIG_NVLINK2_VFIO_PCI=m", "CONFIG_NVLINK2_SIM=m")
# Without the platform it is for: only to be compiled.
_COMPILE_TEST = ("# CONFIG_PPC_POWERNV is not set", "CONFIG_PPC_PSERIES=y", "CONFIG_COMPILE_TEST=y",
                 "CONFIG_NVLINK2_VFIO_PCI=y")
# What then cannot be.
_POWERNV_ONLY = ("CONFIG_KVM_BOOK3S_64_HV",)
_WARNING = re.compile(rf"^.*{re.escape(_DRIVER)}.*(?:warning|error):.*$", re.M)


def cases(series: str) -> Iterator[judge.Case]:
    """Builds everything for a series and yields a judge.Case for each of what was asked."""
    home = BUILD / "in-tree"
    home.mkdir(parents=True, exist_ok=True)
    with locked(home):
        tree = home / f"linux-{series}"
        kept = source.kept(flavours.index(SERIES[series]), series)
        note(f"{series}: copying the kernel's source (1.5 GB)")
        remove_tree(tree)
        # The files change: links would change those of the cache.
        run(["cp", "-a", "--reflink=auto", kept, tree], "cp")
        try:
            in_tree.add(tree)
            yield _not_chosen(series, tree, home)
            yield _built(series, tree, home, "built in", _BUILT_IN, ["vmlinux"], _is_built_in)
            yield _built(series, tree, home, "modules", _MODULES, ["vmlinux", "modules"],
                         _are_modules)
            yield _built(series, tree, home, "COMPILE_TEST", _COMPILE_TEST, [_DRIVER], _is_compiled)
        finally:
            for folder in (tree, home / f"build-{series}"):
                remove_tree(folder)


def _tools(series: str) -> debugkernel.Tools:
    flavour = next(flavour for flavour in flavours.DEBUG.values() if flavour.series == series)
    return flavours.tools_of(flavour)


def _configured(series: str, tree: Path, home: Path,
                lines: Sequence[str]) -> tuple[list[str | Path], Path, debugkernel.Tools]:
    """The make of a build folder whose configuration has these lines beside the fragment's."""
    build = home / f"build-{series}"
    build.mkdir(exist_ok=True)
    names = {re.findall(r"CONFIG_\w+", line)[0] for line in lines}
    if "CONFIG_PPC_POWERNV" in names:
        names |= set(_POWERNV_ONLY)
    kept = [line for line in FRAGMENT.read_text("utf-8").splitlines()
            if not any(re.match(rf"{name}\b", line) for name in names)]
    fragment = home / "fragment.config"
    fragment.write_text("\n".join([*kept, *lines]) + "\n", "utf-8")
    tools = _tools(series)
    make = kernelmake.command(tree, build, kernelmake.cached(tools.compiler))
    kernelmake.configure(make, tree, build, fragment, tools.folders)
    return make, build, tools


def _not_chosen(series: str, tree: Path, home: Path) -> judge.Case:
    """A configuration that does not name the driver does not get it."""
    _, build, _ = _configured(series, tree, home, ())
    ok = "# CONFIG_NVLINK2_VFIO_PCI is not set" in (build / ".config").read_text("utf-8")
    return judge.Case(f"{series}: not there unless chosen", ok, "CONFIG_NVLINK2_VFIO_PCI is set")


def _built(series: str, tree: Path, home: Path, what: str, lines: Sequence[str], targets: Sequence[str],
           look: Callable[[Path], Collection[str]]) -> judge.Case:
    note(f"{series}: {what}")
    make, build, tools = _configured(series, tree, home, lines)
    debugkernel.run_long([*make, "W=1", *targets], tools.folders, log=_log(series, what))
    said = _WARNING.findall(_log(series, what).read_text("utf-8"))
    missing = look(build)
    return judge.Case(f"{series}: {what}", not said and not missing,
                      "\n".join([*said, *(f"not there: {name}" for name in missing)]))


def _log(series: str, what: str) -> Path:
    return BUILD / "logs" / f"in-tree-{series}-{what.replace(' ', '-')}.log"


def _symbols(path: Path) -> set[str]:
    return set(re.findall(r" (\w+)$", run([f"{CROSS}nm", path], "nm"), re.M))


def _is_built_in(build: Path) -> set[str]:
    """Returns the symbols of the driver that the kernel lacks."""
    wanted = {"nvlink2_gpu_ram_mmap", "nvlink2_topology_read"}
    return wanted - _symbols(build / "vmlinux")


def _are_modules(build: Path) -> list[str]:
    names = ("nvlink2-vfio-pci.ko", "sim/nvlink2-sim.ko")
    missing = [name for name in names if not (build / _DRIVER / name).exists()]
    path = shutil.which("modinfo") or "/sbin/modinfo"
    aliases = "" if missing else run([path, build / _DRIVER / names[0]], "modinfo")
    return missing + ([] if missing or "alias:          vfio_pci:" in aliases else ["its aliases"])


def _is_compiled(build: Path) -> list[str]:
    return [] if (build / _DRIVER / "built-in.a").exists() else ["built-in.a"]
