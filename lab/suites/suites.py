# SPDX-License-Identifier: GPL-2.0-only
"""The suites that run in the machine, and how one run of one suite is made and judged."""

import re
import subprocess
import threading

from lab import limits
from lab.errors import CheckFailed
from lab.kernels import build, flavours
from lab.machine import machine
from lab.paths import BUILD
from lab.progress import note
from lab.suites import attack, bench, clients, judge, kernelbugs, kunit

# What runs on each stock kernel, and what in the debug kernels, which have kernel/patches.
SUITES = ("basic", "dma", "fault", "topology", *clients.SUITES, bench.SUITE)
# A fault of the stock kernel itself would stop these: kernelbugs.py shows that it does.
LEFT_OUT = {"7.2": ("dma",)}
DEBUG_SUITES = {
    "6.12-debug": (kunit.SUITE, "basic", "dma", "fault", kernelbugs.SUITE, "race", "failnth",
                   attack.SUITE),
    # The same driver with other neighbours; what finds races was found in the other.
    "7.2-debug": (kunit.SUITE, "basic", "dma", "fault", kernelbugs.SUITE),
}
# Races between processors are the point here, and everywhere in the attack; time is real then. With
# one processor, on stock 7.2, a timer changes the threads of `race`.
TWO_PROCESSORS = {(flavour, "race") for flavour in DEBUG_SUITES}
# Resets race against faults in the debug kernel of 6.12; what only 7.2 has, blocks that are one
# entry, they race against here.
MORE = {"7.2-4k": ("race",)}
# The other MMU: what is different is how pages of GPU RAM are put in.
HASH_SUITES = ("hash",)
ALL_SUITES = tuple(dict.fromkeys((*SUITES, *HASH_SUITES, *sum(DEBUG_SUITES.values(), ()))))
# Ours in the place of the driver of 2018; for `make test-reference`, and no part of `make test`.
IN_VFIO_PCI = "in_vfio_pci"
# Allocations that fail all over the kernel, and an hour of abuse in a minute.
_LAST = ("failnth", attack.SUITE)
# Time limits of a suite, on a quiet machine; limits.seconds() makes those of this one.
TIMEOUT = 60
DEBUG_TIMEOUT = 600
_payload_lock = threading.Lock()


def of_flavour(flavour):
    """The suites that run on a flavour."""
    chosen = flavours.flavour(flavour)
    if chosen.reference or flavour in flavours.NPU2:
        return ()
    if chosen.debug:
        return DEBUG_SUITES.get(flavour, ())
    if flavour in flavours.HASH:
        return HASH_SUITES
    return tuple(suite for suite in (*SUITES, *MORE.get(flavour, ()))
                 if suite not in LEFT_OUT.get(chosen.series, ()))


def emulator(flavour, suite):
    """The emulator's options for a suite on a flavour: its processors, and its clock."""
    if suite == attack.SUITE or (flavour, suite) in TWO_PROCESSORS:
        return flavours.TWO_PROCESSORS
    return flavours.COUNTED_TIME


def program(suite, times=1):
    """The command that runs a suite; what repeats does so `times` as often as in `make test`."""
    return ["/bin/nvtest", *(("--times", str(times)) if times != 1 else ()), suite]


def shares(suite):
    """
    Whether a suite may run in one machine with others: each begins and ends with our modules
    unloaded, which init looks at. A measurement and what carries a whole client may not, and what
    takes the kernel down.
    """
    return suite not in (bench.SUITE, *clients.SUITES, *kernelbugs.TESTS)


def boots(wanted):
    """
    Which suites run in one machine: lists of (flavour, suite). `wanted` are such pairs, each with
    the names of the tests that are to run; where there are some, the suite has a machine alone.
    """
    found = {}
    for (flavour, suite), only in wanted.items():
        key = (flavour, emulator(flavour, suite)) if shares(suite) and not only else (flavour, suite)
        found.setdefault(key, []).append((flavour, suite))
    # What leaves most traces in the kernel comes last.
    return [sorted(pairs, key=lambda pair: pair[1] in _LAST) for pairs in found.values()]


def names(suite):
    """The names of a suite's tests, as the program itself lists them."""
    if suite == kunit.SUITE:
        return kunit.names()
    if suite == attack.SUITE:
        return [attack.CASE]
    if suite == bench.SUITE:
        return bench.names()
    program = build.nvtest(cross=False)
    listed = subprocess.run([str(program), "--list", suite], capture_output=True, text=True,
                            check=False)
    found = listed.stdout.split("\n")[:-1]
    if listed.returncode or not found:
        raise CheckFailed(f"nvtest --list {suite} names no test: {listed.stderr.strip()}")
    if len(set(found)) != len(found):
        raise CheckFailed(f"suite {suite} has two tests of one name")
    return found


def payload(flavour, with_tool=False, with_kunit=False):
    """What the machine carries, built once at a time. The tests need no nvlink2-info."""
    with _payload_lock:
        tool = [("bin/nvlink2-info", build.info_tool())] if with_tool else []
        return machine.payload(flavour, with_kunit) + tool


