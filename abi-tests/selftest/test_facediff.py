# SPDX-License-Identifier: GPL-2.0-only
"""Each rule on the module's face finds its change, and no changed line is without a finding."""

import pytest

from abigate.facediff import NO_DEBUG, compare
from abigate.rules import RULES
from lab.paths import ROOT

COMMITTED = (ROOT / "abi-tests/module-face.txt").read_text("utf-8")
LINES = [n for n, line in enumerate(COMMITTED.splitlines()) if line and not line.startswith("#")]

FACE = """\
# a comment

module one
\tinfo license: GPL
\tdepends: nvlink2_zero
\talias vfio_pci:v1d2
\texport one_call: GPL only, no namespace
\t\tint one_call(struct nvlink2_ops *ops)
\tstruct nvlink2_ops
\t\tint first
\t\tint second
\tparameter size: uint, mode 0444
\t\tsize of it
\tevent sys:happened
\t\tfield int a; size 4, signed
\t\tfield unsigned long b; size 8, unsigned
\t\tprint "%d %lx", REC->a, REC->b

module two
\tinfo license: GPL
"""
A, B = "\t\tfield int a; size 4, signed\n", "\t\tfield unsigned long b; size 8, unsigned\n"
PARAMETER = "\tparameter size: uint, mode 0444\n\t\tsize of it\n"
EXPORT = ("\texport one_call: GPL only, no namespace\n"
          "\t\tint one_call(struct nvlink2_ops *ops)\n")
EVENT = f'\tevent sys:happened\n{A}{B}\t\tprint "%d %lx", REC->a, REC->b\n'
TYPE = "\tstruct nvlink2_ops\n\t\tint first\n\t\tint second\n"

# (what the old face has, what the new one has, [(rule, subject)], words of the first message)
CASES = {
    "export-removed": (EXPORT, "", [("FACE_EXPORT_REMOVED", "one: one_call")], "unknown symbol"),
    "export-licence": ("export one_call: GPL only", "export one_call: any licence",
                       [("FACE_EXPORT_CHANGED", "one: one_call")], "any licence, no namespace`"),
    "export-namespace": ("GPL only, no namespace", "GPL only, namespace NVLINK2",
                         [("FACE_EXPORT_CHANGED", "one: one_call")], "no longer loads"),
    "export-prototype": ("\t\tint one_call", "\t\tlong one_call",
                         [("FACE_EXPORT_CHANGED", "one: one_call")], "old prototype"),
    "type-removed": (TYPE, "", [("FACE_TYPE_REMOVED", "one: struct nvlink2_ops")], "compiles"),
    "type-changed": ("\t\tint first\n\t\tint second\n", "\t\tint second\n\t\tint first\n",
                     [("FACE_TYPE_CHANGED", "one: struct nvlink2_ops")], "wrong bytes"),
    "alias-removed": ("\talias vfio_pci:v1d2\n", "",
                      [("FACE_ALIAS_REMOVED", "one: vfio_pci:v1d2")], "modules.alias"),
    "alias-changed": ("v1d2", "v1d3", [("FACE_ALIAS_REMOVED", "one: vfio_pci:v1d2"),
                                       ("FACE_ADDED", "one: vfio_pci:v1d3")], "udev"),
    "param-removed": (PARAMETER, "", [("FACE_PARAM_REMOVED", "one: size")], "modprobe.d"),
    "param-renamed": ("parameter size", "parameter bytes",
                      [("FACE_PARAM_REMOVED", "one: size"), ("FACE_ADDED", "one: bytes")],
                      "modprobe.d"),
    "param-type": ("uint,", "array of uint, at most 4,", [("FACE_PARAM_CHANGED", "one: size")],
                   "may be refused"),
    "param-mode": ("0444", "0644", [("FACE_PARAM_CHANGED", "one: size")], "mode 0644"),
    "param-text": ("size of it", "size of all", [("FACE_PARAM_CHANGED", "one: size")], "modinfo"),
    "trace-removed": (EVENT, "", [("FACE_TRACE_REMOVED", "one: sys:happened")], "no such event"),
    "trace-system": ("event sys:", "event other:",
                     [("FACE_TRACE_REMOVED", "one: sys:happened"),
                      ("FACE_ADDED", "one: other:happened")], "no such event"),
    "field-removed": (A, "", [("FACE_TRACE_FIELD_REMOVED", "one: sys:happened.a")],
                      "names the field"),
    "field-type": ("field int a; size 4", "field long a; size 8",
                   [("FACE_TRACE_FIELD_CHANGED", "one: sys:happened.a")], "filters"),
    "field-sign": ("size 4, signed", "size 4, unsigned",
                   [("FACE_TRACE_FIELD_CHANGED", "one: sys:happened.a")], "size 4, unsigned`"),
    "fields-moved": (A + B, B + A, [("FACE_TRACE_FIELD_MOVED", "one: sys:happened.a"),
                                    ("FACE_TRACE_FIELD_MOVED", "one: sys:happened.b")],
                     "field 1 became field 2"),
    "field-before": (B, "\t\tfield u8 c; size 1, unsigned\n" + B,
                     [("FACE_ADDED", "one: sys:happened.c")], "before others"),
    "field-after": (B, B + "\t\tfield u8 c; size 1, unsigned\n",
                    [("FACE_ADDED", "one: sys:happened.c")], "records grow"),
    "print": ("REC->a, REC->b", "REC->b, REC->a",
              [("FACE_TRACE_PRINT_CHANGED", "one: sys:happened")], "text of the trace"),
    "licence": ("license: GPL\n\tdepends", "license: MIT\n\tdepends",
                [("FACE_OTHER", "one: license")], "`GPL` became `MIT`"),
    "softdep": ("\tdepends: nvlink2_zero\n", "",
                [("FACE_OTHER", "one: depends: nvlink2_zero")], "gone: depends: nvlink2_zero"),
    "unknown-line": ("\talias", "\tnews of a later gate\n\talias",
                     [("FACE_ADDED", "one: news of a later gate")], "new: news of a later gate"),
    "module-removed": ("\nmodule two\n\tinfo license: GPL\n", "", [("FACE_MODULE_REMOVED", "two")],
                       "gone"),
    "module-added": ("module two\n", "module three\n\tinfo license: GPL\nmodule two\n",
                     [("FACE_ADDED", "three")], "not there before"),
    "order": (PARAMETER + EVENT, EVENT + PARAMETER, [("FACE_OTHER", "one")],
              "parameter size where now event sys:happened"),
}


