# SPDX-License-Identifier: GPL-2.0-only
"""The command line of the lab."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence

from lab import ageing, longruns
from lab.check import affected
from lab.errors import CheckFailed, LabError
from lab.kernels import build, flavours
from lab.lint import lint
from lab.machine import interactive, machine, qemu
from lab.mutants import mutants
from lab.npu2 import exports, probe, run as npu2_run
from lab.paths import BUILD, cache, disk_full
from lab.progress import note
from lab.suites import attack, bench, clients, intreebuild, judge, kernelstable, soak, suites
from lab.unpack import remove, remove_tree
from lab.versus import compare as versus

EXAMPLES = """\
examples:
  python3 -m lab fetch                        everything, for all flavours
  python3 -m lab boot -- /bin/nvtest basic    one command in the machine, console shown
  python3 -m lab boot --program-only -- /bin/nvlink2-info
  python3 -m lab boot -- sh -c 'dmesg | tail' busybox is there too
  python3 -m lab boot                         a shell (leave it with exit)
  python3 -m lab test 6.12-4k topology        one flavour, one suite

environment:
  NVLINK2_CACHE    folder of what is fetched that clones share
                   (default: vfio-nvlink2 in $XDG_CACHE_HOME or ~/.cache)
  NVLINK2_CACHE_DAYS
                   days without use after which an entry of that folder goes (default: 30; 0: never)
  NVLINK2_MIRROR   Debian mirror to use instead of the one in the machine's apt sources

exit status: 0 all well, 1 something was found wrong, 2 wrong usage or the lab cannot work;
`boot` with a command exits with the command's status.
"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fetches, builds, boots and judges: stock Debian kernels on an emulated POWER9.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = list(flavours.ALL)

    def flavoured(name: str, text: str, count: str = "*") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("flavours", nargs=count, metavar="FLAVOUR",
                             help=f"of {', '.join(known)} (default: the stock ones)")
        return command

    fetch = flavoured("fetch", "fetch kernels, headers, the emulator and the client QEMU")
    fetch.add_argument("--refresh", action="store_true",
                       help="ask the mirror for newer versions than those in the cache")
    flavoured("kernel", "fetch or build kernels, and nothing else")
    flavoured("build", "build the modules and the programs for the machine")

    boot = commands.add_parser("boot", help="boot and run a command, or a shell")
    boot.add_argument("--flavour", default=known[0], choices=known)
    boot.add_argument("--timeout", type=int, default=120, metavar="SECONDS")
    boot.add_argument("--append", default="", metavar="WORDS", help="added to the kernel command line")
    boot.add_argument("--program-only", action="store_true",
                      help="show what the command prints, not the kernel log")
    boot.add_argument("--real-time", action="store_true",
                      help="let idle time pass as it does outside (a shell always does)")
    boot.add_argument("--qemu", default="", metavar="WORDS",
                      help="added to the emulator's command line, '-smp 2' for example")
    boot.add_argument("--stock", action="store_true", help="carry no module and program of ours")
    boot.add_argument("--file", action="append", default=[], metavar="GUEST=HOST",
                      help="put a file of the host into the machine")
    boot.add_argument("argv", nargs="*", metavar="CMD", help="after --; without it: a shell")

    test = commands.add_parser("test", help="run suites of tests in the machine and judge them")
    test.add_argument("flavour", nargs="?", choices=known, help="default: all")
    test.add_argument("suite", nargs="?", choices=(*suites.ALL_SUITES, suites.IN_VFIO_PCI),
                      help="default: all")

    _add_long(commands, known)

    kernels = commands.add_parser("kernels", help="the table of what the last runs came to, on which "
                                                  "kernel")
    kernels.add_argument("--write", action="store_true", help="put it into docs/kernels.md")

    module = commands.add_parser("npu2-exports", help="say what kernel/powernv would lack as a module "
                                                      "for the stock kernels")
    module.add_argument("--write", action="store_true", help="put it into docs/npu2-module.md")
    module.add_argument("--probe", action="store_true",
                        help="start a stock kernel, and show what a module can do with what is "
                             "exported")

    commands.add_parser("demo", help="show a machine with 2 GPUs and 4 bridges")
    measure = flavoured("bench", "measure the driver in counted instructions, and compare with the "
                                 "targets")
    measure.add_argument("--boots", type=_positive, default=bench.BOOTS)
    measure.add_argument("--write", action="store_true",
                         help="put the figures into docs/performance.md (all kernels only)")
    measure.add_argument("--ratios", action="store_true",
                         help="write lab/bench/ratios.json, which `make test` compares with, and "
                              "nothing else")
    checks = commands.add_parser("lint", help="check the sources: compilers, sparse, checkpatch, "
                                              "coccinelle, Python, shell")
    checks.add_argument("checks", nargs="*", metavar="CHECK",
                        help=f"of {', '.join(lint.CHECKS)} (default: all)")
    affected.add_command(commands)
    kept = commands.add_parser("cache", help="what the cache has, how large it is, and when it was used last")
    kept.add_argument("--prune", action="store_true",
                      help="remove what was not used for NVLINK2_CACHE_DAYS, as each run does at its end")
    clean = commands.add_parser("clean", help="remove what was built; the cache stays")
    clean.add_argument("--cache", action="store_true", help="remove what was fetched too")
    return parser


