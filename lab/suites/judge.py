# SPDX-License-Identifier: GPL-2.0-only
"""
Decides from a console whether a run succeeded. Nothing passes by staying silent: the end
marker with status 0, every expected test by name and a log without a splat are all required.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from lab.machine.machine import Outcome

_RECORD = re.compile(r"nvlab([|+:]) ?(.*)")
_RESULT = re.compile(r"(not )?ok (\d+)(?: - (.*?))?\s*(#\s*(?:SKIP|TODO).*)?", re.IGNORECASE)
_PLAN = re.compile(r"1\.\.(\d+)")

# What the kernel prints when it is in trouble, or when it stops looking for it, or when the log
# has a hole. Matched against its own lines only.
_SPLAT = re.compile("|".join((
    r"\bBUG\b", r"WARNING: ", r"\bOops\b:", r"Call Trace:", r"refcount_t:", r"Kernel panic",
    r"Unable to handle kernel", r"general protection", r"Machine check", r"Bad page state",
    r"KASAN:", r"UBSAN:", r"KFENCE:", r"ODEBUG: ", r"list_(?:add|del) corruption",
    r"page dumped because", r"sleeping function called", r"scheduling while atomic",
    r"stalls? on CPU", r"kthread starved", r"soft lockup", r"hard LOCKUP", r"hung_task",
    r"blocked for more than", r"possible (?:circular|recursive) locking", r"suspicious RCU usage",
    r"non-static key", r"turning off the locking correctness", r"lockdep is turned off",
    r"unreferenced object", r"kmemleak: \d+ new suspected", r"leak detector disabled",
    r"OF: ERROR: ", r"disagrees about version of symbol", r"printk messages dropped")))

LOG_CASE = "no splat in log"
END_CASE = "end marker"
HEALTH_CASE = "debugging was on to the end"

_END_REASONS = {
    "timeout": "the time limit ran out after {seconds:.0f} s: it hangs, or the limit is too low",
    "exit": "the emulator ended by itself",
    "end": "the console ended without it",
    "panic": "the kernel panicked",
}


class Case(NamedTuple):
    """One test: whether it passed, and what to print when it did not."""
    name: str
    ok: bool
    detail: str


def split(console: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """(lines of the command, lines of the harness's init, lines of the kernel)."""
    command: list[str] = []
    harness: list[str] = []
    kernel: list[str] = []
    for line in console:
        match = _RECORD.search(line)
        if not match:
            kernel.append(line)
        elif match[1] == ":":
            harness.append(match[2])
        elif match[1] == "+" and command:
            command[-1] += match[2]
        else:
            command.append(match[2])
    return command, harness, kernel


def is_splat(line: str) -> bool:
    """Whether a line of the kernel is the sign of a complaint."""
    return bool(_SPLAT.search(line))


def splats(kernel: Sequence[str]) -> list[str]:
    """The kernel's complaints, each with the lines around its first sign."""
    for number, line in enumerate(kernel):
        if is_splat(line):
            return ["", *kernel[max(0, number - 3):number + 40]]
    return []


def end_status(harness: Sequence[str], nonce: str) -> int | None:
    """The exit status in the end marker, or None without a marker."""
    for line in reversed(harness):
        match = re.fullmatch(rf"end {re.escape(nonce)} status=(\d+)", line)
        if match:
            return int(match[1])
    return None


def parts(outcome: Outcome, count: int) -> list[Outcome | None]:
    """
    The Outcomes of `count` commands that ran in one machine, in their order; None for one that never
    began. Each has what all of them share, the beginning of the machine and its end, and the status
    that init prints of the command.
    """
    begins: dict[int, int] = {}
    ends: dict[int, tuple[int, int]] = {}
    number = -1
    done = re.compile(rf"done {re.escape(outcome.nonce)} (\d+) status=(\d+)")
    for at, line in enumerate(outcome.console):
        match = _RECORD.search(line)
        if not match or match[1] != ":":
            continue
        ended = done.fullmatch(match[2])
        if ended:
            ends[int(ended[1])] = at, int(ended[2])
        elif match[2].startswith("start "):
            number += 1
            begins[number] = at
    boot = outcome.console[:begins.get(0, len(outcome.console))]
    last = ends.get(count - 1)
    rest = outcome.console[last[0] + 1:] if last else []
    found: list[Outcome | None] = []
    for number in range(count):
        if number not in begins:
            found.append(None)
            continue
        end, status = ends.get(number) or (len(outcome.console) - 1, None)
        own = outcome.console[begins[number]:end + 1]
        found.append(outcome._replace(console=[*boot, *own, *rest], status=status,
                                      shared=len(rest)))
    return found


def tail(console: Sequence[str], count: int = 40) -> str:
    """The last lines of a console, for a failure message."""
    return "\n".join(["last lines of the console:", *console[-count:]])


def judge_end(outcome: Outcome) -> Case:
    """The case `end marker`."""
    _, harness, _ = split(outcome.console)
    status = end_status(harness, outcome.nonce)
    # Of several commands each is judged by its own; the machine has to end well for all of them.
    if status is not None and outcome.status is not None:
        status = outcome.status
    if status == 0:
        return Case(END_CASE, True, "")
    said = "\n".join(line for line in harness if not line.startswith("end "))
    if status is not None:
        why = f"the command ended with status {status}"
    else:
        why = ("no end marker: "
               + _END_REASONS[outcome.reason].format(seconds=outcome.seconds))
    return Case(END_CASE, False, f"{why}\n{said}\n{tail(outcome.console)}")


def judge_log(outcome: Outcome) -> Case:
    """The case `no splat in log`. A log without a kernel is no clean log."""
    _, _, kernel = split(outcome.console)
    if not any("Linux version " in line for line in kernel):
        return Case(LOG_CASE, False, f"no kernel has begun\n{tail(outcome.console)}")
    found = splats(kernel)
    return Case(LOG_CASE, not found, "\n".join(["the kernel complained:", *found]))


def judge_tests(outcome: Outcome, expected: Collection[str]) -> list[Case]:
    """A case per expected name, and a failed one per test that nobody expected."""
    command, _, _ = split(outcome.console)
    seen, plan, bail = _read_tap(command)
    cases = []
    for name in expected:
        results = seen.pop(name, [])
        cases.append(_judge_one(name, results, outcome, bail))
    for name in seen:
        cases.append(Case(name, False, "this test is not in the program's own list"))
    if plan != len(expected):
        cases.append(Case("plan", False, f"the plan is {plan} tests, expected are {len(expected)}"
                                         f"\n{tail(outcome.console)}"))
    return cases


def _judge_one(name: str, results: Sequence[tuple[bool, str]], outcome: Outcome, bail: str) -> Case:
    if not results:
        return Case(name, False, f"no result in the log{bail}\n{tail(outcome.console)}")
    if len(results) > 1:
        return Case(name, False, f"{len(results)} results in the log, 1 expected")
    return Case(name, *results[0])


def _read_tap(lines: Iterable[str]) -> tuple[dict[str, list[tuple[bool, str]]], int | None, str]:
    """({name: [(ok, diagnostics)]}, number of the plan, what a bail-out said)."""
    seen: dict[str, list[tuple[bool, str]]] = {}
    notes: list[str] = []
    plan, bail = None, ""
    for line in lines:
        result = _RESULT.fullmatch(line)
        if result:
            failed, _, name, directive = result.groups()
            text = "\n".join(notes + ([f"a skipped test is no passed one: {directive}"]
                                      if directive else []))
            seen.setdefault(name or "", []).append((not failed and not directive, text))
            notes = []
        elif _PLAN.fullmatch(line):
            plan = int(line[3:])
        elif line.startswith("Bail out!"):
            bail = f": {line}"
        else:
            notes.append(line)
    return seen, plan, bail


# What the kernel has to say when it begins, and init at the end, for a clean log to mean anything.
_BEGUN = {
    "the radix MMU is in use": r"radix-mmu: Initializing Radix MMU",
    "KASAN is on": r"KASAN init done|KernelAddressSanitizer initialized",
}
_LOCKDEP = {"lockdep is on at the end": r"health: debug_locks:\s+1"}
_ENDED = {
    "memory was searched for leaks": r"health: kmemleak searched",
}


def judge_health(outcome: Outcome, lockdep: bool = True) -> Case:
    """The case `debugging was on to the end` of a run in a debug kernel, with lockdep or without."""
    _, harness, kernel = split(outcome.console)
    missing = [what for what, pattern in _BEGUN.items()
               if not any(re.search(pattern, line) for line in kernel)]
    ended = _ENDED | (_LOCKDEP if lockdep else {})
    missing += [what for what, pattern in ended.items()
                if not any(re.fullmatch(pattern, line) for line in harness)]
    said = "".join(f"\n{line}" for line in harness if line.startswith("cannot "))
    return Case(HEALTH_CASE, not missing, f"the log does not say that {', '.join(missing)}{said}")


def judge_machine(outcome: Outcome, debug: bool = False, lockdep: bool = True) -> list[Case]:
    """The cases that are about the machine, whatever ran in it."""
    health = [judge_health(outcome, lockdep)] if debug else []
    return [judge_log(outcome), judge_end(outcome), *health]


def judge(outcome: Outcome, expected: Collection[str]) -> list[Case]:
    """All cases of a suite's run."""
    return [*judge_tests(outcome, expected), *judge_machine(outcome)]