@pytest.mark.parametrize("case", CASES)
def test_rule(case):
    old, new, expected, words = CASES[case]
    assert FACE.count(old) == 1
    findings = compare(FACE, FACE.replace(old, new))
    assert [finding[:2] for finding in findings] == expected
    assert words in findings[0][2]


def test_same_face_has_no_findings():
    assert compare(FACE, FACE) == []
    assert compare(FACE, FACE.replace("# a comment", "# another\n\n# and one")) == []


def test_every_addition_is_found():
    for part in (EXPORT, TYPE, PARAMETER, EVENT, "\talias vfio_pci:v1d2\n"):
        (rule, _, message), = compare(FACE.replace(part, ""), FACE)
        assert rule == "FACE_ADDED" and message


@pytest.mark.parametrize("change", [
    lambda line: [], lambda line: [line, line], lambda line: [line + "x"],
    lambda line: [line, "\tand more"], lambda line: [line, "\t\tand more"],
    lambda line: [line, "more"],
], ids=["gone", "twice", "changed", "followed", "followed-below", "followed-by-module"])
def test_no_changed_line_is_lost(change):
    lines = COMMITTED.splitlines()
    for n in LINES:
        changed = "\n".join(lines[:n] + change(lines[n]) + lines[n + 1:])
        assert compare(COMMITTED, changed), lines[n]
        assert compare(changed, COMMITTED), lines[n]


def test_difference_no_rule_is_about_is_found_among_others():
    for twice in ("\tevent sys:happened\n", A, "\texport one_call: GPL only, no namespace\n"):
        changed = FACE.replace(twice, twice * 2).replace("mode 0444", "mode 0644")
        assert len(compare(FACE, changed)) == 2


def test_build_without_debug_information_is_not_asked_for_prototypes():
    blind = FACE.replace("module one\n", f"module one\n\t{NO_DEBUG}\n").replace(TYPE, "")
    blind = blind.replace("\t\tint one_call(struct nvlink2_ops *ops)\n", "")
    assert compare(FACE, blind) == compare(blind, blind) == []
    # All else is looked at.
    assert [rule for rule, *_ in compare(FACE, blind.replace("0444", "0644"))] \
        == ["FACE_PARAM_CHANGED"]
    assert [rule for rule, *_ in compare(FACE, blind.replace("GPL only", "any licence"))] \
        == ["FACE_EXPORT_CHANGED"]
    # A file written from such a build does not fit one that shows more.
    assert len(compare(blind, FACE)) == 3


def test_every_rule_is_in_the_catalogue_and_has_a_case():
    listed = {rule for rule in RULES if rule.startswith("FACE_")}
    assert listed == {rule for _, _, expected, _ in CASES.values() for rule, _ in expected}
