# SPDX-License-Identifier: GPL-2.0-only
"""
Takes each fix out of the driver in turn, and requires the test that names the defect to fail.

lab/mutants/mutants.yaml lists them. A mutant is edits of the sources (each text occurs exactly once)
and the test that must catch it. It counts as caught only when the machine came up, the driver
was built and the named test ended `not ok`, or took the kernel down where the entry says so. It
survived when the test passed without the fix. A mutant that does not fit the sources or does not
build, or whose machine did not come up, is broken: that says nothing of the test.

A mutant of what the lab builds into a kernel, kernel/powernv and kernel/v5_10, names that kernel: it
is linked anew (relink.py).

`make test` compiles them all (compiles()), and takes a few all the way, others with each commit
(share()). Of a kernel of its own it compiles only what the cache has a build of, and takes none.
"""

import contextlib
import functools
import hashlib
import os
import queue
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypedDict

from lab import limits
from lab.errors import CheckFailed, LabError
from lab.kernels import build, flavours, recompile, reference, relink
from lab.machine import machine
from lab.machine.machine import File, Outcome
from lab.npu2 import machine as npu2_machine, run as npu2_run
from lab.paths import BUILD, ROOT
from lab.progress import note
from lab.suites import bench, clients, judge, kunit, suites

LIST = ROOT / "lab/mutants/mutants.yaml"
_KEYS = {"defect", "what", "edits", "test", "kernel", "by", "seconds"}
_BY = ("test", "hang", "splat")
# Besides the suites of the machine: a test of the sources, run by pytest.
SOURCE = "source"
_DEFAULT_KERNEL = "6.12-64k"
CAUGHT, SURVIVED, BROKEN = "caught", "SURVIVED", "BROKEN"
# How many mutants `make test` takes all the way, and the variable that asks for more.
SHARE = 3
VARIABLE = "NVLINK2_MUTANTS"
# A kernel that is not a stock one is slow: one commit in so many takes such a mutant.
SLOW_TURN = 8
# D19 was never given out.
DEFECTS = [*(f"D{number}" for number in range(1, 31) if number != 19),
           *(f"N{number}" for number in (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 15, 19))]


# A file, a text of it, and what stands there instead.
Edit = tuple[str, str, str]


class _ListedEdit(TypedDict):
    """An Edit as the list has it."""
    file: str
    old: str
    new: str


class _Listed(TypedDict, total=False):
    """A mutant as the list has it. Which of these words it has to have, _mutant() checks."""
    defect: str
    what: str
    edits: list[_ListedEdit]
    test: str
    kernel: str
    by: str
    seconds: int


class Mutant(NamedTuple):
    """One fix taken out."""
    name: str
    defect: str
    what: str
    edits: tuple[Edit, ...]
    suite: str
    test: str
    kernel: str
    by: str
    seconds: int


class Verdict(NamedTuple):
    """What came of a mutant: one of the three words, and what happened when it was not caught."""
    word: str
    detail: str = ""


class Counts(NamedTuple):
    """How many mutants were caught, survived and are broken."""
    caught: int
    survived: int
    broken: int

    def __str__(self) -> str:
        return f"{self.caught} caught, {self.survived} survived, {self.broken} broken"

    @property
    def status(self) -> int:
        """The exit status: a broken mutant is a fault of the list or the lab, not of a test."""
        return 2 if self.broken else 1 if self.survived else 0


def load(path: Path = LIST) -> tuple[list[Mutant], dict[str, str]]:
    """Every mutant of the list, checked: its defect, its edits and its test exist."""
    try:
        import yaml  # pylint: disable=import-outside-toplevel  # only these runs need it
    except ImportError:
        raise LabError("python3-yaml is missing: run `sh setup.sh test`") from None
    document = yaml.safe_load(path.read_text("utf-8"))
    mutants = [_mutant(entry, number) for number, entry in enumerate(document["mutants"], 1)]
    unproved = document.get("without", {})
    for mutant in mutants:
        if mutant.suite != SOURCE and mutant.test not in suites.names(mutant.suite):
            raise LabError(f"{LIST.name}: suite {mutant.suite} has no test {mutant.test}")
        check_kernel(mutant)
    _check_complete(mutants, unproved)
    return mutants, unproved


