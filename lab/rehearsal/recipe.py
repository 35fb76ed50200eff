# SPDX-License-Identifier: GPL-2.0-only
"""What a target of the Makefile runs: its recipe, with a recorder in the place of Python."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from lab.paths import ROOT

# The recorder in the place of Python writes this down.
RECORDED_ENV = "NVLINK2_FUZZ_SECONDS"
_RECORDER = f"""\
#!/bin/sh
[ "$*" != "-m lab fail" ] || exit 7
exec {sys.executable} -c 'import json, os, sys
with open(sys.argv[1], "a", encoding="utf-8") as file:
    print(json.dumps([sys.argv[2:], os.environ.get("{RECORDED_ENV}", "")]), file=file)' "$0.log" "$@"
"""


class Fault(Exception):
    """A fault that keeps a target from starting."""


class Command(NamedTuple):
    """A command of Python's in a recipe, and the seconds that it hands to the fuzzer."""
    words: tuple[str, ...]
    fuzz_seconds: str = ""


class Start(NamedTuple):
    """A machine that a target would start."""
    flavour: str
    argv: tuple[str, ...]
    board: str = ""


def recipe(target: str, folder: Path, *variables: str,
           makefile: Path = ROOT / "Makefile") -> tuple[list[Command], list[str]]:
    """The commands of Python's that `make target` runs, and the parts that it has installed."""
    recorder, setup = folder / "python", folder / "setup"
    recorder.write_text(_RECORDER, "utf-8")
    setup.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{folder}/setup.log\n', "utf-8")
    for path in (recorder, setup):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    logs = folder / "python.log", folder / "setup.log"
    for log in logs:
        log.write_text("", "utf-8")
    plain = {key: value for key, value in os.environ.items()
             if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", RECORDED_ENV)}
    done = subprocess.run(["make", "-s", "-f", makefile, f"PYTHON={recorder}", f"setup=sh {setup}", target,
                           *variables], cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(f"make {target} fails: {done.stderr.strip()}")
    commands = [Command(tuple(words), seconds) for words, seconds in
                map(json.loads, logs[0].read_text("utf-8").splitlines())]
    return commands, logs[1].read_text("utf-8").split()
