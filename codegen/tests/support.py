# SPDX-License-Identifier: GPL-2.0-only
"""Helpers that the tests of the generator share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from codegen import cli
from lab import limits

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec/vfio_nvlink2.yaml"
DATA = Path(__file__).resolve().parent / "data"

#: Stands in the replacement text of a mutation, in the line a message has to name.
MARK = "@@"

_FINDING = re.compile(r"(?P<file>.*):(?P<line>\d+): error: (?P<message>.*) \[(?P<rule>[a-z0-9-]+)\]")


@dataclass(frozen=True)
class Finding:
    line: int
    rule: str
    message: str


def run(*args: object, **kwargs) -> subprocess.CompletedProcess:
    """python3 -m codegen ARGS, as a user would."""
    kwargs.setdefault("cwd", ROOT)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **kwargs.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "codegen", *map(str, args)], env=environment,
                          capture_output=True, text=True, timeout=limits.seconds(120), check=False,
                          **kwargs)


def mutate(*edits: tuple[str, str], text: str | None = None) -> tuple[str, list[int]]:
    """The real spec with edits made, and the numbers of the lines that hold a mark."""
    text = SPEC.read_text(encoding="utf-8") if text is None else text
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the spec, not once"
        text = text.replace(old, new)
    marked = [n for n, line in enumerate(text.split("\n"), 1) if MARK in line]
    return text.replace(MARK, ""), marked


def findings(tmp_path: Path, capsys, text: str) -> list[Finding]:
    """Returns the output of `check` for a spec with this text; its exit status has to fit."""
    path = tmp_path / "mutant.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    status = cli.main(["check", "--spec", str(path)])
    captured = capsys.readouterr()
    assert "internal error" not in captured.err, captured.err
    found = []
    for line in captured.err.splitlines():
        match = _FINDING.fullmatch(line)
        assert match, f"not of the form file:line: error: message [rule]: {line}"
        assert match["file"] == str(path)
        found.append(Finding(int(match["line"]), match["rule"], match["message"]))
    assert status == (1 if found else 0)
    return found


def expect(tmp_path: Path, capsys, rule: str, *edits: tuple[str, str], says: str = "",
           also: tuple[str, ...] = ()) -> None:
    """The mutant breaks `rule` in exactly the marked lines, and no rule but those in `also`."""
    text, lines = mutate(*edits)
    assert lines, "the case marks no line"
    found = findings(tmp_path, capsys, text)
    assert [f.line for f in found if f.rule == rule] == lines, found
    assert {f.rule for f in found} <= {rule, *also}, found
    assert says in " / ".join(f.message for f in found if f.rule == rule), found
