# SPDX-License-Identifier: GPL-2.0-only
"""
The types of the programs in Python: mypy, with mypy.ini, and that nothing gets past it without a
reason. `Any`, cast() and an ignored finding stand beside a comment, or below one.
"""

from __future__ import annotations

import configparser
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.errors import LabError
from lab.paths import BUILD, ROOT, write_atomic

_COMMAND = ["/usr/bin/python3", "-m", "mypy"]
_IGNORE = re.compile(r"#\s*type:\s*ignore(\[[\w, -]*\])?")
_PLANTED = '"""Returns what it does not promise."""\n\n\ndef planted() -> int:\n    return ""\n'


def settings() -> configparser.SectionProxy:
    """The first section of mypy.ini."""
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / "mypy.ini").read_text("utf-8"))
    return parser["mypy"]


def sources() -> dict[str, str]:
    """The files that mypy reads as programs, {path below the tree: text}."""
    chosen = settings()
    found: list[Path] = []
    for name in re.split(r",\s*", chosen["files"].strip()):
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return {name: (ROOT / name).read_text("utf-8") for name in names
            if not re.search(chosen["exclude"], name)}


def _escapes(text: str) -> Iterator[int]:
    """The lines at which something gets past mypy."""
    importing = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            importing = False
        elif token.type == tokenize.NAME:
            importing = importing or token.string == "import"
            if token.string in ("Any", "cast") and not importing:
                yield token.start[0]
        elif token.type == tokenize.COMMENT and _IGNORE.search(token.string):
            yield token.start[0]


def without_reason(files: Mapping[str, str]) -> list[str]:
    """A line for each place that gets past mypy with no comment beside or above it."""
    found = []
    for name, text in files.items():
        lines = text.splitlines()
        for number in sorted(set(_escapes(text))):
            beside = _IGNORE.sub("", lines[number - 1]).partition("#")[2]
            above = lines[number - 2].strip() if number > 1 else ""
            if not beside.strip() and not above.startswith("#"):
                found.append(f"{name}:{number}: gets past mypy, and no comment gives a reason: "
                             f"{lines[number - 1].strip()}")
    return found


def findings() -> list[str]:
    """What mypy finds in the programs, and what gets past it without a reason."""
    planted = BUILD / "lint-mypy/planted.py"
    write_atomic(planted, _PLANTED)
    files = re.split(r",\s*", settings()["files"].strip())
    done = subprocess.run([*_COMMAND, "--no-error-summary", "--soft-error-limit=-1", *files, str(planted)],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    if "No module named mypy" in done.stderr:
        raise LabError("mypy is missing: run `sh setup.sh lint`")
    found = [line for line in done.stdout.splitlines() if ": note: " not in line]
    ours = [line for line in found if "planted.py:" not in line]
    if not any("[return-value]" in line for line in found if line not in ours):
        raise LabError(f"mypy did not report a planted mistake: {(done.stdout + done.stderr)[-500:]}")
    read = sources()
    if len(read) < 50:
        raise LabError(f"mypy.ini names {len(read)} files, and there are more")
    return ours + without_reason(read)