def _mutant(entry: _Listed, number: int) -> Mutant:
    unknown = set(entry) - _KEYS
    missing = {"defect", "what", "edits", "test"} - set(entry)
    where = f"{LIST.name}: mutant {number}"
    if unknown or missing:
        raise LabError(f"{where}: {'unknown' if unknown else 'missing'} "
                       f"{', '.join(sorted(unknown or missing))}")
    by = entry.get("by", "test")
    if by not in _BY:
        raise LabError(f"{where}: by is one of {', '.join(_BY)}")
    suite, _, test = entry["test"].partition(" ")
    if entry["defect"] in DEFECTS and not re.search(rf"_{entry['defect']}(?!\d)", test):
        raise LabError(f"{where}: the test {test} does not name {entry['defect']}")
    edits = tuple((edit["file"], edit["old"], edit["new"]) for edit in entry["edits"])
    slug = re.sub(r"[^a-z0-9]+", "-", entry["what"].lower()).strip("-")[:50]
    return Mutant(f"{number:02}-{entry['defect']}-{slug}", entry["defect"], entry["what"], edits,
                  suite, test, entry.get("kernel", _DEFAULT_KERNEL), by, entry.get("seconds", 90))


def check_kernel(mutant: Mutant) -> None:
    """Raises when the kernel that a mutant names does not have what it edits, or not its test."""
    part = relink.part_of(mutant.kernel)
    for folder, kernels in ((relink.POWERNV, ", ".join(flavours.NPU2)),
                            (relink.V5_10, f'"{reference.SERIES}"')):
        if any(file.startswith(folder) for file, _, _ in mutant.edits) \
                and (not part or part.folder != folder):
            raise LabError(f"{LIST.name}: {mutant.name} edits {folder}, which the kernel "
                           f"{mutant.kernel} does not have: name one of {kernels}")
    foreign = [file for file, _, _ in mutant.edits
               if mutant.kernel in flavours.REFERENCE and not relink.is_in_5_10(file)]
    if foreign:
        raise LabError(f"{LIST.name}: {mutant.name} edits {foreign[0]}, of which nothing is compiled "
                       f"into the driver of {mutant.kernel}: the test would see no difference")
    if part and not _has_test(mutant):
        raise LabError(f"{LIST.name}: {mutant.name}: no run of {mutant.kernel} follows from the test "
                       f"{mutant.suite} {mutant.test}")


def _is_in_kernel(mutant: Mutant) -> bool:
    """Whether a mutant of such a kernel changes that kernel, and not only the modules beside it."""
    return mutant.kernel in flavours.REFERENCE or any(
        file.startswith(relink.POWERNV) for file, _, _ in mutant.edits)


def _has_test(mutant: Mutant) -> bool:
    if mutant.kernel in flavours.REFERENCE:
        return mutant.suite == suites.IN_VFIO_PCI
    return bool(npu2_run.board_of(mutant.kernel, mutant.suite, mutant.test))


def _check_complete(mutants: Sequence[Mutant], unproved: Mapping[str, str]) -> None:
    proved = {mutant.defect for mutant in mutants}
    for defect in DEFECTS:
        if (defect in proved) == (defect in unproved):
            raise LabError(f"{LIST.name}: {defect} needs a mutant, or a reason below `without`"
                           + (", not both" if defect in proved else ""))


def mutate(tree: Path, edits: Sequence[Edit]) -> None:
    """Edits a copy of the sources. A text that is not there exactly once is an error."""
    for file, old, new in edits:
        path = tree / file
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise LabError(f"{LIST.name}: the text of a mutant occurs {text.count(old)} times in "
                           f"{file}, not once; it has to follow the code:\n{old}")
        path.write_text(text.replace(old, new), "utf-8")


@contextlib.contextmanager
def mutated(tree: Path, edits: Sequence[Edit]) -> Iterator[None]:
    """A copy of the sources with the edits in it, which go again at the end."""
    kept = {path: path.read_bytes() for path in (tree / file for file, _, _ in edits)
            if path.is_file()}
    try:
        mutate(tree, edits)
        yield
    finally:
        for path, data in kept.items():
            path.write_bytes(data)


def compiles(mutant: Mutant, tree: Path) -> bool:
    """
    Applies a mutant to a copy of the sources, compiles what reads an edited file, and takes it out
    again. LabError when it does not fit the sources, CheckFailed when it does not compile. False when
    nothing is compiled, as there is no build to compile it as.
    """
    with mutated(tree, mutant.edits):
        files = [file for file, _, _ in mutant.edits if file.endswith((".c", ".h"))]
        if not files:
            return False
        if relink.part_of(mutant.kernel):
            return _is_in_kernel(mutant) and relink.compiles(mutant.kernel, tree)
        record = recompile.of_flavour(mutant.kernel, mutant.suite == kunit.SUITE)
        recompile.compile_copy(mutant.kernel, record, tree, recompile.affected(record, files))
        return True


def commit() -> str:
    """The commit the sources are of; without git, a hash of the list."""
    try:
        done = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], cwd=ROOT, check=False,
                              capture_output=True, text=True)
        if not done.returncode:
            return done.stdout.strip()
    except OSError:
        pass
    return hashlib.sha256(LIST.read_bytes()).hexdigest()


