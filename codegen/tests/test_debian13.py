# SPDX-License-Identifier: GPL-2.0-only
"""The generator under Debian 13's Python and libraries: the same output, the same messages."""

import json
import subprocess

import pytest

from lab import limits
from lab.debian.privateroot import packages

from .support import ROOT, mutate, run
from .test_generate import COMMITTED, files

PACKAGES = ["python3", "python3-jinja2", "python3-yaml", "python3-jsonschema"]

VERSIONS = """\
import importlib.metadata, json, sys
names = ("jinja2", "PyYAML", "jsonschema")
print(json.dumps([list(sys.version_info[:2]), *map(importlib.metadata.version, names)]))
"""


@pytest.fixture(name="trixie", scope="module")
def trixie_fixture():
    root = packages("trixie", PACKAGES)

    def python(*args, cwd=ROOT):
        return subprocess.run(root.command("/usr/bin/python3", "-B", *args), cwd=cwd,
                              env=root.environment(), capture_output=True, text=True,
                              timeout=limits.seconds(120), check=False)
    return python


def test_debian13_is_what_runs(trixie):
    """Not this machine's own libraries under another name."""
    result = trixie("-c", VERSIONS)
    assert result.returncode == 0, result.stderr
    python, jinja2, *_ = json.loads(result.stdout)
    assert python == [3, 13]
    assert [int(part) for part in jinja2.split(".")[:3]] >= [3, 1, 6]


def test_debian13_output_is_identical(trixie, tmp_path):
    result = trixie("-m", "codegen", "generate", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert files(tmp_path) == COMMITTED


def test_debian13_check_generated(trixie):
    result = trixie("-m", "codegen", "check-generated")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("edit", [
    ("    id: 5\n", "    id: four\n"),
    ("    id: 5\n", "    id: 4\n"),
    ("    id: 5\n", "    id: 5\n    ids: 6\n"),
    ("pci_ids:\n", "pci_ids: [\n"),
    ("memory: cacheable", "memory: warm"),
], ids=["type", "rule", "unknown-key", "syntax", "enum"])
def test_debian13_messages_are_identical(trixie, tmp_path, edit):
    """jsonschema words and orders its errors differently from release to release; we do not."""
    path = tmp_path / "mutant.yaml"
    path.write_text(mutate(edit)[0])
    there, here = trixie("-m", "codegen", "check", "--spec", path), run("check", "--spec", path)
    assert (there.returncode, there.stdout, there.stderr) == (1, here.stdout, here.stderr)
    assert here.returncode == 1
