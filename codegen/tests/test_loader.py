# SPDX-License-Identifier: GPL-2.0-only
"""Reading YAML: what is refused, and with which line."""

import pytest

from codegen import loader

from .support import MARK, SPEC, expect, findings, mutate

FIRST = "abi:\n  name: vfio_nvlink2\n"


@pytest.mark.parametrize("broken", [
    "abi:\n  name: [vfio_nvlink2\n  version: 1@@\n",
    "abi:\n  name: 'open@@\n",
    "abi:\n\tname: x@@\n",
    "abi: {name: x@@\n",
    "a: 1\n---@@\nb: 2\n",
    "a: *nowhere@@\n",
    "a: &x\n@@",
], ids=["open-bracket", "open-quote", "tab", "open-brace", "two-documents", "unknown-alias",
        "empty-anchor"])
def test_loader_syntax(tmp_path, capsys, broken):
    lines = [n for n, line in enumerate(broken.split("\n"), 1) if MARK in line]
    found = findings(tmp_path, capsys, broken.replace(MARK, ""))
    assert len(found) == 1 and found[0].rule in ("yaml-syntax", "yaml-empty")
    # PyYAML notices an open bracket a line late at most.
    assert abs(found[0].line - lines[0]) <= 1


def test_loader_syntax_exact_line(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-syntax", (FIRST, "abi:\n  name: vfio_nvlink2: twice@@\n"),
           says="correct the syntax")


def test_loader_not_utf8(tmp_path, capsys):
    found = findings(tmp_path, capsys, b"a: 1\nb: 2\nc: \xff\n")
    assert [(f.line, f.rule) for f in found] == [(3, "yaml-syntax")]
    assert "UTF-8" in found[0].message


def test_loader_control_character(tmp_path, capsys):
    found = findings(tmp_path, capsys, b"a: 1\nb: \x01\n")
    assert [(f.line, f.rule) for f in found] == [(2, "yaml-syntax")]


@pytest.mark.parametrize("depth", [100, 150, 200, 300, 450, 5000])
def test_loader_nested_deeply(tmp_path, capsys, depth):
    found = findings(tmp_path, capsys, "a: " + "[" * depth + "]" * depth + "\n")
    assert {f.rule for f in found} <= {"yaml-syntax", "schema"}
    assert depth < 5000 or [(f.line, f.rule) for f in found] == [(1, "yaml-syntax")]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_loader_empty_file(tmp_path, capsys, text):
    assert [f.rule for f in findings(tmp_path, capsys, text)] == ["yaml-empty"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "7\n"])
def test_loader_no_mapping(tmp_path, capsys, text):
    found = findings(tmp_path, capsys, text)
    assert [(f.line, f.rule) for f in found] == [(1, "schema")]


def test_loader_duplicate_key(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-duplicate-key",
           (FIRST, FIRST + "  name: vfio_nvlink2@@\n"), says="first in line")


def test_loader_duplicate_key_top_level(tmp_path, capsys):
    text = SPEC.read_text() + "vendors: []\n"
    found = findings(tmp_path, capsys, text)
    assert [(f.line, f.rule) for f in found] == [(text.count("\n"), "yaml-duplicate-key")]


def test_loader_duplicate_key_in_flow_mapping(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-duplicate-key",
           ("values: {tgt: 0x400000000}", "values: {tgt: 0x400000000, tgt: 1}@@"))


def test_loader_alias(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-alias",
           ("    flags: [read, write, mmap]\n    flags_empty: []\n    memory: cacheable",
            "    flags: &all [read, write, mmap]\n    flags_empty: []\n    memory: cacheable"),
           ("    flags: [read, write, mmap]\n    flags_empty: []\n    memory: noncached",
            "    flags: *all@@\n    flags_empty: []\n    memory: noncached"))


def test_loader_alias_to_itself(tmp_path, capsys):
    found = findings(tmp_path, capsys, "abi: &a\n  doc: *a\n")
    assert {f.rule for f in found} == {"yaml-alias"}


@pytest.mark.parametrize("tag", ["!!binary", "!custom", "!!str", "!", "!!python/object/apply:os.getcwd"])
def test_loader_tag(tmp_path, capsys, tag):
    expect(tmp_path, capsys, "yaml-tag", (FIRST, f"abi:\n  name: {tag} vfio_nvlink2@@\n"))


def test_loader_key_that_is_no_word(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-key", (FIRST, FIRST + "  ? [a, b]@@\n  : 1\n"))


@pytest.mark.parametrize("nothing", ["", " ~", " null"])
def test_loader_no_value(tmp_path, capsys, nothing):
    expect(tmp_path, capsys, "yaml-empty", (FIRST, f"abi:\n  name:{nothing}@@\n"))


def test_loader_two_lines_of_text(tmp_path, capsys):
    expect(tmp_path, capsys, "yaml-text",
           ("    doc: 20 Gbit/s a lane.\n", "    doc: |@@\n      20 Gbit/s\n      a lane.\n"))


@pytest.mark.parametrize("text", ["yes", "010", "1_6", "0o20", "1.0", "1e1", "12:30", "+16",
                                  "2026-11-22", "0x", "-0x10"])
def test_loader_surprising_scalars_are_text(tmp_path, capsys, text):
    """A text that YAML 1.1 would read as a number, a date or a truth value stays text."""
    expect(tmp_path, capsys, "schema",
           ("version: 1\n  doc: >-\n    VFIO", f"version: {text}@@\n  doc: >-\n    VFIO"),
           says="has to be a number")


def test_loader_reads_numbers(tmp_path):
    path = tmp_path / "numbers.yaml"
    path.write_text("{a: 0, b: 10, c: 0x1f, d: -3, e: true, f: false, g: '7', h: \"0x7\"}\n")
    data = loader.load(path).data
    assert data == {"a": 0, "b": 10, "c": 31, "d": -3, "e": True, "f": False, "g": "7", "h": "0x7"}
    assert data["e"] is True and data["f"] is False


def test_loader_line_of_every_key(tmp_path):
    path = tmp_path / "lines.yaml"
    path.write_text("# one\na:\n  - b: 1\n    c:\n      d: 2\n  - {e: 3,\n     f: 4}\n")
    document = loader.load(path)
    lines = {("a",): 2, ("a", 0): 3, ("a", 0, "b"): 3, ("a", 0, "c"): 4, ("a", 0, "c", "d"): 5,
             ("a", 1): 6, ("a", 1, "e"): 6, ("a", 1, "f"): 7}
    assert {path: document.line(path) for path in lines} == lines
    # A key that is missing is complained about where it would belong.
    assert document.line(("a", 1, "missing", 0)) == 6


def test_loader_real_spec_is_clean(tmp_path, capsys):
    assert not findings(tmp_path, capsys, mutate()[0])
