# SPDX-License-Identifier: GPL-2.0-only
"""
Runs a long target of the Makefile up to the places where it would build, boot or fetch.

`make` runs the target's recipe with a recorder in the place of Python. Then each command of the
recipe runs in this process, and stand-ins take the place of compilers, emulators and the network:
they check what they are asked for, note it, and answer as if all went well. So a target that
could not even start shows within a second: by a command, an option, a suite, a patch, a file or
an option of a kernel that is no longer there.
"""

import contextlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import cli, longruns
from lab.debian import toolchain
from lab.kernels import build, debugkernel, flavours, kernelmake, reference, source
from lab.machine import machine, qemu
from lab.machine.machine import File, Told
from lab.mutants import mutants
from lab.npu2 import exports, machine as npu2_machine, run as npu2_run, tree as npu2_tree
from lab.packages import cleanroot
from lab.paths import ROOT
from lab.suites import attack, bench, clients, intreebuild, judge, soak, suites
from lab.versus import answers, compare, guest, page
from lab.bench.played import lines as bench_lines
from tools.intree import tree as in_tree
from tools.intree import v5_10


SUITES_OF = {"6.12": flavours.SUITE, "7.2": "forky"}
_NONCE = "5eed"
# The recorder in the place of Python writes this down.
_RECORDED_ENV = "NVLINK2_FUZZ_SECONDS"
_RECORDER = f"""\
#!/bin/sh
[ "$*" != "-m lab fail" ] || exit 7
exec {sys.executable} -c 'import json, os, sys
with open(sys.argv[1], "a", encoding="utf-8") as file:
    print(json.dumps([sys.argv[2:], os.environ.get("{_RECORDED_ENV}", "")]), file=file)' "$0.log" "$@"
"""


class Fault(Exception):
    """A fault that keeps a target from starting."""


class Command(NamedTuple):
    """A command of Python's in a recipe, and the seconds that it hands to the fuzzer."""
    words: tuple[str, ...]
    fuzz_seconds: str = ""


class Start(NamedTuple):
    """A machine that a target would start."""
    flavour: str
    argv: tuple[str, ...]
    board: str = ""


