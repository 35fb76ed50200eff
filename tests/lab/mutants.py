# SPDX-License-Identifier: GPL-2.0-only
"""
Takes each fix out of the driver in turn, and requires the test that names the defect to fail.

tests/mutants.yaml lists them. A mutant is edits of the sources (each text occurs exactly once)
and the test that must catch it. It counts as caught only when the machine came up, the driver
was built and the named test ended `not ok`, or took the kernel down where the entry says so.
"""

import os
import queue
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from . import build, clients, judge, kunit, limits, machine, suites
from .errors import Findings, LabError
from .paths import BUILD, ROOT
from .progress import note

LIST = ROOT / "tests/mutants.yaml"
_KEYS = {"defect", "what", "edits", "test", "kernel", "by", "seconds"}
_BY = ("test", "splat")
# Besides the suites of the machine: a test of the sources, run by pytest.
SOURCE = "source"
_DEFAULT_KERNEL = "6.12-64k"
# D19 was never given out.
DEFECTS = [f"D{number}" for number in range(1, 31) if number != 19] + ["N1"]


class Mutant(NamedTuple):
    """One fix taken out. `edits` are (file, text, what stands there instead)."""
    name: str
    defect: str
    what: str
    edits: tuple
    suite: str
    test: str
    kernel: str
    by: str
    seconds: int


def load(path=LIST):
    """Every mutant of the list, checked: its defect, its edits and its test exist."""
    try:
        import yaml  # pylint: disable=import-outside-toplevel  # only these runs need it
    except ImportError:
        raise LabError("python3-yaml is missing: run `sh tests/setup.sh test`") from None
    document = yaml.safe_load(path.read_text("utf-8"))
    mutants = [_mutant(entry, number) for number, entry in enumerate(document["mutants"], 1)]
    unproved = document.get("without", {})
    for mutant in mutants:
        if mutant.suite != SOURCE and mutant.test not in suites.names(mutant.suite):
            raise LabError(f"{LIST.name}: suite {mutant.suite} has no test {mutant.test}")
    _check_complete(mutants, unproved)
    return mutants, unproved


def _mutant(entry, number):
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


def _check_complete(mutants, unproved):
    proved = {mutant.defect for mutant in mutants}
    for defect in DEFECTS:
        if (defect in proved) == (defect in unproved):
            raise LabError(f"{LIST.name}: {defect} needs a mutant, or a reason below `without`"
                           + (", not both" if defect in proved else ""))


def mutate(tree, edits):
    """Edits a copy of the sources. A text that is not there exactly once is an error."""
    for file, old, new in edits:
        path = tree / file
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise LabError(f"{LIST.name}: the text of a mutant occurs {text.count(old)} times in "
                           f"{file}, not once; it has to follow the code:\n{old}")
        path.write_text(text.replace(old, new), "utf-8")


def run(mutants):
    """Runs them, as many at a time as there are cores; yields (mutant, None or what is wrong)."""
    workers = queue.SimpleQueue()
    count = os.cpu_count() or 1
    for number in range(count):
        workers.put(number)

    # What a machine carries beside the modules is the same for all.
    rest = {kernel: [(name, path) for name, path in suites.payload(kernel)
                     if not name.endswith(".ko")]
            for kernel in dict.fromkeys(mutant.kernel for mutant in mutants
                                        if mutant.suite != SOURCE)}

    def one(mutant):
        worker = workers.get()
        try:
            return _run_one(mutant, worker, rest.get(mutant.kernel))
        except (Findings, LabError) as error:
            return str(error)
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(max_workers=count) as pool:
        verdicts = [(mutant, pool.submit(one, mutant)) for mutant in mutants]
        try:
            for mutant, verdict in verdicts:
                yield mutant, verdict.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _run_one(mutant, worker, files):
    tree = BUILD / f"mutants-{mutant.kernel}-{worker}"
    build.synchronize_all(tree)
    mutate(tree, mutant.edits)
    if mutant.suite == SOURCE:
        return _run_source(mutant, tree)
    with_kunit = mutant.suite == kunit.SUITE
    products = build.modules_in(mutant.kernel, tree, f"the mutant {mutant.name}",
                                f"KUNIT={int(with_kunit)}")
    command = ["/bin/nvtest", mutant.suite, *([] if with_kunit else [mutant.test])]
    files = [*files, *clients.payload(mutant.kernel, mutant.suite),
             *((f"lib/modules/{name}", path) for name, path in products.items())]
    outcome = machine.boot(mutant.kernel, command, files,
                           mutant.seconds * limits.slowness(),
                           extra=suites.emulator(mutant.kernel, mutant.suite),
                           log=BUILD / "logs/mutants" / f"{mutant.name}.log")
    return verdict(mutant, outcome)


def _run_source(mutant, tree):
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", f"tests/{mutant.test}.py"], cwd=ROOT,
                          env={**os.environ, "NVLINK2_TREE": str(tree)}, capture_output=True,
                          text=True, check=False)
    if done.returncode == 1:
        return None
    return f"{mutant.test} passes without the fix" if not done.returncode else done.stdout


def verdict(mutant, outcome):
    """None when the mutant was caught as its entry says; else what happened instead."""
    command, _, kernel = judge.split(outcome.console)
    if mutant.suite == kunit.SUITE:
        return _verdict_of_kunit(mutant, outcome, kernel)
    if "TAP version 14" not in command:
        return f"the test did not begin\n{judge.tail(outcome.console)}"
    case, *more = judge.judge_tests(outcome, [mutant.test])
    begun = [other for other in more if other.name != "plan" or outcome.reason == "end"]
    if begun:
        return f"{begun[0].name}: {begun[0].detail}"
    ended = any(re.match(r"(not )?ok 1 - ", line) for line in command)
    if mutant.by == "splat":
        found = bool(judge.splats(kernel))
        return None if found else "the kernel did not complain"
    if not ended:
        return f"the test began and did not end\n{judge.tail(outcome.console)}"
    return None if not case.ok else f"{mutant.test} passes without the fix"


def _verdict_of_kunit(mutant, outcome, kernel):
    results, _ = kunit.read(kernel)
    if mutant.test not in results:
        return f"the test did not end\n{judge.tail(outcome.console)}"
    return f"{mutant.test} passes without the fix" if results[mutant.test][0] else None


def report(mutants, unproved):
    """Runs the mutants, tells each verdict, and returns how many were caught and were not."""
    caught = survived = 0
    note(f"{len(mutants)} mutants")
    for mutant, wrong in run(mutants):
        caught += wrong is None
        survived += wrong is not None
        print(f"{'caught ' if wrong is None else 'SURVIVED'} {mutant.defect:4} {mutant.what} "
              f"[{mutant.suite} {mutant.test}]", flush=True)
        if wrong is not None:
            print(wrong, flush=True)
    for defect, reason in unproved.items():
        print(f"without  {defect:4} {reason}")
    print(f"{caught} caught, {survived} survived, {len(unproved)} defects without a mutant")
    return caught, survived
