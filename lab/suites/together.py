# SPDX-License-Identifier: GPL-2.0-only
"""
Runs several suites in one boot of a machine, and finds out whose fault a failure was.

A suite that fails runs again in a machine of its own. It has failed, whatever it does there. But
where the machine ended early, or complains at its end of nobody in particular, a suite that did
nothing wrong itself is judged by its own machine, as long as somebody is found that did.
"""

from collections.abc import Mapping, Sequence

from lab.machine.machine import Outcome
from lab.paths import write_atomic
from lab.progress import note
from lab.suites import judge, suites
from lab.suites.suite import log_path, start


def run(flavour: str, chosen: Sequence[str]) -> tuple[dict[str, Outcome], float]:
    """
    Boots a flavour once with several suites, which suites.boots() has put together.

    Returns ({suite: Outcome}, seconds of processors).
    """
    sharing = [suites.named(name) for name in chosen]
    whole = start(flavour, sharing, [suite.command() for suite in sharing],
                  sum(suite.limit(flavour) for suite in sharing))
    found = dict(zip(chosen, judge.parts(whole, len(chosen))))
    for suite, outcome in found.items():
        if outcome:
            write_atomic(log_path(flavour, suite), "\n".join(outcome.console) + "\n")
    alone = _run_alone(flavour, found)
    return _with_blame(flavour, found, alone), whole.cpu + sum(one.cpu for one in alone.values())


def _run_alone(flavour: str, found: Mapping[str, Outcome | None]) -> dict[str, Outcome]:
    """{suite: Outcome} of those that failed, each in a machine of its own."""
    alone = {}
    for suite, outcome in found.items():
        if outcome and _passes(outcome, flavour, suite):
            continue
        note(f"{flavour} {suite}: {'failed' if outcome else 'did not begin'}; once more, alone")
        alone[suite] = suites.run_suite(flavour, suite)
    return alone


def _with_blame(flavour: str, found: Mapping[str, Outcome | None],
                alone: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """The outcomes that count, of those in one machine and of the same alone."""
    passes = {suite: _passes(outcome, flavour, suite) for suite, outcome in alone.items()}
    guilty = {suite for suite in alone
              if not passes[suite] or (one := found[suite]) and not _passes_itself(one, flavour, suite)}
    counts = {suite: outcome or alone[suite] for suite, outcome in found.items()}
    for suite, outcome in alone.items():
        shared = found[suite]
        if suite not in guilty and guilty or not shared:
            counts[suite] = outcome
        elif suite in guilty:
            counts[suite] = shared._replace(
                aside=f"In a machine of its own it {'passes' if passes[suite] else 'fails, too'}; in "
                      f"this one there were {', '.join(found)}.")
        else:
            counts[suite] = shared._replace(
                aside=f"Each of {', '.join(found)} passes in a machine of its own: together they do not.")
    return counts


def _passes(outcome: Outcome, flavour: str, suite: str) -> bool:
    return all(case.ok for case in suites.verdict(outcome, flavour, suite))


def _passes_itself(outcome: Outcome, flavour: str, suite: str) -> bool:
    """Whether all is well but for what the suites of a machine share, its end."""
    own = outcome._replace(console=outcome.console[:len(outcome.console) - outcome.shared])
    return outcome.status == 0 and all(case.ok for case in suites.verdict(own, flavour, suite)
                                       if case.name not in (judge.END_CASE, judge.HEALTH_CASE))