def recipe(target: str, folder: Path, *variables: str,
           makefile: Path = ROOT / "Makefile") -> tuple[list[Command], list[str]]:
    """The commands of Python's that `make target` runs, and the parts that it has installed."""
    recorder, setup = folder / "python", folder / "setup"
    recorder.write_text(_RECORDER, "utf-8")
    setup.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{folder}/setup.log\n', "utf-8")
    for path in (recorder, setup):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    logs = folder / "python.log", folder / "setup.log"
    for log in logs:
        log.write_text("", "utf-8")
    plain = {key: value for key, value in os.environ.items()
             if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", _RECORDED_ENV)}
    done = subprocess.run(["make", "-s", "-f", makefile, f"PYTHON={recorder}", f"setup=sh {setup}", target,
                           *variables], cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(f"make {target} fails: {done.stderr.strip()}")
    commands = [Command(tuple(words), seconds) for words, seconds in
                map(json.loads, logs[0].read_text("utf-8").splitlines())]
    return commands, logs[1].read_text("utf-8").split()


class _Root:
    """Plays a private root that has every file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def needed(self, _: object) -> list[str]:
        return []

    def file(self, _: object) -> Path:
        return self._file

    def version(self, _: object) -> str:
        return "1:7.2+dfsg"


class Rehearsal:
    """
    The stand-ins. `starts` are the machines they were asked for, `kernels` those that were made,
    `built` the commands of builds, `fuzzed` the seconds that the fuzzer was told to search, and
    `recorded` what went into tests/long-runs.json.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch = patch
        self.folder = folder
        self.starts: list[Start] = []
        self.kernels: list[str] = []
        self.built: list[list[str]] = []
        self.fuzzed: list[str] = []
        self.recorded: list[tuple[str, str]] = []
        self._lines = 0
        self._file = folder / "file"
        self._file.write_bytes(b"file")
        # Entries of the cache are looked up in the real one.
        self.sources = {series: source.kept(flavours.index(suite), series)
                        for series, suite in SUITES_OF.items()}
        patch.setenv("NVLINK2_CACHE", str(folder / "cache"))
        self._stand_in()

    def _stand_in(self) -> None:
        replace = self.patch.setattr
        replace(longruns, "record", lambda target, result, *_: self.recorded.append((target, result)))
        replace(flavours, "index", lambda *_: None)
        replace(toolchain, "bin_folder", lambda _: self.folder)
        replace(qemu, "emulator", lambda *_: _Root(self._file))
        replace(clients, "qemu", lambda *_: _Root(self._file))
        self._answer(machine, "boot", self._boot)
        self._answer(npu2_machine, "boot", self._boot_npu2)
        self._answer(build, "program", self._program)
        self._answer(build, "modules_in", lambda *_: {"nvlink2-vfio-pci.ko": self._file})
        self._answer(build, "bench_module", self._bench_module)
        replace(build, "tree_of", lambda name, kunit=False: self.folder / f"kernel-{name}-{kunit}")
        for module in (bench, clients, intreebuild, reference):
            replace(module, "BUILD", self.folder / "build")
        # Kernels, down to the programs that make them.
        self._real_kernel = flavours.kernel
        self._answer(flavours, "kernel", self._kernel)
        replace(source, "package", lambda _, series: (None, f"{series}.1-1"))
        replace(source, "tree", lambda _, series: self._tree(series))
        replace(source, "kept", lambda _, series: self._tree(series))
        replace(source, "have", self._tree)
        self._answer(kernelmake, "configure", self._configure)
        self._answer(debugkernel, "run_long", self._run_long)
        for module in (debugkernel, intreebuild, reference):
            self._answer(module, "run", self._run)
        # And what a target needs beside.
        replace(mutants, "run", lambda chosen: [(mutant, mutants.Verdict(mutants.CAUGHT))
                                                for mutant in chosen])
        replace(bench, "budgets", self._budgets)
        replace(debugkernel, "_LOGS", self.folder)
        replace(reference, "_LOG", self.folder / "reference-kernel.log")
        replace(bench, "RESULTS", self.folder / "results")
        replace(bench, "RATIOS", self.folder / "ratios.json")
        replace(exports, "check", lambda: [])
        replace(page, "case",
                lambda done: judge.Case("the page", bool(page.render(done)), ""))
        replace(soak, "time", _Hours())
        replace(soak, "subprocess", _instead(subprocess, run=self._python))
        replace(cleanroot, "BUILD", self.folder / "build")
        replace(cleanroot, "_LOG", self.folder / "clean-root.log")
        replace("tools.deb.build", self._packages)
        replace(cleanroot, "subprocess", _instead(subprocess, Popen=self._clean_root))
        replace(cleanroot, "shutil", _instead(shutil, which=lambda name: f"/usr/bin/{name}"))

    def _answer(self, module: types.ModuleType, name: str, answer: Callable[..., object]) -> None:
        """Puts a stand-in in the place of a function, and refuses what that would not take."""
        signature = inspect.signature(getattr(module, name))

        def checked(*arguments: object, **named: object) -> object:
            signature.bind(*arguments, **named)
            return answer(*arguments, **named)

        self.patch.setattr(module, name, checked)

    # Machines.

    def _boot(self, flavour: str, argv: Sequence[str], files: Iterable[File] = (), timeout: float = 0,
              on_line: Told | None = None, **_: object) -> machine.Outcome:
        del timeout
        flavours.kernel(flavour)
        self._look_at(files)
        self.starts.append(Start(flavour, tuple(argv)))
        return self._outcome(flavour, argv, on_line)

    def _boot_npu2(self, flavour: str, argv: Sequence[str], files: Iterable[File] = (), gpus: int = 1,
                   links: int = 3, switch: bool = False,
                   **_: object) -> tuple[machine.Outcome, list[npu2_machine.Access]]:
        flavours.kernel(flavour)
        self._look_at(files)
        npu2_tree.devices(npu2_tree.layout(gpus, links, switch))
        board = npu2_run.BOARDS[f"{gpus}x{links}"]
        self.starts.append(Start(flavour, tuple(argv), board.name))
        log = npu2_machine.accesses((npu2_run.REFERENCE / board.recorded).read_text("ascii"))
        outcome = self._outcome(flavour, argv)
        if "npu2_reboot" in argv:
            outcome = outcome._replace(console=[*outcome.console, npu2_run.REBOOTING], reason="exit")
            # A VM has each GPU, and gives it back.
            log = [npu2_machine.Access("SCOM", "wr", 0x714000 + 8 * gpu, 0, "XTS_BDF_MAP", value)
                   for value in (1 << 63 | 1, 1 << 63) for gpu in range(gpus)]
        return outcome, log

    @staticmethod
    def _look_at(files: Iterable[File]) -> None:
        for name, content in files:
            if not isinstance(content, bytes) and not Path(content).exists():
                raise Fault(f"{name} of the machine: there is no {content}")

    def _outcome(self, flavour: str, argv: Sequence[str], on_line: Told | None = None) -> machine.Outcome:
        """The console of a machine in which all tests passed."""
        console = ["Linux version 6", "radix-mmu: Initializing Radix MMU", "KASAN init done",
                   *(f"nvlab| {line}" for line in _printed(flavour, list(argv))),
                   "nvlab: health: debug_locks:  1", "nvlab: health: kmemleak searched",
                   f"nvlab: end {_NONCE} status=0"]
        if on_line:
            for line in console:
                on_line(line)
        return machine.Outcome(console, _NONCE, "end", 1.0, 0, 1.0)

    # Programs and kernels.

    _real_program = staticmethod(build.program)

    def _program(self, name: str, sources: Sequence[str | Path], cross: bool = True,
                 flags: Sequence[str] = (), static: bool = True) -> Path:
        missing = [path for path in sources if not Path(path).is_file()]
        if missing or not sources:
            raise Fault(f"{name}: there is no {', '.join(map(str, missing)) or 'source'}")
        if name == "nvtest" and not cross:
            # It lists its suites and tests; the run of the tests has built it already.
            return Rehearsal._real_program(name, sources, cross, flags, static)
        return self._file

    def _bench_module(self, _: object) -> Path:
        if not list(build.BENCH_MODULE.glob("*.c")):
            raise Fault(f"{build.BENCH_MODULE} has no source")
        return self._file

    def _kernel(self, name: str, refresh: bool = False) -> flavours.Kernel:
        chosen = flavours.flavour(name)
        if name not in self.kernels:
            self.kernels.append(name)
        if chosen.recipe or chosen.reference:
            return self._real_kernel(name, refresh)
        return flavours.Kernel(chosen.series, self._file, [self._file], self.folder)

    def _tree(self, series: str) -> Path:
        """Those files of a series' source that anything here changes."""
        target = self.folder / f"linux-{series}"
        if target.exists():
            return target
        if series == reference.SERIES:
            # Its source is in no usual cache.
            place = v5_10.PLACE
            _write(target / "Makefile", "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 1\n")
            _write(target / place, "/* of 2018 */\n")
            return target
        kernel = self.sources[series]
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
        kernel = self.sources.get(".".join(version))
        if not kernel:
            return None
        if kernel not in _KNOWN:
            _KNOWN[kernel] = _options_in(kernel)
        return _KNOWN[kernel] | _options_in(tree)

    def _configure(self, make: object, tree: Path, build_folder: Path, fragment: Path,
                   tools: object = ()) -> None:
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
        _write(build_folder / ".config", "\n".join(lines) + "\n")
        _write(build_folder / "include/config/kernel.release", "6.0\n")

    def _run_long(self, command: Sequence[str | Path], *_: object, log: Path | None = None,
                  **__: object) -> None:
        words = [str(word) for word in command]
        self.built.append(words)
        folder = Path(next(word[2:] for word in words if word.startswith("O=")))
        tree = Path(words[words.index("-C") + 1])
        for name in ("vmlinux", "Module.symvers", *debugkernel._MODULES, *reference.MODULES,  # pylint: disable=protected-access
                     reference.DRIVER):
            self._lines += 1
            _write(folder / name, f"{self._lines}\n")
        # Each object that the Makefiles of the tree name is made.
        for place, sub in ((debugkernel.PLACE, ""), (in_tree.DRIVER, ""), (in_tree.DRIVER, "sim/")):
            makefile = tree / place / sub / "Makefile"
            text = makefile.read_text("utf-8") if makefile.is_file() else ""
            for stem in re.findall(r"\b([\w-]+)\.o\b", text):
                if (makefile.parent / f"{stem}.c").is_file():
                    _write(folder / place / sub / f"{stem}.o", "")
                _write(folder / place / sub / f"{stem}.ko", "")
            if text:
                _write(folder / place / sub / "built-in.a", "")
        if log:
            _write(log, f"  CC [M]  {Path(v5_10.PLACE).with_suffix('.o')}\n")

    def _run(self, words: Sequence[str | Path], what: str, tools: Sequence[str] = (),
             cwd: Path | None = None) -> str:
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

    # These are no kernels.

    def _budgets(self) -> Iterator[tuple[str, float, float]]:
        for name, limit, command in bench.BUDGETS:
            words = list(map(str, command))
            if "-m" in words:
                there = importlib.util.find_spec(words[words.index("-m") + 1]) is not None
            else:
                there = os.access(ROOT / words[0], os.X_OK)
            if not there:
                raise Fault(f"make {name}: there is no {' '.join(words[:3])}")
            yield name, 0.0, limit

    def _python(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None,
                **_: object) -> subprocess.CompletedProcess[str]:
        words = tuple(map(str, command[1:]))
        run_command(Command(words, (env or {}).get(_RECORDED_ENV, "")), self)
        return subprocess.CompletedProcess(command, 0, "", "")

    def _packages(self, commit: str, out: Path) -> list[Path]:
        if commit != "HEAD":
            raise Fault(f"the packages are to be of {commit}, not of the last commit")
        control = (ROOT / "packaging/debian/control").read_text("utf-8")
        out.mkdir(parents=True, exist_ok=True)
        paths = [out / f"{name}_1_all.deb" for name in re.findall(r"^Package: (\S+)$", control, re.M)]
        for path in paths:
            path.write_bytes(b"")
        return paths

    @contextlib.contextmanager
    def _clean_root(self, command: Sequence[str], **_: object) -> Iterator["_Process"]:
        """Plays mmdebstrap: every check of the script passes."""
        words = " ".join(map(str, command))
        script = re.search(r"hook=cp (\S+)", words)
        if not script or not Path(script[1]).is_file() \
                or not re.search(r" deb https?://\S+ \w+ main$", words):
            raise Fault(f"mmdebstrap gets no script or no mirror: {words}")
        text = Path(script[1]).read_text("utf-8")
        wanted = re.findall(r"^packages='([^']+)'", text, re.M)[0].split()
        have = sorted(path.name.split("_")[0] for path in (self.folder / "build/deb").glob("*.deb"))
        if sorted(wanted) != have:
            raise Fault(f"{script[1]} removes {wanted}; the packages are {have}")
        checks = re.findall(r"^check '([^']+)'", text, re.M)
        yield _Process([*(f"ok {name}\n" for name in checks),
                        *(f"{end}\n" for end in re.findall(r"^echo '([^']+)'$", text, re.M))])


class _Process(NamedTuple):
    """Plays a process that ended well."""
    stdout: list[str]
    returncode: int = 0


class _Hours:
    """Plays the module time: an hour passes from one look at the clock to the next."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 3600
        return self.now


def _instead(module: types.ModuleType, **others: object) -> types.SimpleNamespace:
    """A module for one user of it, in which some functions are others."""
    return types.SimpleNamespace(**{**vars(module), **others})


_KNOWN: dict[Path, set[str]] = {}


def _options_in(tree: Path) -> set[str]:
    found = set()
    for path in tree.rglob("Kconfig*"):
        if path.is_file():
            found.update(re.findall(r"^\s*(?:menu)?config (\w+)", path.read_text("utf-8", "replace"), re.M))
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _modules_of(folder: Path) -> None:
    """Plays the build of the modules in a folder; each source that is named has to be there."""
    kbuild = next((folder / name for name in ("Kbuild", "Makefile") if (folder / name).is_file()), None)
    if not kbuild:
        raise Fault(f"{folder} has no Kbuild file")
    for name in re.findall(r"^obj-m\s*[:+]?=\s*([\w-]+)\.o", kbuild.read_text("utf-8"), re.M):
        _write(folder / f"{name}.ko", "")


def _printed(flavour: str, argv: Sequence[str]) -> list[str]:
    """Returns the output of nvtest when all that it was asked for passes; Fault when it does not know it."""
    words = argv[1:]
    if argv[0] != "/bin/nvtest" or not words:
        raise Fault(f"{flavour}: no machine can run {argv}")
    if words[0] == attack.SUITE:
        return ["# attack: nothing found"]
    if words[0] == bench.SUITE:
        return bench_lines()
    if words[0] == "transcript":
        # Its platform is the simulator's own, which has no firmware.
        old = {key: value for key, value in answers.recorded().items()
               if flavour != compare.MODERN or not key.startswith("firmware ")}
        traced = re.findall(r"vfio_pci_\w+: .*", (answers.RECORDED / "trace-lines.txt").read_text("ascii"))
        old |= {f"trace gpu {number}": line for number, line in enumerate(traced)}
        return [*(f"{key} = {value}" for key, value in old.items()), "transcript = whole"]
    if words[0] == "--times":
        words = words[2:]
    elif words[0] == "--apart":
        words = words[1:]
    suite, *only = words
    known = suites.names(suite)
    unknown = [name for name in only if name not in known]
    if unknown:
        raise Fault(f"suite {suite} has no test {', '.join(unknown)}")
    names = only or known
    told = []
    if suite == guest.SUITE:
        told = [f"# {line}" for line in [*guest.recorded(), *(f"guest: {at}" for at in range(10))]]
    return ["TAP version 14", *told, *(f"ok {number} - {name}" for number, name in enumerate(names, 1)),
            f"1..{len(names)}"]


def run_command(command: Command, rehearsal: Rehearsal) -> int:
    """Runs a command of a recipe with the stand-ins; its exit status."""
    dash, module, *words = command.words
    if dash != "-m":
        raise Fault(f"nothing rehearses {' '.join(command.words)}")
    if module == "lab":
        return _exit_status(lambda: cli.main(words), words)
    if module == "lab.packages.cleanroot":
        return _exit_status(cleanroot.main, [module])
    if module == "pytest":
        return _pytest(words, command.fuzz_seconds, rehearsal)
    raise Fault(f"nothing rehearses python3 -m {module}")


def _exit_status(main: Callable[[], int], words: Sequence[str]) -> int:
    try:
        return main()
    except SystemExit as stopped:
        raise Fault(f"{' '.join(words)}: wrong usage ({stopped.code})") from None


def _pytest(words: Sequence[str], seconds: str, rehearsal: Rehearsal) -> int:
    """Checks that the arguments of pytest choose something; the fuzzer's tests run without a fuzzer."""
    chosen = words[words.index("-k") + 1] if "-k" in words else ""
    given = [ROOT / word for word in words if not word.startswith("-") and word != chosen]
    missing = [str(path) for path in given if not path.exists()]
    if missing or not given:
        raise Fault(f"pytest is given {', '.join(missing) or 'nothing'}, which is not there")
    machines = [f"{flavour}-{suite}" for flavour in flavours.ALL for suite in suites.of_flavour(flavour)]
    for word in re.findall(r"\w+", chosen):
        if word not in ("or", "and", "not") and not any(word in name for name in machines):
            raise Fault(f"-k '{chosen}' chooses nothing: no kernel or suite has {word} in its name")
    for path in given if seconds else ():
        _fuzz(path, seconds, rehearsal)
        rehearsal.fuzzed.append(seconds)
    return 0


def _fuzz(path: Path, seconds: str, rehearsal: Rehearsal) -> None:
    searched: list[list[str]] = []

    def played(command: Sequence[str | Path], **_: object) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        missing = [word for word in words if word.endswith(".c") and not Path(word).is_file()]
        if missing:
            raise Fault(f"the fuzzer is made of {', '.join(missing)}, which is not there")
        if words[0] != "clang":
            searched.append(words)
            missing = [word for word in words[1:] if word.startswith("/") and not Path(word).exists()]
            if missing:
                raise Fault(f"the fuzzer is to read {', '.join(missing)}, which is not there")
        return subprocess.CompletedProcess(command, 0, f"stat::number_of_executed_units: {10 ** 9}\n", "")

    with rehearsal.patch.context() as patch:
        patch.setenv(_RECORDED_ENV, seconds)
        spec = importlib.util.spec_from_file_location("tests.decoder.rehearsed", path)
        assert spec and spec.loader, "it is a file of Python"
        tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tests)
        patch.setattr(tests, "subprocess", _instead(subprocess, run=played))
        patch.setattr(tests, "BUILD", rehearsal.folder)
        tests.test_fuzz_finds_nothing(tests.build(rehearsal.folder / "fuzz", ""), rehearsal.folder)
    if [f"-max_total_time={seconds}"] != [word for word in searched[0] if "max_total" in word]:
        raise Fault(f"the fuzzer is not to search for {seconds} s: {' '.join(searched[0])}")
