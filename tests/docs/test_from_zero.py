# SPDX-License-Identifier: GPL-2.0-only
"""The page `from zero`: its script does in the machine what the page says, and its names exist."""

import re
import subprocess
import sys

from lab.paths import ROOT
from lab.suites import suites

PAGE = (ROOT / "docs/from-zero.md").read_text("utf-8")


def block(after):
    """The first code block behind a sentence of the page."""
    return re.search(r"^```\w*\n(.*?)^```$", PAGE[PAGE.index(after):], re.M | re.S)[1]


def test_script_prints_what_the_page_shows(tmp_path):
    script = tmp_path / "walk.sh"
    script.write_text(block("Put this into a file"), "utf-8")
    command = block("and run it in the emulated machine").split()
    assert command[:2] == ["/usr/bin/python3", "-m"] and "/walk.sh=walk.sh" in command
    done = subprocess.run(
        [sys.executable, *(part.replace("=walk.sh", f"={script}") for part in command[1:])],
        cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown, rest = block("What you see"), done.stdout
    assert rest.startswith(shown), rest
    line = rest.removeprefix(shown)
    assert line.count("\n") == 1 and "opened without a VM: the GPU is bound to no partition" in line


def test_guest_step_names_the_tests_of_the_suite():
    named = re.findall(r"ok \d+ - (kvm_\w+)", PAGE)
    assert named == suites.names("kvm")


def test_every_target_of_make_exists():
    for folder in (".", "kernel", "tools/nvlink2-info"):
        made = set(re.findall(r"^([\w-]+):", (ROOT / folder / "Makefile").read_text("utf-8"), re.M))
        where = "" if folder == "." else f"-C {folder} (?:SIM=0 )?"
        named = set(re.findall(rf"(?:^|&& )make {where}([a-z][a-z_-]*)(?:$| )", PAGE, re.M))
        assert named and named <= made, named - made