def share(mutants: Sequence[Mutant], of: str, count: int = SHARE) -> list[Mutant]:
    """
    A few mutants, the same ones for a commit whenever it is asked, and others for another commit.

    Those of the stock kernels, as the others take minutes; but one commit in SLOW_TURN has one of
    those too, so that every mutant gets its turn. None is of a kernel that `make test` does not
    build.
    """
    def rank(text: str) -> bytes:
        return hashlib.sha256(f"{of}\0{text}".encode()).digest()

    ordered = sorted((mutant for mutant in mutants if not relink.part_of(mutant.kernel)),
                     key=lambda mutant: rank(mutant.name))
    quick = [mutant for mutant in ordered if is_quick(mutant)]
    slow = [mutant for mutant in ordered if not is_quick(mutant)]
    if rank("slow")[0] % SLOW_TURN == 0:
        return [*slow[:1], *quick, *slow[1:]][:count]
    return [*quick, *slow][:count]


def is_quick(mutant: Mutant) -> bool:
    """Whether a mutant takes seconds: no machine, or one with a stock kernel."""
    return mutant.suite == SOURCE or mutant.kernel in (*flavours.FLAVOURS, *flavours.HASH)


def run(mutants: Sequence[Mutant], count: int = os.cpu_count() or 1) -> Iterator[tuple[Mutant, Verdict]]:
    """Runs them, as many at a time as there are cores; yields (mutant, Verdict)."""
    workers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        workers.put(number)

    # What a machine carries beside the modules is the same for all.
    rest = {kernel: [(name, path) for name, path in suites.payload(kernel)
                     if not name.endswith(".ko")]
            for kernel in dict.fromkeys(mutant.kernel for mutant in mutants
                                        if mutant.suite != SOURCE and
                                        not relink.part_of(mutant.kernel))}

    def one(mutant: Mutant) -> Verdict:
        worker = workers.get()
        try:
            return _run_one(mutant, worker, rest.get(mutant.kernel, ()))
        except (CheckFailed, LabError) as error:
            return Verdict(BROKEN, str(error))
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(max_workers=count) as pool:
        verdicts = [(mutant, pool.submit(one, mutant)) for mutant in mutants]
        try:
            for mutant, verdict in verdicts:
                yield mutant, verdict.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _run_one(mutant: Mutant, worker: int, files: Sequence[File]) -> Verdict:
    tree = BUILD / f"mutants-{mutant.kernel}-{worker}"
    build.synchronize_all(tree)
    mutate(tree, mutant.edits)
    if mutant.suite == SOURCE:
        return _run_source(mutant, tree)
    if relink.part_of(mutant.kernel):
        return _run_relinked(mutant, tree)
    with_kunit = mutant.suite == kunit.SUITE
    products = build.modules_in(mutant.kernel, tree, f"the mutant {mutant.name}",
                                f"KUNIT={int(with_kunit)}")
    command = suites.named(mutant.suite).command(only=[mutant.test])
    if mutant.by == "hang":
        command.insert(1, "--apart")
    files = [*files, *clients.payload(mutant.kernel, mutant.suite),
             *((f"lib/modules/{name}", path) for name, path in products.items())]
    log = BUILD / "logs/mutants" / f"{mutant.name}.log"
    if mutant.suite == bench.SUITE:
        return _verdict_of_ratio(mutant, bench.boot(mutant.kernel, files, False, log=log))
    # Without limits.seconds()'s slack: some mutants hang, which takes all of it.
    outcome = machine.boot(mutant.kernel, command, files, mutant.seconds * limits.slowness(),
                           extra=suites.emulator(mutant.kernel, mutant.suite), log=log)
    return verdict(mutant, outcome)


@functools.cache
def _payload_of_kernel(kernel: str, guest: bool = False) -> dict[str, bytes | str | Path]:
    """The files of a machine whose kernel a mutant changes, by their paths there, without the mutant."""
    return dict(suites.payload(kernel) if kernel in flavours.REFERENCE
                else npu2_run.payload(kernel, guest))


