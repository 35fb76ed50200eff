# SPDX-License-Identifier: GPL-2.0-only
"""
`make check`: the tests that a change can fail, and of those the quick ones.

affected_rules.py says by the file's name what is run. Here, two lists of mutants add to it. The
test that catches a mutant of the driver is run when the mutant's file changes: with its whole suite
where the table selects that, or else alone, on the kernel that the list names, where the machine
boots with these tests only. For a debug kernel that is the only way to stay near the budget. Of the
gate's listed changes, each of which takes a second or more, a few are run that together are seen by
every detector, or those that only the changed detector sees.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.check.affected_rules import DOCS, GATE_CHANGES, KERNEL, RULES, Rule
from lab.errors import LabError
from lab.kernels import flavours, relink
from lab.lint import lint
from lab.mutants import mutants
from lab.paths import ROOT, cache
from lab.progress import note
from lab.suites import suites

#: Set for pytest: a machine boots with the tests that were asked for only.
NAMED = "NVLINK2_BOOT_NAMED"
GUEST = "tests/test_guest.py"
#: In every run: the table is whole.
ALWAYS = "tests/lab/test_affected.py::test_every_file_has_a_rule"
MATRIX = ROOT / "abi-tests/MATRIX.md"
# Files that would run for long: what of them is run when they themselves change.
_INSTEAD = {GUEST: f"{GUEST}::test_case_names_do_not_collide",
            "tests/test_lint.py": "tests/test_lint.py::test_lint[python-syntax]",
            "tests/test_lint_builds.py": "tests/test_lint_builds.py::test_lint[gcc-sparse-6.12-64k]",
            "tests/test_lint_sources.py": "tests/test_lint_sources.py::test_lint[checkpatch]",
            "tests/docs/test_manual.py": "tests/docs/test_topology.py"}
_SAMPLE = 6


class Selection(NamedTuple):
    """
    A selection of tests: arguments of pytest; machines, {(flavour, suite): names, or None for all}; checks of
    `make lint`. `left` is {what is left out: the files it is about}, `unknown` those that no rule
    fits, which makes it everything.
    """
    tests: dict[str, None]
    boots: dict[tuple[str, str], dict[str, None] | None]
    lint: dict[str, None]
    left: dict[str, list[str]]
    unknown: list[str]

    def __bool__(self) -> bool:
        return bool(self.tests or self.boots or self.lint or self.unknown)


def fits(pattern: str, file: str) -> bool:
    """Says whether a file has a name like the pattern: `*` within one folder, `**` across them."""
    words = re.split(r"(\*\*/|\*\*|\*|\[\w+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return bool(re.fullmatch("".join(known.get(word) or (word if word[:1] == "[" else re.escape(word))
                                     for word in words), file))


def changed(since: str | None = None) -> list[str]:
    """The files that differ from a commit (default: the last one), those git does not know too."""
    found = []
    for command in (["diff", "--name-only", "-z", "--no-renames", since or "HEAD", "--"],
                    ["ls-files", "-z", "--others", "--exclude-standard"]):
        try:
            done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True,
                                  check=False)
        except FileNotFoundError:
            raise LabError("git is missing: name the files that changed") from None
        if done.returncode:
            raise LabError(f"git does not say what changed: {done.stderr.strip().splitlines()[0]}")
        found += done.stdout.split("\0")[:-1]
    return sorted(set(found))


def named(files: Sequence[str]) -> list[str]:
    """The same names as seen from the top of the tree."""
    found = []
    for file in files:
        path = Path(os.path.abspath(file))
        if ROOT not in path.parents:
            raise LabError(f"{file} is no file of {ROOT}")
        found.append(path.relative_to(ROOT).as_posix())
    return found


def select(files: Sequence[str], known: Iterable[mutants.Mutant] | None = None) -> Selection:
    """The Selection for changed files; `known` are the driver's mutants (default: the list's)."""
    chosen = Selection({}, {}, {}, {}, [])
    caught = set()
    for file in files:
        rules = [rule for rule in RULES if fits(rule.files, file)]
        if not rules and not any(fits(pattern, file) for pattern in DOCS):
            chosen.unknown.append(file)
        if not rules:
            chosen.left.setdefault("the manual (`make docs`)", []).append(file)
        for rule in rules:
            _apply(chosen, rule, file)
            if rule.mutants:
                caught.add(file)
    _add_mutants(chosen, caught, known)
    _sample(chosen, files)
    return chosen


def _apply(chosen: Selection, rule: Rule, file: str) -> None:
    for pattern in rule.tests.split():
        test = pattern.format(file=file, stem=Path(file).stem)
        path, colons, item = test.partition("::")
        found = sorted(glob.glob(path, root_dir=ROOT))
        # A test that was removed, or a file whose tests have another name.
        chosen.tests.update((_INSTEAD.get(f"{name}{colons}{item}", f"{name}{colons}{item}"), None)
                            for name in found)
    for word in rule.suites.split():
        flavour, slash, suite = word.rpartition("/")
        chosen.boots[flavour if slash else KERNEL, suite] = None
    chosen.lint.update((name, None) for name in rule.lint.split())
    if rule.left and file not in chosen.left.setdefault(rule.left, []):
        chosen.left[rule.left].append(file)


def _add_mutants(chosen: Selection, files: set[str], known: Iterable[mutants.Mutant] | None) -> None:
    if not files:
        return
    for mutant in mutants.load()[0] if known is None else known:
        if not files & {file for file, _, _ in mutant.edits}:
            continue
        if mutant.suite == mutants.SOURCE:
            chosen.tests[f"tests/{mutant.test}.py"] = None
            continue
        if relink.part_of(mutant.kernel):
            chosen.left.setdefault(f"{mutant.kernel} {mutant.suite} (`make test-mutants`)", [])
            continue
        names = chosen.boots.setdefault((mutant.kernel, mutant.suite), {})
        if names is not None:
            names[mutant.test] = None


def matrix() -> tuple[list[str], list[tuple[str, set[str]]]]:
    """[(group, name, detectors that see it)] of the ABI gate's listed changes that break something."""
    rows = [line.strip("| ").split("|") for line in MATRIX.read_text("utf-8").splitlines()
            if line.startswith("| ")]
    detectors = [cell.strip() for cell in rows[0][1:-1]]
    found = []
    for row in rows[1:]:
        group, colon, name = row[0].strip().partition(": ")
        seen = {detector for detector, cell in zip(detectors, row[1:]) if cell.strip() == "yes"}
        if colon and group != "macro" and seen:
            found.append((name, seen))
    return detectors, found


