# SPDX-License-Identifier: GPL-2.0-only
"""The command: exit statuses, messages, and never a traceback."""

import subprocess
import sys

import pytest

from codegen import __main__, cli, render

from .support import ROOT, SPEC, run


@pytest.mark.parametrize("args", [
    [], ["genrate"], ["generate", "check"], ["check", "--no-such-option"], ["check", "--spec"],
    ["check", "--sp", str(SPEC)],
], ids=["none", "unknown", "two", "option", "no-value", "abbreviated"])
def test_cli_usage_error(args):
    result = run(*args)
    assert result.returncode == 2
    assert "usage: python3 -m codegen COMMAND" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_cli_help_teaches():
    result = run("--help")
    assert result.returncode == 0
    for word in ("generate", "check-generated", "rules", "exit status", "docs/spec.md", "--spec"):
        assert word in result.stdout


@pytest.mark.parametrize("make", ["nothing", "directory"])
def test_cli_spec_cannot_be_read(tmp_path, make):
    path = tmp_path / "spec.yaml"
    if make == "directory":
        path.mkdir()
    result = run("check", "--spec", path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"codegen: cannot read {path}: ")
    assert result.stderr.endswith("name the spec with --spec FILE\n")


def test_cli_output_cannot_be_written(tmp_path):
    (tmp_path / "generated").write_text("in the way")
    result = run("generate", "--out", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("codegen: cannot write ")
    assert "--out DIR" in result.stderr and "Traceback" not in result.stderr


def test_cli_check_is_quiet_about_nothing(tmp_path):
    result = run("check", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{SPEC}: no errors\n"


def test_cli_internal_error(monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError("of the test")
    monkeypatch.setattr(render, "render", fail)
    assert cli.main(["check-generated"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("codegen: internal error: ZeroDivisionError: of the test; run ")
    assert "Traceback" not in captured.err


def test_cli_internal_error_debug(monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError("of the test")
    monkeypatch.setattr(render, "render", fail)
    assert cli.main(["check-generated", "--debug"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" in captured.err
    assert captured.err.endswith("codegen: internal error: ZeroDivisionError: of the test\n")


def test_cli_broken_schema_is_an_internal_error(monkeypatch, capsys, tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text("type: 7\n")
    monkeypatch.setattr(cli, "SCHEMA", str(path))
    assert cli.main(["check"]) == 2
    assert capsys.readouterr().err.startswith("codegen: internal error: SchemaError")


def test_cli_missing_module():
    # -S leaves out the directories packages are installed in.
    result = subprocess.run([sys.executable, "-S", "-m", "codegen", "check"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "install python3-yaml, python3-jinja2" in result.stderr
    assert "Traceback" not in result.stderr


def test_cli_old_python(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert __main__.main() == 2
    assert "needs Python 3.11 or newer, this is 3.9" in capsys.readouterr().err


def test_cli_message_with_other_characters(tmp_path):
    path = tmp_path / "mutant.yaml"
    path.write_text(SPEC.read_text().replace("name: vfio_nvlink2", "name: vfio_\u00fc"),
                    encoding="utf-8")
    result = run("check", "--spec", path,
                 env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert result.returncode == 1
    assert "[schema]" in result.stderr and "internal error" not in result.stderr


def test_cli_names_the_spec_as_typed(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [\n")
    result = run("check", "--spec", "x.yaml", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert result.stderr.startswith("x.yaml:1: error: ")