def log_path(flavour, what):
    """Where the console of the last such run is kept."""
    return BUILD / "logs" / f"{flavour}-{what}.log"


def run_suite(flavour, suite, times=1, only=()):
    """
    Boots a flavour with a suite, or with one test of a fault of the kernel, and returns the
    Outcome; tells every result as it comes. What repeats does so `times` as often; `only` names
    tests, where nvtest takes names.
    """
    if suite == attack.SUITE:
        return run_attack(flavour, attack.SHORT_SECONDS)
    if suite == bench.SUITE:
        return _run_bench(flavour)
    command = [*program(suite, times), *(only if takes_names(suite) else ())]
    if suite in kernelbugs.TESTS:
        command = ["/bin/nvtest", kernelbugs.SUITE, suite]
    return start(flavour, [suite], command, timeout(flavour) * times)


def timeout(flavour):
    """The time limit of a suite on a flavour, on this machine."""
    return limits.seconds(DEBUG_TIMEOUT if flavours.flavour(flavour).debug else TIMEOUT)


def start(flavour, chosen, command, limit):
    """Boots a flavour for a suite, or for several that boots() put together; the Outcome."""
    title = "+".join(chosen)
    files = payload(flavour, with_kunit=kunit.SUITE in chosen)
    files += clients.payload(flavour, chosen[0])
    note(f"{flavour} {title}: starting the machine")
    if flavours.flavour(flavour).debug:
        files.append(("lab/health", b""))
    outcome = machine.boot(flavour, command, files, limit, on_line=_Teller(f"{flavour} {title}"),
                           extra=emulator(flavour, chosen[0]), log=log_path(flavour, title))
    note(f"{flavour} {title}: stopped after {outcome.seconds:.1f} s, {outcome.cpu:.1f} s of a "
         f"processor ({outcome.reason})")
    return outcome


def _run_bench(flavour):
    title = f"{flavour} {bench.SUITE}"
    note(f"{title}: starting the machine")
    outcome = bench.boot(flavour, payload(flavour), False, log=log_path(flavour, bench.SUITE),
                         on_line=_Teller(title))
    note(f"{title}: stopped after {outcome.seconds:.1f} s, {outcome.cpu:.1f} s of a processor "
         f"({outcome.reason})")
    return outcome


def run_attack(flavour, seconds, seed=None, on_text=note):
    """Boots a flavour with the attack and returns the Outcome. The seed is shown."""
    command, timeout = attack.command(seconds, seed)
    note(f"{flavour} attack: {seconds} s, seed {command[-1]}")
    files = payload(flavour)
    if flavours.flavour(flavour).debug:
        files.append(("lab/health", b""))

    def show(line):
        for text in judge.split([line])[0]:
            on_text(text)

    return machine.boot(flavour, command, files, timeout, on_line=show,
                        extra=emulator(flavour, attack.SUITE), log=log_path(flavour, attack.SUITE))


def run_program(flavour, what, timeout, on_text=None):
    """
    Runs `nvtest WHAT`, which is for people; (what it printed, the cases that failed). The time
    limit is that of a quiet machine.
    """
    def show(line):
        for text in judge.split([line])[0]:
            (on_text or note)(text)

    outcome = machine.boot(flavour, ["/bin/nvtest", what], payload(flavour, True),
                           limits.seconds(timeout),
                           on_line=show, log=log_path(flavour, what))
    cases = [judge.judge_log(outcome), judge.judge_end(outcome)]
    return judge.split(outcome.console)[0], [case for case in cases if not case.ok]


class _Teller:
    """Says how far a machine is: when the kernel and the command begin, then every test."""

    def __init__(self, title):
        self.title = title

    def __call__(self, line):
        if "Linux version " in line:
            note(f"{self.title}: the kernel has begun")
        match = re.search(r"nvlab\| ((?:not )?ok \d+.*)", line)
        if match:
            note(f"{self.title}: {match[1]}")


def takes_names(suite):
    """Whether a run can be of some tests of the suite only."""
    return suite not in (attack.SUITE, bench.SUITE, kunit.SUITE, *kernelbugs.TESTS)


def verdict(outcome, flavour, suite, only=()):
    """Every case of a finished run, which was of those named in `only`, or of all."""
    if suite in kernelbugs.TESTS:
        return [kernelbugs.judge_fault(outcome, suite)]
    if suite == kunit.SUITE:
        tests = kunit.judge_tests(outcome)
    elif suite == attack.SUITE:
        tests = [attack.judge_attack(outcome)]
    elif suite == bench.SUITE:
        tests = bench.judge_ratios(outcome, flavour)
    else:
        tests = judge.judge_tests(outcome, list(only) or names(suite))
    chosen = flavours.flavour(flavour)
    return [*tests, *judge.judge_machine(outcome, chosen.debug, chosen.lockdep)]


def log_cases(flavour):
    """The names of the cases that are about the machine and not about a test."""
    debug = flavours.flavour(flavour).debug
    return (judge.LOG_CASE, judge.END_CASE, *((judge.HEALTH_CASE,) if debug else ()))