def _add_long(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", known: list[str]) -> None:
    """The commands that take minutes, and the one that shows when they ran last."""
    mutant = commands.add_parser("mutants", help="take each fix out of the driver; its test must fail")
    mutant.add_argument("defects", nargs="*", metavar="DEFECT", help="D1, N1, ... (default: all)")

    hostile = commands.add_parser("attack", help="be a hostile owner of a GPU, and judge what came "
                                                 "of it")
    hostile.add_argument("--flavour", default=attack.FLAVOUR, choices=known)
    hostile.add_argument("--seconds", type=_positive, default=attack.SECONDS)
    hostile.add_argument("--seed", type=lambda text: int(text, 0), metavar="N",
                         help="of the random numbers (default: another one each time, shown)")

    long = commands.add_parser("soak", help="look for what is rare: races, the attack, failing "
                                            "allocations, the decoder's inputs, many times as long "
                                            "as the tests do")
    long.add_argument("--minutes", type=_positive, default=soak.MINUTES,
                      help="no part begins after that; each is done once (default: %(default)s)")

    trees = commands.add_parser("in-tree", help="build kernels with the driver in their trees: built "
                                                "in, modules, COMPILE_TEST (minutes each)")
    trees.add_argument("series", nargs="*", metavar="SERIES",
                       help=f"of {', '.join(intreebuild.SERIES)} (default: all)")

    beside = commands.add_parser("reference", help="compare the driver with the one of 2018, on the "
                                                   "kernel that has both")
    beside.add_argument("--write", action="store_true", help="write docs/versus-2018.md")

    commands.add_parser("npu2", help="the kernel's platform code for NPU2, on machines whose firmware "
                        "has made one: 6.12 and 7.2")
    runs = commands.add_parser("long-targets", help="the last full run of each target that is no part "
                                                    "of `make test`")
    runs.add_argument("--record", nargs=2, metavar=("TARGET", "RESULT"),
                      help="record a full run of the present commit, which has ended")


def _fetch(args: argparse.Namespace) -> int:
    for name in args.flavours or flavours.FLAVOURS:
        print(f"{name}: {flavours.kernel(name, args.refresh).release}")
    print(f"emulator: {qemu.emulator(args.refresh).path}")
    print(f"client: {clients.qemu(args.refresh).path}")
    ageing.at_end()
    return 0


def _kernel(args: argparse.Namespace) -> int:
    for name in args.flavours or flavours.FLAVOURS:
        print(f"{name}: {flavours.kernel(name).release}")
    return 0


def _build(args: argparse.Namespace) -> int:
    for name in args.flavours or flavours.FLAVOURS:
        for path in build.modules(name).values():
            print(path)
    for path in (build.init(), build.nvtest(), build.info_tool()):
        print(path)
    return 0


def _boot_files(args: argparse.Namespace) -> list[machine.File]:
    files = [] if args.stock else suites.payload(args.flavour)
    try:
        files += [] if args.stock else [("bin/nvlink2-info", build.info_tool())]
    except CheckFailed as error:
        # Whoever debugs the driver is not to be held up by the tool.
        note(f"nvlink2-info is left out: {error}")
    files.append(("bin/busybox", interactive.busybox()))
    for pair in args.file:
        guest, _, host = pair.partition("=")
        if not host:
            raise LabError(f"--file {pair}: expected GUEST=HOST")
        files.append((guest, host))
    return files


def _boot(args: argparse.Namespace) -> int:
    argv = args.argv
    if not argv or not argv[0].startswith("/"):
        # A path-less command is busybox's; it sets up its own links first.
        setup = "/bin/busybox --install -s /bin; "
        argv = ["/bin/busybox", "sh", "-c", setup + ('exec "$@"' if argv else "exec sh"), "sh", *argv]
    if not args.argv:
        return _shell(args, argv)

    def show(line: str) -> None:
        shown = line
        if args.program_only:
            command = judge.split([line])[0]
            if not command:
                return
            shown = command[0]
        print(shown, flush=True)

    outcome = machine.boot(args.flavour, argv, _boot_files(args), args.timeout, on_line=show,
                           append=args.append, extra=_emulator(args, args.real_time),
                           log=suites.log_path(args.flavour, "boot"))
    end = judge.judge_end(outcome)
    status = judge.end_status(judge.split(outcome.console)[1], outcome.nonce)
    if status is None:
        raise CheckFailed(end.detail.partition("\n")[0])
    return status


def _shell(args: argparse.Namespace, argv: list[str]) -> int:
    with interactive.terminal():
        machine.shell(args.flavour, argv, _boot_files(args), args.append,
                      _emulator(args, True))
    return 0


def _emulator(args: argparse.Namespace, real_time: bool) -> list[str]:
    """The options of the emulator: a clock that counts, or none, and --qemu."""
    return [*(() if real_time else flavours.COUNTED_TIME), *shlex.split(args.qemu)]


def _test(args: argparse.Namespace) -> int:
    failed = passed = 0
    for flavour in [args.flavour] if args.flavour else flavours.ALL:
        for suite in [args.suite] if args.suite else suites.of_flavour(flavour):
            for case in suites.verdict(suites.run_suite(flavour, suite), flavour, suite):
                passed += case.ok
                failed += not case.ok
                if not case.ok:
                    print(f"FAILED {flavour} {suite}: {case.name}\n{case.detail}\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _mutants(args: argparse.Namespace) -> int:
    known, unproved = mutants.load()
    chosen = [mutant for mutant in known if not args.defects or mutant.defect in args.defects]
    unknown = set(args.defects) - {mutant.defect for mutant in known}
    if unknown:
        raise LabError(f"no mutant of {', '.join(sorted(unknown))}: there are "
                       f"{', '.join(dict.fromkeys(mutant.defect for mutant in known))}")
    began = longruns.state()
    counts = mutants.report(chosen, {} if args.defects else unproved)
    longruns.record("test-mutants", str(counts), _partial(args.defects), began)
    return counts.status


def _partial(chosen: Sequence[str]) -> str:
    """Why a run of what was chosen on the command line is none of everything; "" when it is."""
    return f"only {' '.join(chosen)}" if chosen else ""


def _attack(args: argparse.Namespace) -> int:
    outcome = attack.run(args.flavour, args.seconds, args.seed,
                         lambda text: print(text, flush=True))
    failed = [case for case in suites.verdict(outcome, args.flavour, attack.SUITE) if not case.ok]
    for case in failed:
        print(f"FAILED {args.flavour} attack: {case.name}\n{case.detail}\n")
    return 1 if failed else 0


def _soak(args: argparse.Namespace) -> int:
    return 1 if soak.soak(args.minutes, show=lambda text: print(text, flush=True)) else 0


def _print_case(case: judge.Case) -> None:
    print(f"{'ok' if case.ok else 'FAILED'} {case.name}", flush=True)
    if not case.ok:
        print(case.detail, flush=True)


def _judged(cases: Iterable[judge.Case], target: str, partial: str = "") -> int:
    """Tells each case as it comes, and the sum, and records a full run; the exit status."""
    began = longruns.state()
    passed = failed = 0
    for case in cases:
        _print_case(case)
        passed += case.ok
        failed += not case.ok
    result = f"{passed} passed, {failed} failed"
    print(result)
    longruns.record(target, result, partial, began)
    return 1 if failed else 0


def _in_tree(args: argparse.Namespace) -> int:
    unknown = set(args.series) - set(intreebuild.SERIES)
    if unknown:
        raise LabError(f"no series {', '.join(sorted(unknown))}: there is "
                       f"{', '.join(intreebuild.SERIES)}")
    return _judged((case for series in args.series or intreebuild.SERIES
                    for case in intreebuild.cases(series)), "test-in-tree", _partial(args.series))


def _npu2(_: argparse.Namespace) -> int:
    return _judged(npu2_run.cases(), "test-npu2")


def _reference(args: argparse.Namespace) -> int:
    began = longruns.state()
    compared = versus.run(args.write, _print_case)
    left_out = f", {len(compared.not_run)} not run" if compared.not_run else ""
    for name in compared.not_run:
        print(f"not run: {name}")
    result = f"{compared.passed} passed, {compared.failed} failed{left_out}"
    print(result)
    longruns.record("test-reference", result, left_out.removeprefix(", "), began)
    return 1 if compared.failed else 0


def _long_targets(args: argparse.Namespace) -> int:
    if args.record:
        return 0 if longruns.record(*args.record) else 1
    print(longruns.render(longruns.load()), end="")
    return 0


def _kernels(args: argparse.Namespace) -> int:
    if args.write:
        kernelstable.write()
    else:
        print(kernelstable.render(kernelstable.recorded()), end="")
    return 0


def _npu2_exports(args: argparse.Namespace) -> int:
    if args.probe:
        probe.run(lambda text: print(text, flush=True))
    elif args.write:
        exports.write()
    else:
        print(exports.render(), end="")
    return 0


def _show(what: str, timeout: float) -> int:
    flavour = next(iter(flavours.FLAVOURS))
    _, failed = suites.run_program(flavour, what, timeout, lambda text: print(text, flush=True))
    for case in failed:
        print(f"{what} failed: {case.detail}", file=sys.stderr)
    return 1 if failed else 0


def _demo(_: argparse.Namespace) -> int:
    return _show("demo", suites.TIMEOUT)


def _bench(args: argparse.Namespace) -> int:
    known = args.flavours or list(flavours.FLAVOURS)
    wrong = [name for name in known if name not in flavours.FLAVOURS]
    if wrong:
        raise LabError(f"{', '.join(wrong)}: measured are {', '.join(flavours.FLAVOURS)}")
    if args.ratios:
        bench.write_ratios(suites.payload)
        return 0
    if args.write and args.flavours:
        raise LabError("--write is for all kernels together: leave their names out")
    measured = bench.measure_all(known, args.boots, suites.payload)
    missed = bench.report(measured)
    if args.write:
        bench.write_page(measured)
    return 1 if missed else 0


def _lint(args: argparse.Namespace) -> int:
    unknown = set(args.checks) - set(lint.CHECKS)
    if unknown:
        raise LabError(f"no check {', '.join(sorted(unknown))}: there is {', '.join(lint.CHECKS)}")
    findings = lint.lint(args.checks)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def _check(args: argparse.Namespace) -> int:
    return affected.check(args.files, args.since, args.list)


def _cache(args: argparse.Namespace) -> int:
    if args.prune and not ageing.prune():
        print("nothing is old enough to go")
    print(ageing.show(), end="")
    return 0


def _clean(args: argparse.Namespace) -> int:
    keep = set() if args.cache else {cache()}
    for path in BUILD.iterdir() if BUILD.exists() else ():
        if path not in keep:
            remove(path)
    if args.cache and cache().exists():
        remove_tree(cache())
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    args = _parser().parse_args(arguments)
    commands = {"fetch": _fetch, "kernel": _kernel, "build": _build, "boot": _boot, "test": _test,
                "mutants": _mutants, "attack": _attack, "in-tree": _in_tree, "reference": _reference,
                "npu2": _npu2, "soak": _soak, "kernels": _kernels, "npu2-exports": _npu2_exports,
                "long-targets": _long_targets, "demo": _demo, "bench": _bench, "lint": _lint, "check": _check,
                "cache": _cache, "clean": _clean}
    try:
        return commands[args.command](args)
    except CheckFailed as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted; what was fetched is kept", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"lab: {disk_full(error) or error}", file=sys.stderr)
        return 2
