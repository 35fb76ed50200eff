# SPDX-License-Identifier: GPL-2.0-only
"""
Measures the driver in the machine, where instructions are counted, and compares with what has to be.

`make bench` boots each stock kernel several times with everything there is to measure. The suite
`bench` of `make test` boots once with a part of it, and looks whether a ratio became worse than the
one that is committed in lab/bench/ratios.json.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import limits
from lab.bench import page, plots, targets
from lab.bench.figures import Boot, Series
from lab.errors import CheckFailed, LabError
from lab.kernels import build, flavours
from lab.machine import machine, qemu
from lab.machine.machine import File, Outcome, LineHandler
from lab.paths import BUILD, ROOT, write_atomic
from lab.progress import note
from lab.suites import judge
from lab.suites.suite import Suite, log_path, payload as common_payload, with_progress


SUITE = "bench"
BOOTS = 5
RATIOS = ROOT / "lab/bench/ratios.json"
RESULTS = BUILD / "bench"
# How much worse a ratio may become before it is reported; boots differ by less.
MARGIN = 0.10
# As of other suites.
TIMEOUT = 60
# Instructions are counted on one processor.
EMULATOR = flavours.COUNTED_TIME
_BAR = "1G"


def devices() -> list[str]:
    """One slot to dress, and a function with a BAR as large as the window."""
    return [*qemu.devices(1), "-object", f"memory-backend-ram,id=bar,size={_BAR},share=on",
            "-device", "ivshmem-plain,memdev=bar,bus=pcie.1,addr=0.0"]


def payload(flavour: str, common: Sequence[File]) -> list[File]:
    """Adds the module that is measured against to the files that every machine carries."""
    return [*common, (f"lib/modules/{build.BENCH_PRODUCT}", build.bench_module(flavour))]


def boot(flavour: str, common: Sequence[File], full: bool, log: Path | None = None,
         on_line: LineHandler | None = None) -> Outcome:
    """Boots once and measures; the Outcome."""
    command = ["/bin/nvtest", "bench", *(() if full else ("short",))]
    return machine.boot(flavour, command, payload(flavour, common), limits.seconds(TIMEOUT),
                        on_line=on_line, extra=EMULATOR, devices=devices(), log=log)


def read(outcome: Outcome) -> Boot:
    """The Boot that an Outcome has the figures of; CheckFailed when it has none."""
    try:
        return Boot.from_lines(judge.split(outcome.console)[0])
    except ValueError as error:
        raise CheckFailed(f"{error}\n{judge.tail(outcome.console)}") from None


def committed() -> dict[str, dict[str, float]]:
    """{flavour: {name of a ratio: value}}"""
    ratios: dict[str, dict[str, float]] = json.loads(RATIOS.read_text("utf-8"))
    return ratios


def names() -> list[str]:
    """The names of the suite's tests, a ratio each; all kernels have the same."""
    return list(dict.fromkeys(name for ratios in committed().values() for name in ratios))


def judge_ratios(outcome: Outcome, flavour: str,
                 known: Mapping[str, Mapping[str, float]] | None = None) -> list[judge.Case]:
    """A case for each committed ratio: whether the driver became slower by more than the margin."""
    of_flavour = (committed() if known is None else known).get(flavour)
    if not of_flavour:
        return [judge.Case(flavour, False, f"{RATIOS.name} has no ratios of {flavour}: run "
                                           "`make bench-ratios`")]
    try:
        measured = read(outcome)
    except CheckFailed as error:
        return [judge.Case(name, False, str(error)) for name in of_flavour]
    found = {ratio.name: ratio for ratio in targets.ratios(measured.page, measured.leaves)}
    cases = [_judge_one(found.get(name), name, value, measured) for name, value in of_flavour.items()]
    return cases + [judge.Case(name, False, f"{RATIOS.name} does not have it: run "
                                            "`make bench-ratios`")
                    for name in found if name not in of_flavour]


def _judge_one(ratio: targets.Target | None, name: str, value: float, measured: Boot) -> judge.Case:
    if not ratio:
        return judge.Case(name, False, f"nothing measures it any more: take it out of {RATIOS.name}")
    now = ratio.compute(measured)
    worse = now > value * (1 + MARGIN) if ratio.most is not None else now < value * (1 - MARGIN)
    return judge.Case(name, not worse, f"{ratio.what}: {now:.4g}, and was {value:.4g}")


