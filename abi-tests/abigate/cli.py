# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path

from . import consumer, exceptions, output, release, sides
from .compare import Gate, Result
from .errors import GateError
from .findings import Finding
from .keep import Keep
from .measure import measure
from .origins import configurations
from .rules import RULES
from .sides import Header, Side
from .toolchain import ARCHES, Toolchain, tool_versions, toolchains

OK, FINDINGS, FAILED = 0, 1, 2
EXCEPTIONS = sides.ROOT / "abi-tests/exceptions.yaml"

_DESCRIPTION = """\
Say whether a change of the interface breaks a program that exists.

Compares the present spec and header with a released version, a git commit, or
another header, for eight architectures, with every compiler there is. Each run
first proves that its tools see what they look at.
"""

_EPILOG = """\
examples:
  abi-tests/gate                              the tree against the newest release
  abi-tests/gate --against origin/main        the tree against a commit
  abi-tests/gate --header new.h --against old.h
                                              any two headers; no spec, no git
  abi-tests/gate --header new/linux/vfio.h --against old/linux/vfio.h \\
                 --consumer qemu/hw/vfio      only what this program would feel
  abi-tests/gate --explain FIELD_MOVED        one rule

exit status: 0 compatible; 1 findings; 2 the ABI gate could not do its work, and says
what to install. docs/abi-gate.md is for whom it stopped.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="abi-tests/gate", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="OLD", help="a header file, a release (v1) or a git "
                        "commit (default: the newest release)")
    parser.add_argument("--header", metavar="FILE", type=Path,
                        help="the new header (default: this tree's, or what --spec makes)")
    parser.add_argument("--spec", metavar="FILE", type=Path, help="the new spec (default: this "
                        "tree's; none with --header alone)")
    parser.add_argument("--include", metavar="DIR", type=Path, action="append", default=[],
                        help="where headers beside the compared ones are; may be repeated")
    parser.add_argument("--consumer", metavar="PATH", type=Path, action="append", default=[],
                        help="sources of a program: only changes of names they use count")
    parser.add_argument("--system", metavar="DIR", type=Path,
                        help="kernel headers to take for the system's, like usr/include of another "
                        "linux-libc-dev")
    parser.add_argument("--exceptions", metavar="FILE", type=Path, help="changes that are allowed "
                        "(default: abi-tests/exceptions.yaml; none without a spec)")
    parser.add_argument("--format", choices=output.FORMATS, default="text",
                        help="how findings are written (default: text)")
    parser.add_argument("--arch", metavar="NAME", choices=ARCHES, action="append",
                        help="look at fewer architectures, for a quick answer: "
                        + ", ".join(ARCHES))
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1,
                        help="compilers at work at a time (default: one a processor)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--list-rules", action="store_true", help="list all rules")
    parser.add_argument("--explain", metavar="RULE", help="what a rule is for, and the way out")
    parser.add_argument("--release", metavar="VERSION", type=int,
                        help="keep the present interface as released (`make abi-release`)")
    parser.add_argument("--debug", action="store_true",
                        help="show a traceback when the ABI gate itself fails")
    return parser


def _list_rules() -> str:
    width = max(map(len, RULES))
    return "".join(f"{name:{width}}  {'/'.join(rule.category):13}  {rule.purpose}\n"
                   for name, rule in RULES.items())


def _explain(name: str) -> str:
    rule = RULES.get(name)
    if rule is None:
        raise GateError(f"there is no rule {name}; --list-rules lists them")
    return (f"{name} ({' and '.join(rule.category)})\n{rule.purpose}\n\nbreaks:  {rule.breaks}\n"
            f"instead: {rule.instead}\n")


def _sides(args: argparse.Namespace) -> tuple[Side, Side]:
    includes = tuple(path.resolve() for path in args.include)
    if args.header and not args.against:
        raise GateError("--header needs --against: the header, release or commit it is compared with")
    if args.consumer and (args.spec or not args.header):
        raise GateError("--consumer goes with --header and --against, and without --spec")
    old = sides.against(args.against, includes) if args.against \
        else sides.baseline(sides.newest_baseline())
    spec = sides.spec_file(args.spec) if args.spec else None
    if args.header:
        new = Side(sides.shown(args.header), sides.header_file(args.header, includes), spec)
    elif spec:
        # No header can be made from a spec that breaks the rules.
        text = old.header.text if spec.problems else sides.generated(spec)
        new = Side(spec.shown, Header("linux/vfio_nvlink2.h", text, f"the header of {spec.shown}"),
                   spec)
    else:
        new = sides.tree()
    if not new.spec:
        # What is compared is one header, whatever the files are called.
        old = dataclasses.replace(old, spec=None, header=dataclasses.replace(
            old.header, path=new.header.path))
    elif not old.spec:
        raise GateError(f"{old.name} has no spec to compare {new.spec.shown} with; leave out --spec, "
                        "or name a release or a commit")
    return old, new


def _judge(args: argparse.Namespace, result: Result, old: Side, new: Side,
           tools: dict[str, str], words: set[str]) -> output.Verdict:
    found, notes = result.findings, result.notes
    if words:
        found = [finding for finding in found if consumer.affects(finding, words)]
    path = args.exceptions or EXCEPTIONS
    used: list[tuple[Finding, exceptions.Allowed]] = []
    if args.exceptions or new.spec:
        found, used = exceptions.apply(found, exceptions.load(path), path, datetime.date.today())
    arches = frozenset(name.split()[0] for name in result.configurations)
    return output.Verdict(old.name, new.name, found, notes, used, result.configurations, tools,
                          sides.shown(path) if args.exceptions or new.spec else "an --exceptions file",
                          arches)


def _release(args: argparse.Namespace, gate: Gate, tools: dict[str, str]) -> int:
    new = sides.tree()
    release.refuse(args.release, new)
    if sides.baselines():
        old = sides.baseline(sides.newest_baseline())
        verdict = _judge(args, gate.compare(old, new), old, new, tools, set())
        print(output.render(verdict, args.format), end="")
        if not verdict.clean:
            return FINDINGS
    measured = []
    for chain in gate.chains:
        if chain.compiler == "clang":
            own = configurations(chain, [new.header], gate.scratch / chain.arch)[0]
            measured.append(measure(new.header, own, gate.scratch / f"{chain.arch}-probe",
                                    keep=gate.keep))
    path = release.make(args.release, measured, tools)
    print(f"released version {args.release}: {sides.shown(path)}; commit it")
    return OK


class Bench:
    """
    The tools and measurements that the runs of one process share.

    `scratch` has to last as long; tools and headers that change in the meantime are not noticed.
    """

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.keep = Keep()

    def tools(self) -> dict[str, str]:
        """The version of each tool."""
        return self.keep.get("tools", tool_versions)

    def chains(self, arches: tuple[str, ...]) -> list[Toolchain]:
        """The compilers for these architectures."""
        return [chain for arch in ARCHES if arch in arches for chain in
                self.keep.get(("compilers", arch), functools.partial(toolchains, (arch,)))]


def _run(args: argparse.Namespace, bench: Bench) -> int:
    if args.list_rules or args.explain:
        print(_explain(args.explain) if args.explain else _list_rules(), end="")
        return OK
    if args.release is not None and args.arch:
        raise GateError("a release has all architectures: leave out --arch")

    def progress(text: str) -> None:
        if not args.quiet:
            print(f"gate: {text}", file=sys.stderr, flush=True)

    progress("looking for compilers and tools")
    tools = bench.tools()
    chains = bench.chains(tuple(args.arch or ARCHES))
    system = args.system.resolve() if args.system else None
    gate = Gate(chains, bench.scratch, max(1, args.jobs), system, progress, bench.keep)
    for folder in sides.baselines():
        release.verify(folder)
    if args.release is not None:
        return _release(args, gate, tools)
    old, new = _sides(args)
    words = consumer.identifiers(args.consumer) if args.consumer else set()
    progress(f"{new.name} against {old.name}, {len(chains)} compilers")
    result = gate.compare(old, new)
    if words:
        consumer.check(words, gate.old_inventory(old.header), old.header.shown)
    verdict = _judge(args, result, old, new, tools, words)
    print(output.render(verdict, args.format), end="")
    return OK if verdict.clean else FINDINGS


def main(argv: list[str] | None = None, bench: Bench | None = None) -> int:
    """Runs the command line and returns the exit status; what a bench has, it does not do again."""
    args = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if bench:
            return _run(args, bench)
        with tempfile.TemporaryDirectory(prefix="abi-gate-") as scratch:
            return _run(args, Bench(Path(scratch)))
    except GateError as err:
        print(f"gate: {err}", file=sys.stderr)
    except KeyboardInterrupt:
        print("gate: interrupted; nothing was written", file=sys.stderr)
    except Exception as err:  # pylint: disable=broad-except  # a crash is no verdict
        if args.debug:
            traceback.print_exc()
        print(f"gate: internal error: {type(err).__name__}: {err}"
              + ("" if args.debug else "; run again with --debug and report what it shows"),
              file=sys.stderr)
    return FAILED
