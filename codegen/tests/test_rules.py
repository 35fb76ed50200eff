# SPDX-License-Identifier: GPL-2.0-only
"""The list of rules is whole: each is tested, explained and shown."""

import re
from pathlib import Path

import pytest

from codegen.rules import RULES

from .support import ROOT, mutate, findings, run

TESTS = Path(__file__).resolve().parent
CHECKERS = ("loader.py", "schema.py", "rules_names.py", "rules_records.py", "rules_regions.py",
            "rules_device_tree.py")


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_a_test(rule):
    cases = "".join(path.read_text() for path in sorted(TESTS.glob("test_*.py"))
                    if path.name != "test_rules.py")
    assert f'"{rule}"' in cases


def test_rule_list_is_complete():
    named = set()
    for name in CHECKERS:
        text = (ROOT / "codegen" / name).read_text()
        # A rule id is the only lower-case text with nothing but words and hyphens that is
        # yielded first, or handed to a helper that yields it.
        named |= set(re.findall(r'yield \(?\s*"([a-z0-9-]+)",', text))
        named |= set(re.findall(r'_repeats\("([a-z0-9-]+)"', text))
        named |= set(re.findall(r'"(yaml-[a-z-]+|schema)"', text))
    named |= {"record-order"}  # yielded from a list
    assert named == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_explained(rule):
    assert f"`{rule}`" in (ROOT / "docs/spec.md").read_text()


def test_rule_listing():
    result = run("rules")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(RULES)


def test_rule_findings_come_in_order_of_lines(tmp_path, capsys):
    text, lines = mutate(("    id: 0x1014\n", "    id: 0x10de@@\n"),
                         ("    id: 5\n", "    id: 4@@\n"),
                         ("  - name: WINDOW_ALIGN\n", "  - name: WINDOW_MAX@@\n"))
    found = findings(tmp_path, capsys, text)
    assert [f.line for f in found if f.rule.startswith("duplicate")] == lines
    assert [f.line for f in found] == sorted(f.line for f in found)


def test_rule_exact_message(tmp_path):
    """One message whole, as it is printed."""
    path = tmp_path / "mutant.yaml"
    text, lines = mutate(("    id: 5\n", "    id: 4@@\n"))
    path.write_text(text)
    result = run("check", "--spec", path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (f"{path}:{lines[0]}: error: capability id 4 is already ssatgt's; take "
                             "one that was never used [duplicate-id]\n")
