# SPDX-License-Identifier: GPL-2.0-only
"""
The last full run of each target that takes too long for `make test`.

tests/long-runs.json keeps them: the commit, the date and the result. Only a run of everything, of
sources that are a commit, is recorded. `python3 -m lab long-targets` shows the list.
"""

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from lab.errors import LabError
from lab.paths import ROOT, write_atomic
from lab.progress import note

FILE = ROOT / "tests/long-runs.json"
TARGETS = ("test-mutants", "test-reference", "test-npu2", "test-in-tree", "test-deb", "attack", "fuzz",
           "bench", "soak")
NEVER = "never recorded"
_KEYS = {"commit", "date", "result"}
# What the runs themselves write.
_WRITTEN = ("tests/long-runs.json", "docs/versus-2018.md", "docs/performance.md",
            "docs/npu2-module.md")


def _git(*arguments: str) -> str | None:
    """Returns the output of git, or None when there is no git or no repository here."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True,
                              text=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout


def state() -> tuple[str, str]:
    """(commit, why the sources are not that commit: "" when they are)"""
    head = _git("rev-parse", "--verify", "HEAD")
    changed = _git("status", "--porcelain", "--no-renames", "--untracked-files=all")
    if head is None or changed is None:
        return "", "there is no git repository to name a commit of"
    files = [line[3:] for line in changed.splitlines() if line[3:] not in _WRITTEN]
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return head.strip(), f"the tree is not the commit: {files[0]}{more}"
    return head.strip(), ""


def load(path: Path | None = None) -> dict[str, dict[str, str]]:
    """{target: {"commit", "date", "result"}} of those that were recorded."""
    path = path or FILE
    if not path.exists():
        return {}
    known: dict[str, dict[str, str]] = json.loads(path.read_text("utf-8"))
    for target, entry in known.items():
        _check(target)
        if set(entry) != _KEYS:
            raise LabError(f"{path.name}: {target} has {', '.join(sorted(entry))}; it needs "
                           f"{', '.join(sorted(_KEYS))}")
    return known


def _check(target: str) -> None:
    if target not in TARGETS:
        raise LabError(f"{target} is no long target: there is {', '.join(TARGETS)}")


def record(target: str, result: str, partial: str = "", began: tuple[str, str] | None = None) -> bool:
    """
    Records a full run that has ended, and returns whether it did. `result` is its last line, and
    `partial` says why it was none of everything. `began` is the state() at its beginning; without
    it the present one counts.
    """
    _check(target)
    commit, wrong = state()
    if partial:
        wrong = partial
    elif began and began[1]:
        wrong = began[1]
    elif began and not wrong and began[0] != commit:
        wrong = "another commit was checked out meanwhile"
    if wrong:
        note(f"{target}: not recorded in {FILE.name}: {wrong}")
        return False
    known = load() | {target: {"commit": commit, "result": result,
                               "date": datetime.now(timezone.utc).strftime("%Y-%m-%d")}}
    ordered = {name: known[name] for name in TARGETS if name in known}
    write_atomic(FILE, json.dumps(ordered, indent=1, sort_keys=True) + "\n")
    note(f"{target}: recorded in {FILE.name}; commit that file")
    return True


def render(known: Mapping[str, Mapping[str, str]]) -> str:
    """A line for each target: the date, the commit and the result of its last full run."""
    rows = []
    for target in TARGETS:
        if target not in known:
            rows.append(f"{target:15} {NEVER}")
            continue
        entry = known[target]
        rows.append(f"{target:15} {entry['date']} {entry['commit'][:12]}{_age(entry['commit'])} "
                    f"{entry['result']}")
    return "".join(f"{row}\n" for row in rows)


def _age(commit: str) -> str:
    count = _git("rev-list", "--count", f"{commit}..HEAD")
    return f" ({count.strip()} commits ago)" if count else ""