def _run_relinked(mutant: Mutant, tree: Path) -> Verdict:
    """Runs a mutant of a kernel that the lab builds, with what of ours is in that linked anew."""
    log = BUILD / "logs/mutants" / f"{mutant.name}.log"
    timeout = mutant.seconds * limits.slowness()
    if mutant.kernel in flavours.REFERENCE:
        files = dict(_payload_of_kernel(mutant.kernel))
        driver = relink.build(mutant.kernel, tree, tree / "stripped" / relink.DRIVER,
                              log.with_suffix(".build"))
        files[f"lib/modules/{relink.DRIVER}"] = driver
        note(f"{mutant.name}: starting the machine")
        # The process of a test that the kernel ends counts as one that failed.
        outcome = machine.boot(mutant.kernel, ["/bin/nvtest", "--apart", mutant.suite, mutant.test],
                               list(files.items()), timeout,
                               extra=suites.emulator(mutant.kernel, mutant.suite), log=log)
        return verdict(mutant, outcome)
    files = dict(_payload_of_kernel(mutant.kernel, mutant.test == npu2_run.GUEST))
    if not all(file.startswith(relink.POWERNV) for file, _, _ in mutant.edits):
        files |= {f"lib/modules/{name}": path for name, path in build.modules_in(
            mutant.kernel, tree, f"the mutant {mutant.name}").items()}
    vmlinux = relink.build(mutant.kernel, tree, tree / "stripped/vmlinux",
                           log.with_suffix(".build")) if _is_in_kernel(mutant) else None
    board = npu2_run.board_of(mutant.kernel, mutant.suite, mutant.test)
    assert board, f"check_kernel() has passed {mutant.name}"
    note(f"{mutant.name}: starting the machine")
    outcome, _ = npu2_machine.boot(
        mutant.kernel, ["/bin/nvtest", mutant.suite, mutant.test], list(files.items()),
        timeout=timeout, log=log, vmlinux=vmlinux, **board.layout)
    return verdict(mutant, outcome)


def _run_source(mutant: Mutant, tree: Path) -> Verdict:
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", f"tests/{mutant.test}.py"], cwd=ROOT,
                          env={**os.environ, "NVLINK2_TREE": str(tree)}, capture_output=True,
                          text=True, check=False)
    return verdict_of_source(mutant, done.returncode, done.stdout)


def verdict_of_source(mutant: Mutant, status: int, said: str) -> Verdict:
    """The verdict of a run of pytest. A test that cannot even be read has found nothing."""
    if status == 0:
        return _survived(mutant)
    if status == 1 and re.search(r"^FAILED ", said, re.MULTILINE):
        return Verdict(CAUGHT)
    return Verdict(BROKEN, f"the test did not run: pytest ended with status {status}\n{said}")


def _survived(mutant: Mutant) -> Verdict:
    return Verdict(SURVIVED, f"{mutant.test} passes without the fix")


def verdict(mutant: Mutant, outcome: Outcome) -> Verdict:
    """Caught, as its entry says, or what happened instead."""
    command, _, kernel = judge.split(outcome.console)
    if mutant.suite == kunit.SUITE:
        return _verdict_of_kunit(mutant, outcome, kernel)
    if "TAP version 14" not in command:
        return Verdict(BROKEN, f"the test did not begin\n{judge.tail(outcome.console)}")
    case, *more = judge.judge_tests(outcome, [mutant.test])
    begun = [other for other in more if other.name != "plan" or outcome.reason == "end"]
    if begun:
        return Verdict(SURVIVED, f"{begun[0].name}: {begun[0].detail}")
    ended = any(re.match(r"(not )?ok 1 - ", line) for line in command)
    if mutant.by == "splat":
        found = bool(judge.splats(kernel))
        return Verdict(CAUGHT) if found else Verdict(SURVIVED, "the kernel did not complain")
    if not ended:
        return Verdict(SURVIVED, f"the test began and did not end\n{judge.tail(outcome.console)}")
    return _survived(mutant) if case.ok else Verdict(CAUGHT)


def _verdict_of_ratio(mutant: Mutant, outcome: Outcome) -> Verdict:
    cases = {case.name: case for case in bench.judge_ratios(outcome, mutant.kernel)}
    bad = [case for case in cases.values() if not case.ok and case.name != mutant.test]
    if bad:
        return Verdict(BROKEN, f"{bad[0].name}: {bad[0].detail}")
    return _survived(mutant) if cases[mutant.test].ok else Verdict(CAUGHT)


def _verdict_of_kunit(mutant: Mutant, outcome: Outcome, kernel: Sequence[str]) -> Verdict:
    results, _ = kunit.read(kernel)
    if not results:
        return Verdict(BROKEN, f"KUnit did not begin\n{judge.tail(outcome.console)}")
    if mutant.test not in results:
        return Verdict(SURVIVED, f"the test did not end\n{judge.tail(outcome.console)}")
    return _survived(mutant) if results[mutant.test][0] else Verdict(CAUGHT)


def report(mutants: Sequence[Mutant], unproved: Mapping[str, str]) -> Counts:
    """Runs the mutants, prints each verdict, and returns the Counts."""
    found = dict.fromkeys((CAUGHT, SURVIVED, BROKEN), 0)
    note(f"{len(mutants)} mutants")
    for mutant, (word, detail) in run(mutants):
        found[word] += 1
        print(f"{word:8} {mutant.defect:4} {mutant.what} [{mutant.suite} {mutant.test}]", flush=True)
        if detail:
            print(detail, flush=True)
    for defect, reason in unproved.items():
        print(f"without  {defect:4} {reason}")
    counts = Counts(*found.values())
    print(f"{counts}, {len(unproved)} defects without a mutant")
    return counts
