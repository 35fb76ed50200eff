# SPDX-License-Identifier: GPL-2.0-only
"""
The table of docs/kernels.md: which suite ran on which kernel, made from what the tests ran.

Every run leaves its result below build/results. `lab kernels --write` makes the table of
them; the tests compare it with their own results.
"""

import json
from collections.abc import Mapping, Sequence

from lab.errors import LabError
from lab.kernels import flavours
from lab.paths import BUILD, ROOT, write_atomic
from lab.suites import judge, kernelbugs, suites

# Of each flavour and suite, how many tests passed and how many failed.
Results = Mapping[tuple[str, str], Mapping[str, int]]
PAGE = ROOT / "docs/kernels.md"
BEGIN = "<!-- made by `make kernels-table` from what the tests ran -->\n"
END = "<!-- end of what was made -->\n"
_FOLDER = BUILD / "results"
_FROM = {flavours.SUITE: "Debian 12 backports", "forky": "Debian forky"}
_ROWS = (*flavours.FLAVOURS, *flavours.HASH, *flavours.DEBUG)


def record(flavour: str, suite: str, cases: Sequence[judge.Case]) -> None:
    """Keeps what a run came to."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    result = {"passed": sum(case.ok for case in cases), "failed": sum(not case.ok for case in cases)}
    write_atomic(_FOLDER / f"{flavour}-{suite}.json", json.dumps(result) + "\n")


def wanted() -> list[tuple[str, str]]:
    """Every (flavour, suite) of the table."""
    return [(name, suite) for name in _ROWS for suite in suites.of_flavour(name)]


def recorded() -> dict[tuple[str, str], dict[str, int]]:
    """The results of the last runs; LabError when one is missing."""
    found = {}
    for flavour, suite in wanted():
        path = _FOLDER / f"{flavour}-{suite}.json"
        if not path.exists():
            raise LabError(f"{suite} did not run on {flavour} yet: run `make test-guest` first")
        found[flavour, suite] = json.loads(path.read_text("utf-8"))
    return found


def _cell(results: Results, flavour: str, suite: str) -> str:
    if (flavour, suite) not in wanted():
        left_out = flavour in suites.named(suite).stopped_on
        patches = [bug.patch for bug in kernelbugs.BUGS if flavour in bug.shown_on]
        return f"stopped by {', '.join(patches)}" if left_out and patches else "-"
    result = results[flavour, suite]
    return f"**{result['failed']} failed**" if result["failed"] else str(result["passed"])


def render(results: Results) -> str:
    """The table: a row for each kernel, a column for each suite, in it how many tests passed."""
    columns = list(suites.ALL_SUITES)
    rows = [["kernel", "what it is", *columns]]
    for name in _ROWS:
        chosen = flavours.flavour(name)
        what = (f"{_FROM[chosen.suite]}, stock" + (f", {chosen.append}" if chosen.append else "")
                if chosen.debian else
                "with kernel/patches" + (", KASAN, lockdep" if chosen.lockdep else ", KASAN"))
        rows.append([name, what, *(_cell(results, name, suite) for suite in columns)])
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def on_page() -> str:
    """The table as the page has it."""
    text = PAGE.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise LabError(f"{PAGE.name} has no place for the table: {BEGIN.strip()} and {END.strip()}")
    return text.partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Puts the table of the last runs into the page."""
    text = PAGE.read_text("utf-8")
    old = on_page()
    write_atomic(PAGE, text.replace(BEGIN + old + END, BEGIN + render(recorded()) + END))
