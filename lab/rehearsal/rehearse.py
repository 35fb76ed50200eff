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
import os
import re
import shutil
import subprocess
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from lab import cli, longruns
from lab.debian import toolchain
from lab.kernels import build, debugkernel, flavours, kernelmake, reference, source
from lab.machine import machine, qemu
from lab.machine.machine import File, LineHandler
from lab.mutants import mutants
from lab.npu2 import exports, machine as npu2_machine, run as npu2_run, tree as npu2_tree
from lab.packages import cleanroot
from lab.paths import ROOT
from lab.rehearsal.kernels import Kernels
from lab.rehearsal.played import Hours, Process, Root, instead, printed
from lab.rehearsal.recipe import RECORDED_ENV, Command, Fault, Start
from lab.suites import bench, clients, intreebuild, judge, soak, suites
from lab.versus import page

SUITES_OF = {"6.12": flavours.SUITE, "7.2": "forky"}
_NONCE = "5eed"


class Rehearsal:
    """
    The stand-ins. `starts` are the machines they were asked for, `kernels` those that were made,
    `built` the commands of builds, `fuzzed` the seconds that the fuzzer was to search, and
    `recorded` what went into tests/long-runs.json.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch = patch
        self.folder = folder
        self.starts: list[Start] = []
        self.fuzzed: list[str] = []
        self.recorded: list[tuple[str, str]] = []
        self._file = folder / "file"
        self._file.write_bytes(b"file")
        # Entries of the cache are looked up in the real one.
        self._kernels = Kernels(folder, {series: source.kept(flavours.index(suite), series)
                                         for series, suite in SUITES_OF.items()}, self._file)
        patch.setenv("NVLINK2_CACHE", str(folder / "cache"))
        self._stand_in()

    @property
    def kernels(self) -> list[str]:
        """The kernels that were made."""
        return self._kernels.made

    @property
    def built(self) -> list[list[str]]:
        """The commands of builds."""
        return self._kernels.built

    def _stand_in(self) -> None:
        replace = self.patch.setattr
        replace(longruns, "record", lambda target, result, *_: self.recorded.append((target, result)))
        replace(flavours, "index", lambda *_: None)
        replace(toolchain, "bin_folder", lambda _: self.folder)
        replace(qemu, "emulator", lambda *_: Root(self._file))
        replace(clients, "qemu", lambda *_: Root(self._file))
        self._answer(machine, "boot", self._boot)
        self._answer(npu2_machine, "boot", self._boot_npu2)
        self._answer(build, "program", self._kernels.program)
        self._answer(build, "modules_in", lambda *_: {"nvlink2-vfio-pci.ko": self._file})
        self._answer(build, "bench_module", self._kernels.bench_module)
        replace(build, "tree_of", lambda name, kunit=False: self.folder / f"kernel-{name}-{kunit}")
        for module in (bench, clients, intreebuild, reference):
            replace(module, "BUILD", self.folder / "build")
        # Kernels, down to the programs that make them.
        self._answer(flavours, "kernel", self._kernels.kernel)
        replace(source, "package", lambda _, series: (None, f"{series}.1-1"))
        replace(source, "tree", lambda _, series: self._kernels.tree(series))
        replace(source, "kept", lambda _, series: self._kernels.tree(series))
        replace(source, "have", self._kernels.tree)
        self._answer(kernelmake, "configure", self._kernels.configure)
        self._answer(debugkernel, "run_long", self._kernels.run_long)
        for module in (debugkernel, intreebuild, reference):
            self._answer(module, "run", self._kernels.run)
        # And what a target needs beside.
        replace(mutants, "run", lambda chosen: [(mutant, mutants.Verdict(mutants.CAUGHT))
                                                for mutant in chosen])
        replace(bench, "budgets", self._budgets)
        replace(debugkernel, "_LOGS", self.folder)
        replace(reference, "_LOG", self.folder / "reference-kernel.log")
        replace(bench, "RESULTS", self.folder / "results")
        # `--ratios` writes it, and the list of mutants reads the names in it.
        shutil.copy(bench.RATIOS, self.folder / "ratios.json")
        replace(bench, "RATIOS", self.folder / "ratios.json")
        replace(exports, "check", lambda: [])
        replace(page, "case",
                lambda done: judge.Case("the page", bool(page.render(done)), ""))
        replace(soak, "time", Hours())
        replace(soak, "subprocess", instead(subprocess, run=self._python))
        replace(cleanroot, "BUILD", self.folder / "build")
        replace(cleanroot, "_LOG", self.folder / "clean-root.log")
        replace(cleanroot, "subprocess", instead(subprocess, run=self._packages, Popen=self._clean_root))
        replace(cleanroot, "shutil", instead(shutil, which=lambda name: f"/usr/bin/{name}"))

    def _answer(self, module: types.ModuleType, name: str, answer: Callable[..., object]) -> None:
        """Puts a stand-in in the place of a function, and refuses what that would not take."""
        signature = inspect.signature(getattr(module, name))

        def checked(*arguments: object, **named: object) -> object:
            signature.bind(*arguments, **named)
            return answer(*arguments, **named)

        self.patch.setattr(module, name, checked)

    # Machines.

    def _boot(self, flavour: str, argv: Sequence[str], files: Iterable[File] = (), timeout: float = 0,
              on_line: LineHandler | None = None, **_: object) -> machine.Outcome:
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
        if flavour in flavours.NPU2:
            log += [npu2_machine.Access("SCOM", "wr", 0x700120, 0, name, 1 << 63)
                    for name in npu2_run.DIFFERENCES]
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

    def _outcome(self, flavour: str, argv: Sequence[str],
                 on_line: LineHandler | None = None) -> machine.Outcome:
        """The console of a machine in which all tests passed."""
        console = ["Linux version 6", "radix-mmu: Initializing Radix MMU", "KASAN init done",
                   *(f"nvlab| {line}" for line in printed(flavour, list(argv))),
                   "nvlab: health: debug_locks:  1", "nvlab: health: kmemleak searched",
                   f"nvlab: end {_NONCE} status=0"]
        if on_line:
            for line in console:
                on_line(line)
        return machine.Outcome(console, _NONCE, "end", 1.0, 0, 1.0)

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
        run_command(Command(words, (env or {}).get(RECORDED_ENV, "")), self)
        return subprocess.CompletedProcess(command, 0, "", "")

    def _packages(self, command: Sequence[str | Path], **__: object) -> subprocess.CompletedProcess[str]:
        """Plays packaging/deb.py, which takes its own options and only builds nothing."""
        _, script, *words = map(str, command)
        if not Path(script).is_file():
            raise Fault(f"there is no {script}")
        deb = _loaded("rehearsed_deb", Path(script))
        self.patch.setattr(deb, "build", self._build_packages)
        status = _exit_status(lambda: int(deb.main(words)), [script])
        return subprocess.CompletedProcess(command, status, "", "")

    @staticmethod
    def _build_packages(commit: str, out: Path) -> list[Path]:
        if commit != "HEAD":
            raise Fault(f"the packages are to be of {commit}, not of the last commit")
        control = (ROOT / "packaging/debian/control").read_text("utf-8")
        out.mkdir(parents=True, exist_ok=True)
        paths = [out / f"{name}_1_all.deb" for name in re.findall(r"^Package: (\S+)$", control, re.M)]
        for path in paths:
            path.write_bytes(b"")
        return paths

    @contextlib.contextmanager
    def _clean_root(self, command: Sequence[str], **_: object) -> Iterator[Process]:
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
        yield Process([*(f"ok {name}\n" for name in checks),
                        *(f"{end}\n" for end in re.findall(r"^echo '([^']+)'$", text, re.M))])


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


def _loaded(name: str, path: Path) -> types.ModuleType:
    """A module of its own of a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader, "it is a file of Python"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
        patch.setenv(RECORDED_ENV, seconds)
        tests = _loaded("tests.decoder.rehearsed", path)
        patch.setattr(tests, "subprocess", instead(subprocess, run=played))
        patch.setattr(tests, "BUILD", rehearsal.folder)
        tests.test_fuzz_finds_nothing(tests.build(rehearsal.folder / "fuzz", ""), rehearsal.folder)
    if [f"-max_total_time={seconds}"] != [word for word in searched[0] if "max_total" in word]:
        raise Fault(f"the fuzzer is not to search for {seconds} s: {' '.join(searched[0])}")