def measure(flavour: str, boots: int, common: Sequence[File]) -> Series:
    """
    Boots several times with all there is to measure, keeps the figures below build/bench and
    returns the Series.
    """
    found = []
    for number in range(1, boots + 1):
        started = time.monotonic()
        outcome = boot(flavour, common, True, log=BUILD / "logs" / f"{flavour}-{SUITE}.log")
        cases = [judge.judge_log(outcome), judge.judge_end(outcome)]
        bad = [case.detail for case in cases if not case.ok]
        if bad:
            raise CheckFailed(f"{flavour}: {bad[0]}")
        found.append(read(outcome))
        note(f"{flavour}: boot {number} of {boots} measured ({time.monotonic() - started:.0f} s)")
    series = Series(flavours.kernel(flavour).release,
                    qemu.emulator().version("qemu-system-ppc"), found)
    write_atomic(RESULTS / f"{flavour}.json", page.as_text(series))
    return series


def measure_all(names_of_flavours: Iterable[str], boots: int,
                common: Callable[[str], Sequence[File]]) -> dict[str, Series]:
    """{flavour: Series}, as many kernels at a time as there are cores."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        runs = {name: pool.submit(measure, name, boots, common(name)) for name in names_of_flavours}
        try:
            return {name: run.result() for name, run in runs.items()}
        finally:
            pool.shutdown(cancel_futures=True)


def write_ratios(common: Callable[[str], Sequence[File]]) -> None:
    """Measures the committed ratios anew and writes them."""
    known = {}
    for flavour in flavours.FLAVOURS:
        measured = read(boot(flavour, common(flavour), False,
                             log=BUILD / "logs" / f"{flavour}-{SUITE}.log"))
        known[flavour] = {ratio.name: float(f"{ratio.compute(measured):.4g}")
                          for ratio in targets.ratios(measured.page, measured.leaves)}
        note(f"{flavour}: {len(known[flavour])} ratios")
    write_atomic(RATIOS, json.dumps(known, indent=1) + "\n")


# What takes how long at the most, in seconds, for whoever runs it again and again.
BUDGETS: tuple[tuple[str, float, list[str | Path]], ...] = (
    ("generate", 1.0, [sys.executable, "-m", "codegen", "generate", "--out",
                       BUILD / "bench-generate"]),
    ("abi-check", 60.0, ["abi-tests/gate"]),
)


def budgets() -> Iterator[tuple[str, float, float]]:
    """(name, seconds, limit) of each tool that has one. Time, not instructions: the best of three."""
    for name, limit, command in BUDGETS:
        best = float("inf")
        for _ in range(3):
            started = time.monotonic()
            done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True,
                                  text=True, check=False)
            taken = time.monotonic() - started
            # The ABI gate's 1 is about the interface, and took as long.
            if done.returncode not in (0, 1):
                raise LabError(f"{name} failed: {(done.stdout + done.stderr).strip()[-500:]}")
            best = min(best, taken)
        yield name, best, limit


def report(measured: Mapping[str, Series]) -> list[str]:
    """Prints every target with what it came to, and the budgets; the names of those missed."""
    missed = []
    for flavour, series in measured.items():
        print(f"{flavour}: Linux {series.kernel}, {len(series.boots)} boots")
        for target, figure, ok in targets.verdicts(series):
            print(f"  {'ok    ' if ok else 'MISSED'} {target.what}: {page.number(figure.median)} "
                  f"({page.number(figure.low)} to {page.number(figure.high)}), {target.limit}")
            missed += [] if ok else [f"{flavour}: {target.name}"]
    for name, seconds, limit in budgets():
        ok = seconds <= limit
        print(f"{'ok    ' if ok else 'MISSED'} make {name}: {seconds:.2f} s, <= {limit:g} s")
        missed += [] if ok else [name]
    print(f"missed: {', '.join(missed)}" if missed else "every target is reached")
    return missed


def write_page(measured: Mapping[str, Series]) -> None:
    """Puts figures, tables and pictures of all kernels into docs/."""
    page.KEPT.mkdir(exist_ok=True)
    for flavour, series in measured.items():
        write_atomic(page.KEPT / f"{flavour}.json", page.as_text(series))
    # As whoever reads them again.
    kept = page.kept()
    write_atomic(page.PAGE, page.made(page.PAGE.read_text("utf-8"), kept))
    for path in [*plots.draw(kept), page.PAGE]:
        note(f"wrote {path.relative_to(ROOT)}")


class BenchSuite(Suite):
    """The part of the benchmark that `make test` runs, alone in its machine."""
    shares = False
    takes_names = False

    def names(self) -> list[str]:
        return names()

    def judge_tests(self, outcome: Outcome, flavour: str, only: Sequence[str] = ()) -> list[judge.Case]:
        return judge_ratios(outcome, flavour)

    def run(self, flavour: str, times: int = 1, only: Sequence[str] = ()) -> Outcome:
        return with_progress(f"{flavour} {self.name}", lambda on_line: boot(
            flavour, common_payload(flavour), False, log=log_path(flavour, self.name), on_line=on_line))
