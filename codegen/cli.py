# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from pathlib import Path

from . import build, loader, render, rules, schema, tree
from .errors import SpecError, UsageError
from .model import Spec

ROOT = Path(__file__).resolve().parents[1]
SPEC = "spec/vfio_nvlink2.yaml"
SCHEMA = "spec/schema.yaml"

OK, FINDINGS, FAILED = 0, 1, 2

_DESCRIPTION = """\
Generate headers, kernel code, test data and documentation from one description of the
interface.

  generate         write everything below generated/ and uapi/
  check            say what is wrong with the spec, and write nothing
  check-generated  say how the files in the tree differ from what would be generated
  rules            list the rules a spec has to keep
"""

_EPILOG = """\
exit status: 0 done and nothing to complain of; 1 the spec is wrong, or (check-generated)
files are stale; 2 the command could not be carried out.

After a change of the spec:

  python3 -m codegen check && python3 -m codegen generate

docs/spec.md explains the spec's keys and rules.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codegen", usage="python3 -m codegen COMMAND [--spec FILE] [--out DIR] [--debug]",
        description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("command", metavar="COMMAND",
                        choices=("generate", "check", "check-generated", "rules"),
                        help="generate, check, check-generated or rules")
    parser.add_argument("--spec", metavar="FILE", type=Path, default=ROOT / SPEC,
                        help=f"the spec to read (default: {SPEC} of this tree)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=ROOT,
                        help="where generated/ and uapi/ are (default: this tree)")
    parser.add_argument("--debug", action="store_true",
                        help="show a traceback when the generator itself fails")
    return parser


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _provenance_name(path: Path) -> str:
    # The same whatever the directory the command runs in, and without anybody's home in it.
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return path.name


def load_spec(path: Path) -> Spec:
    """A spec that keeps the schema and all the rules, or SpecError."""
    document = loader.load(path, _shown(path))
    schema.validate(document, schema.load_schema(ROOT / SCHEMA))
    spec = build.build(document)
    rules.check(spec, document)
    return spec


def _generate(files: dict[str, bytes], out: Path) -> int:
    written, removed, foreign = tree.write(out, files)
    for name in written:
        print(f"wrote    {name}")
    for name in removed:
        print(f"removed  {name}")
    unchanged = len(files) - len(written)
    print(f"{len(written)} written, {unchanged} unchanged, {len(removed)} removed")
    for name in foreign:
        print(f"codegen: {name} is not generated; move it elsewhere", file=sys.stderr)
    return FINDINGS if foreign else OK


def _check_generated(files: dict[str, bytes], out: Path) -> int:
    reports = tree.compare(out, files)
    for report in reports:
        sys.stdout.write(report)
    if reports:
        print(f"codegen: {len(reports)} of the generated files are not what the spec says; run "
              "`make generate` and commit the result", file=sys.stderr)
        return FINDINGS
    print(f"{len(files)} generated files are up to date")
    return OK


def _list_rules() -> int:
    width = max(map(len, rules.RULES))
    for rule, purpose in rules.RULES.items():
        print(f"{rule:{width}}  {purpose}")
    return OK


def _run(args: argparse.Namespace) -> int:
    if args.command == "rules":
        return _list_rules()
    spec = load_spec(args.spec)
    if args.command == "check":
        print(f"{_shown(args.spec)}: no errors")
        return OK
    files = render.render(spec, _provenance_name(args.spec))
    return (_generate if args.command == "generate" else _check_generated)(files, args.out)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    # A spec may hold what this terminal's character set cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(args)
    except SpecError as err:
        for finding in err.findings:
            print(finding, file=sys.stderr)
        return FINDINGS
    except UsageError as err:
        print(f"codegen: {err}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("codegen: interrupted", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        raise
    except Exception as err:  # pylint: disable=broad-except
        if args.debug:
            traceback.print_exc()
        hint = "" if args.debug else "; run again with --debug and report what it shows"
        print(f"codegen: internal error: {type(err).__name__}: {err}{hint}", file=sys.stderr)
        return FAILED
