# SPDX-License-Identifier: GPL-2.0-only
"""The record of long runs: only full runs of a commit get into it."""

import json
import re
import subprocess

import pytest

from lab import cli, longruns
from lab.errors import LabError
from lab.longruns import NEVER, TARGETS
from lab.suites.judge import Case


def git(tree, *arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tree, check=True,
                   capture_output=True)


def commit(tree, name):
    (tree / name).write_text("a\n", "utf-8")
    git(tree, "add", ".")
    git(tree, "commit", "-m", name)
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree, check=True, capture_output=True,
                          text=True).stdout.strip()


@pytest.fixture(autouse=True)
def tree(monkeypatch, tmp_path):
    """A repository with one commit, in the place of the project."""
    (tmp_path / "tests").mkdir()
    git(tmp_path, "init", "-q")
    commit(tmp_path, "one")
    monkeypatch.setattr(longruns, "ROOT", tmp_path)
    monkeypatch.setattr(longruns, "FILE", tmp_path / "tests/long-runs.json")
    return tmp_path


def test_committed_file_is_one_of_known_targets():
    root = longruns.__file__.rpartition("/lab/")[0]
    assert longruns.load(type(longruns.FILE)(root) / "long-runs.json").keys() <= set(TARGETS)


def test_full_run_of_a_commit_is_recorded(tree, capsys):
    head = commit(tree, "two")
    assert longruns.record("fuzz", "nothing found")
    entry = json.loads((tree / "tests/long-runs.json").read_text("utf-8"))["fuzz"]
    assert (entry["commit"], entry["result"]) == (head, "nothing found")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])
    assert "fuzz: recorded" in capsys.readouterr().err


def test_record_does_not_make_the_next_run_dirty():
    assert longruns.record("fuzz", "a") and longruns.record("soak", "b") and longruns.record("fuzz", "c")
    assert {target: entry["result"] for target, entry in longruns.load().items()} == {
        "fuzz": "c", "soak": "b"}


def test_partial_run_is_not_recorded_and_says_so(capsys):
    assert not longruns.record("test-mutants", "1 caught", "only D12")
    assert longruns.load() == {}
    assert "test-mutants: not recorded in long-runs.json: only D12" in capsys.readouterr().err


def test_changed_tree_is_not_recorded_and_says_so(tree, capsys):
    (tree / "one").write_text("b\n", "utf-8")
    (tree / "new").write_text("b\n", "utf-8")
    assert not longruns.record("soak", "a")
    assert longruns.load() == {}
    assert "not the commit: one and 1 more" in capsys.readouterr().err


def test_what_was_run_is_what_it_began_with(tree, capsys):
    began = longruns.state()
    commit(tree, "two")
    assert not longruns.record("soak", "a", began=began)
    (tree / "one").write_text("b\n", "utf-8")
    began = longruns.state()
    git(tree, "checkout", "one")
    assert not longruns.record("soak", "a", began=began)
    assert longruns.record("soak", "a", began=longruns.state())
    said = capsys.readouterr().err
    assert "another commit was checked out meanwhile" in said and "not the commit: one" in said


def test_without_git_nothing_is_recorded(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not longruns.record("soak", "a")
    assert "no git repository" in capsys.readouterr().err


def test_list_has_every_target(tree, capsys):
    head = commit(tree, "two")
    longruns.record("bench", "0 missed")
    git(tree, "add", ".")
    git(tree, "commit", "-m", "runs")
    assert cli.main(["long-targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(TARGETS)
    for line in lines:
        if line.startswith("bench"):
            assert f"{head[:12]} (1 commits ago) 0 missed" in line
        else:
            assert line.endswith(NEVER)


def test_command_line_records_what_make_ran():
    assert cli.main(["long-targets", "--record", "attack", "600 s, nothing"]) == 0
    assert longruns.load()["attack"]["result"] == "600 s, nothing"
    assert cli.main(["long-targets", "--record", "frob", "a"]) == 2


def test_wrong_file_is_reported(tree):
    for text in ('{"frob": {"commit": "", "date": "", "result": ""}}', '{"fuzz": {"commit": ""}}'):
        (tree / "tests/long-runs.json").write_text(text, "utf-8")
        with pytest.raises(LabError):
            longruns.load()


def test_runs_of_the_lab_are_recorded(monkeypatch):
    case = Case("a", True, "")
    monkeypatch.setattr(cli.npu2_run, "cases", lambda: [case])
    monkeypatch.setattr(cli.intreebuild, "cases", lambda series: [case, case._replace(ok=False)])
    assert cli.main(["npu2"]) == 0
    assert cli.main(["in-tree", "6.12"]) == 1
    assert longruns.load().keys() == {"test-npu2"}
    assert cli.main(["in-tree"]) == 1
    assert longruns.load()["test-in-tree"]["result"] == "2 passed, 2 failed"


@pytest.mark.parametrize("not_run,full", [((), True), (("5.10",), False)])
def test_comparison_is_recorded_when_all_of_it_ran(monkeypatch, not_run, full):
    compared = cli.versus.Comparison(None)
    compared.not_run = list(not_run)
    monkeypatch.setattr(cli.versus, "run", lambda write, report: compared)
    assert cli.main(["reference"]) == 0
    assert ("test-reference" in longruns.load()) == full


@pytest.mark.parametrize("arguments,full", [((), True), (("D12",), False)])
def test_all_mutants_are_a_full_run(monkeypatch, arguments, full):
    monkeypatch.setattr(cli.mutants, "run", lambda chosen: [(mutant, cli.mutants.Verdict("caught"))
                                                            for mutant in chosen])
    assert cli.main(["mutants", *arguments]) == 0
    assert ("test-mutants" in longruns.load()) == full