def gate_changes(file: str) -> list[str]:
    """Names of a few changes for a file of the ABI gate: those its detector sees best, or of everything."""
    detectors, found = matrix()
    stem = Path(file).stem
    detector = next((name for name in detectors if "/detectors/" in file
                     and stem.startswith(name)), None)
    if detector:
        # First those that no other detector would find.
        ranked = sorted((len(seen), number, name) for number, (name, seen) in enumerate(found)
                        if detector in seen)
        return [name for _, _, name in ranked[:_SAMPLE]]
    chosen, missing = [], set(detectors)
    while missing and found:
        name, seen = max(found, key=lambda row: len(row[1] & missing))
        if not seen & missing:
            break
        chosen.append(name)
        missing -= seen
    # And one that every detector but the newest could miss: seen by one of them alone.
    chosen += [name for name, seen in found if len(seen) == 1 and name not in chosen][:2]
    return chosen


def _sample(chosen: Selection, files: Sequence[str]) -> None:
    """Takes a few of the ABI gate's changes in place of all of them."""
    if GATE_CHANGES not in chosen.tests:
        return
    del chosen.tests[GATE_CHANGES]
    for file in [file for file in files if file.startswith("abi-tests/")] or files:
        chosen.tests.update((f"{GATE_CHANGES}::test_change[{name}]", None)
                            for name in gate_changes(file))


