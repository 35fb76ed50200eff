# SPDX-License-Identifier: GPL-2.0-only
"""Plays what makes programs and kernels: compilers, make, the source of a kernel."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.kernels import build, debugkernel, flavours, kernelmake, reference
from lab.paths import ROOT
from lab.rehearsal.played import write
from lab.rehearsal.recipe import Fault
from tools.intree import tree as in_tree
from tools.intree import v5_10

_KNOWN: dict[Path, set[str]] = {}


def _options_in(tree: Path) -> set[str]:
    found = set()
    for path in tree.rglob("Kconfig*"):
        if path.is_file():
            found.update(re.findall(r"^\s*(?:menu)?config (\w+)", path.read_text("utf-8", "replace"), re.M))
    return found


def _modules_of(folder: Path) -> None:
    """Plays the build of the modules in a folder; each source that is named has to be there."""
    kbuild = next((folder / name for name in ("Kbuild", "Makefile") if (folder / name).is_file()), None)
    if not kbuild:
        raise Fault(f"{folder} has no Kbuild file")
    for name in re.findall(r"^obj-m\s*[:+]?=\s*([\w-]+)\.o", kbuild.read_text("utf-8"), re.M):
        write(folder / f"{name}.ko", "")


class Kernels:
    """
    The stand-ins. `made` are the kernels they were asked for, `built` the commands of builds.
    folder: for what is built; sources: of the kernels, by series; file: in the place of any other
    """

    def __init__(self, folder: Path, sources: Mapping[str, Path], file: Path) -> None:
        self.made: list[str] = []
        self.built: list[list[str]] = []
        self._folder = folder
        self._sources = sources
        self._file = file
        self._lines = 0
        self._real_program = build.program
        self._real_kernel = flavours.kernel

    def program(self, name: str, sources: Sequence[str | Path], cross: bool = True,
                 flags: Sequence[str] = (), static: bool = True) -> Path:
        missing = [path for path in sources if not Path(path).is_file()]
        if missing or not sources:
            raise Fault(f"{name}: there is no {', '.join(map(str, missing)) or 'source'}")
        if name == "nvtest" and not cross:
            # It lists its suites and tests; the run of the tests has built it already.
            return self._real_program(name, sources, cross, flags, static)
        return self._file

    def bench_module(self, _: object) -> Path:
        if not list(build.BENCH_MODULE.glob("*.c")):
            raise Fault(f"{build.BENCH_MODULE} has no source")
        return self._file

    def kernel(self, name: str, refresh: bool = False) -> flavours.Kernel:
        chosen = flavours.flavour(name)
        if name not in self.made:
            self.made.append(name)
        if chosen.recipe or chosen.reference:
            return self._real_kernel(name, refresh)
        return flavours.Kernel(chosen.series, self._file, [self._file], self._folder)

    def tree(self, series: str) -> Path:
        """Those files of a series' source that anything here changes."""
        target = self._folder / f"linux-{series}"
        if target.exists():
            return target
        if series == reference.SERIES:
            # Its source is in no usual cache.
            place = v5_10.PLACE
            write(target / "Makefile", "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 1\n")
            write(target / place, "/* of 2018 */\n")
            return target
        kernel = self._sources[series]
        names = {"Makefile"} | {insertion.file for insertion in in_tree.INSERTIONS}
        for recipe_of in (debugkernel.DEBUG, debugkernel.NPU2):
            for path in debugkernel.patches(series, recipe_of):
                names |= set(re.findall(r"^--- a/(\S+)", path.read_text("utf-8"), re.M))
        for name in names:
            if not (kernel / name).is_file():
                raise Fault(f"Linux {series} has no {name}")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kernel / name, target / name)
        return target

    def _options(self, tree: Path) -> set[str] | None:
        """The names of the options that a tree, most of which is in the cache, defines."""
        makefile = (tree / "Makefile").read_text("utf-8")
        version = re.findall(r"^(?:VERSION|PATCHLEVEL) = (\d+)$", makefile, re.M)
        kernel = self._sources.get(".".join(version))
        if not kernel:
            return None
        if kernel not in _KNOWN:
            _KNOWN[kernel] = _options_in(kernel)
        return _KNOWN[kernel] | _options_in(tree)

    def configure(self, make: object, tree: Path, build_folder: Path, fragment: Path,
                   tools: object = ()) -> None:
        """Plays a configuration: every option of the fragment has to be one of the tree."""
        del make, tools
        lines = [line for line in fragment.read_text("utf-8").splitlines()
                 if line.startswith(("CONFIG_", "# CONFIG_"))]
        names = {re.findall(r"CONFIG_(\w+)", line)[0]: line for line in lines}
        defined = self._options(tree)
        # An option that is off needs no definition: another series has it.
        lost = sorted(name for name, line in names.items()
                      if defined is not None and name not in defined and not line.startswith("#"))
        if lost:
            raise Fault(f"{fragment.name}: {tree.name} has no option {', '.join(lost)}")
        if defined and "NVLINK2_VFIO_PCI" in defined - set(names):
            lines.append("# CONFIG_NVLINK2_VFIO_PCI is not set")
        write(build_folder / ".config", "\n".join(lines) + "\n")
        write(build_folder / "include/config/kernel.release", "6.0\n")

    def run_long(self, command: Sequence[str | Path], *_: object, log: Path | None = None,
                  **__: object) -> None:
        """Plays a long build: each object that the Makefiles of the tree name is made."""
        words = [str(word) for word in command]
        self.built.append(words)
        folder = Path(next(word[2:] for word in words if word.startswith("O=")))
        tree = Path(words[words.index("-C") + 1])
        for name in ("vmlinux", "Module.symvers", *debugkernel._MODULES, *reference.MODULES,  # pylint: disable=protected-access
                     reference.DRIVER):
            self._lines += 1
            write(folder / name, f"{self._lines}\n")
        for place, sub in ((debugkernel.PLACE, ""), (in_tree.DRIVER, ""), (in_tree.DRIVER, "sim/")):
            makefile = tree / place / sub / "Makefile"
            text = makefile.read_text("utf-8") if makefile.is_file() else ""
            for stem in re.findall(r"\b([\w-]+)\.o\b", text):
                if (makefile.parent / f"{stem}.c").is_file():
                    write(folder / place / sub / f"{stem}.o", "")
                write(folder / place / sub / f"{stem}.ko", "")
            if text:
                write(folder / place / sub / "built-in.a", "")
        if log:
            write(log, f"  CC [M]  {Path(v5_10.PLACE).with_suffix('.o')}\n")

    def run(self, words: Sequence[str | Path], what: str, tools: Sequence[str] = (),
             cwd: Path | None = None) -> str:
        """Plays a short command of a build, but for those that change files."""
        name = Path(str(words[0])).name
        line = [str(word) for word in words]
        if name in ("cp", "patch", "tar"):
            return kernelmake.run(line, what, tools, cwd)
        if name.endswith("strip"):
            shutil.copyfile(line[-1], line[-2])
        elif name.endswith("nm"):
            # The symbols that the sources define.
            text = "".join(path.read_text("utf-8") for path in (ROOT / "kernel").glob("*.c"))
            symbols = sorted(set(re.findall(r"\b(nvlink2_\w+)\(", text)))
            return "".join(f"0 T {symbol}\n" for symbol in symbols)
        elif name == "modinfo":
            return "alias:          vfio_pci:v000010DEd*\n"
        elif name == "make":
            self.built.append(line)
            keep = next((word.split()[-1] for word in line if "install-extmod-build" in word), None)
            if keep:
                Path(keep).mkdir(parents=True)
            folder = next((word[2:] for word in line if word.startswith("M=")), None)
            if folder:
                _modules_of(Path(folder))
        return "6.0\n" if "kernelrelease" in line else "gcc 12.2.0\n"