def _without_unbuilt(chosen: Selection) -> None:
    """Leaves out the machines whose kernel would have to be built first, which takes many minutes."""
    for flavour, suite in list(chosen.boots):
        known = flavours.flavour(flavour)
        if known.recipe and not any((cache() / f"{known.recipe.name}-kernel")
                                    .glob(f"*{known.series}*.tar.xz")):
            del chosen.boots[flavour, suite]
            chosen.left[f"{flavour} {suite}, for which no kernel is built yet"] = [flavour]


def arguments(chosen: Selection) -> list[str]:
    """Returns the arguments of pytest; none when everything runs."""
    if chosen.unknown:
        return []
    every = {**chosen.tests, ALWAYS: None}
    tests = [test for test in every
             if not any(test != other and test.startswith((f"{other}::", f"{other}/"))
                        for other in every)]
    boots = [f"{GUEST}::test_guest[{flavour}-{suite}-{name}]".replace(" ", "_")
             # The machines start in this order, as many at a time as there are cores: slow ones first.
             for (flavour, suite), names in sorted(
                 chosen.boots.items(), key=lambda boot: not flavours.flavour(boot[0][0]).debug)
             for name in [*(suites.names(suite) if names is None else names),
                          *suites.log_cases(flavour)]]
    return [*boots, *tests, *(f"{_lint_file(name)}::test_lint[{name}]" for name in chosen.lint)]


def _lint_file(check: str) -> str:
    """The file of tests that has a check of `make lint`."""
    return next(file for file, checks in (("tests/test_lint.py", lint.SCRIPTS),
                                          ("tests/test_lint_builds.py", lint.BUILDS),
                                          ("tests/test_lint_sources.py", lint.SOURCES))
                if check in checks)


def named_tests(suite: str, cases: Collection[str]) -> list[str]:
    """The tests to name when a machine boots for these cases of a suite; none when it runs whole."""
    if not suites.named(suite).takes_names:
        return []
    names = suites.names(suite)
    asked = [name for name in names if name in cases]
    return asked if len(asked) < len(names) else []


def describe(chosen: Selection) -> Iterator[str]:
    """Returns lines that say which tests run and which do not."""
    if chosen.unknown:
        yield f"everything, for no rule is about {', '.join(chosen.unknown)}: what `make test` runs"
        return
    for (flavour, suite), names in chosen.boots.items():
        how = "whole" if names is None or not suites.named(suite).takes_names else ", ".join(names)
        yield f"machine: {flavour} {suite}: {how}"
    yield from (f"test: {test}" for test in chosen.tests)
    yield from (f"lint: {name}" for name in chosen.lint)
    for what, files in chosen.left.items():
        yield f"left out: {what} [{', '.join(files)}]; {_runs(what)}"


def _runs(what: str) -> str:
    return "not run here" if "`make" in what else "`make test` runs them"


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `check` to the lab's command line."""
    text = "run the quick tests that what has changed can fail, and say what is left out"
    command = commands.add_parser("check", help=text, description=text)
    command.add_argument("--since", metavar="REF",
                         help="what has changed since a commit (default: since the last one)")
    command.add_argument("--list", action="store_true", help="say what would be run, and run nothing")
    command.add_argument("files", nargs="*", metavar="FILE", help="these have changed, and no others")


def check(files: Sequence[str], since: str | None = None, only_list: bool = False) -> int:
    """Runs what changed files can fail; 0 when all passed, 1 when not."""
    files = named(files) if files else changed(since)
    if not files:
        print(f"no file differs from {since or 'the last commit'}: nothing to check")
        return 0
    chosen = select(files)
    _without_unbuilt(chosen)
    print(f"{len(files)} changed: {', '.join(files[:8])}{', ...' if len(files) > 8 else ''}")
    for line in describe(chosen):
        print(line, flush=True)
    if not chosen:
        print("nothing of `make test` that is quick reads them")
    if only_list or not chosen:
        return 0
    note("pytest begins")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments(chosen)], cwd=ROOT,
                          env={**os.environ, NAMED: "1"}, check=False)
    if done.returncode not in (0, 1):
        raise LabError(f"pytest ended with status {done.returncode}: see above")
    return done.returncode
