# SPDX-License-Identifier: GPL-2.0-only
"""The command: what it says and how it ends, and that it never passes what it could not see."""

import json
import time

import pytest

from abigate import output, sides, toolchain
from abigate.rules import RULES
from lab import limits

from .command import HEADER, ONE, SPEC, ask, changed, run


def test_the_tree_is_compatible_with_its_release_and_it_is_quick():
    start = time.monotonic()
    done = run()
    assert (done.returncode, time.monotonic() - start < limits.seconds(60)) == (0, True), done.stderr
    assert done.stdout.splitlines()[-1].endswith("8 architectures): compatible")
    # Progress is printed, and is none of the result.
    for arch in toolchain.ARCHES:
        assert f"{arch} clang" in done.stderr
    assert "gate:" not in done.stdout


@pytest.mark.parametrize("args", [("--against", "HEAD"), ("--against", "v1"),
                                  ("--header", sides.HEADER, "--against", sides.HEADER)])
def test_other_sides(args):
    done = ask(*ONE, *args)
    assert done.returncode == 0, done.stderr


def test_a_finding_says_it_all(tmp_path):
    path = changed(tmp_path, "    id: 5\n", "    id: 6\n", SPEC, "new.yaml")
    done = ask("--spec", path, *ONE)
    assert done.returncode == 1
    line = SPEC[:SPEC.index("    id: 5\n")].count("\n") + 1
    assert f"{path}:{line}: error: capability lnkspd: id 5 -> 6 [CAP_ID_CHANGED]" in done.stdout
    for part in ("breaks   binary, on all architectures", "instead  Leave the id.",
                 '{rule: CAP_ID_CHANGED, subject: "capability lnkspd", reason: ..., expires: '
                 "YYYY-MM-DD}", "seen by  spec"):
        assert part in done.stdout


def test_architectures_differ(tmp_path):
    path = changed(tmp_path, "__aligned_u64 tgt;", "__u64 tgt;")
    done = ask("--header", path, "--against", "v1", "--quiet", "--arch", "i386", "--arch", "ppc64")
    assert done.returncode == 1
    assert "on i386:" in done.stdout and "ppc64:" not in done.stdout


@pytest.mark.parametrize("args, says", [
    (("--against", "no-such-thing"), "no such file, baseline (there is v1"),
    (("--header", sides.HEADER), "--header needs --against"),
    (("--header", "nowhere.h", "--against", "v1"), "cannot read nowhere.h"),
    (("--spec", "nowhere.yaml"), "nowhere.yaml"),
    (("--consumer", "x"), "--consumer goes with --header"),
    (("--explain", "NOTHING"), "there is no rule NOTHING"),
    (("--exceptions", "nowhere.yaml"), "cannot read nowhere.yaml"),
    (("--release", "1"), "version 1 is released"),
    (("--release", "7"), "the spec is of version"),
    (("--system", "nowhere"), "nowhere/linux/vfio.h"),
])
def test_what_cannot_be_done(args, says):
    quick = ("--quiet",) if "--release" in args else ONE
    done = run(*quick, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gate: ") and says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_header_that_shows_nothing_is_no_verdict(tmp_path):
    empty = tmp_path / "empty.h"
    empty.write_text("/* nothing */\n", encoding="ascii")
    done = ask(*ONE, "--header", sides.HEADER, "--against", empty)
    assert done.returncode == 2 and "defines nothing" in done.stderr
    hidden = tmp_path / "hidden.h"
    hidden.write_text("#define HIDDEN_ONE 1\n#ifdef NEVER\nstruct hidden {\n\tint x;\n};\n#endif\n",
                      encoding="ascii")
    done = ask(*ONE, "--header", hidden, "--against", hidden)
    assert done.returncode == 2 and "none of the structs in it can be seen" in done.stderr


def test_an_old_header_that_does_not_compile_is_no_verdict(tmp_path):
    broken = changed(tmp_path, "#include <linux/vfio.h>\n", "")
    done = ask(*ONE, "--header", sides.HEADER, "--against", broken)
    assert done.returncode == 2 and "nothing to compare with" in done.stderr
    lacking = changed(tmp_path, "#include <linux/vfio.h>\n", "#include <linux/vfio.h>\n#include <no.h>\n")
    done = ask(*ONE, "--header", sides.HEADER, "--against", lacking)
    assert done.returncode == 2 and "--include DIR" in done.stderr


def test_headers_of_the_kernel_are_read(tmp_path):
    """Everything C has that such headers use: nested and anonymous structs, arrays, bit-fields."""
    path = tmp_path / "rich.h"
    path.write_text(RICH, encoding="ascii")
    assert ask("--quiet", "--header", path, "--against", path).returncode == 0
    for old, new, rule in (("inner[4]", "inner[5]", "STRUCT_SIZE_CHANGED"),
                           ("low : 3", "low : 4", "FIELD_"), ("RICH_B,", "RICH_B = 7,", "ENUMERATOR_VALUE"),
                           ("_IOW('r', 2", "_IOW('r', 3", "MACRO_VALUE_CHANGED"),
                           ("(x) + 1", "(x) + 2", "MACRO_TEXT_CHANGED"),
                           ("__u8 id[20]", "__u8 id[24]", "FIELD_SIZE_CHANGED"),
                           ("void (*call)(int)", "void (*call)(long)", "STRUCT_SHAPE_CHANGED"),
                           ("} rich_t", "} rich_u", "HEADER_BROKEN")):
        done = ask(*ONE, "--header", changed(tmp_path, old, new, RICH, "new.h"), "--against", path)
        assert done.returncode == 1 and rule in done.stdout, (old, done.stdout, done.stderr)


RICH = """
#include <linux/types.h>
#include <linux/ioctl.h>
#define RICH_ENTRIES _IOW('r', 2, struct rich)
#define RICH_NEXT(x) ((x) + 1)
#define RICH_NAME "rich"
#define RICH_EMPTY
enum { RICH_ANONYMOUS = 3 };
enum rich_kind { RICH_A, RICH_B, };
typedef struct { __u8 id[20]; } rich_t;
struct rich {
	struct { __u32 a; union { __u32 b; __u16 c[2]; }; };
	struct rich_inner { __u64 at; } inner[4];
	union { __u64 whole; struct { __u32 first; __u32 second; } parts; } named;
	__u32 low : 3, : 2, high : 5;
	enum rich_kind kind;
	rich_t *next;
	void (*call)(int);
	const char *text;
	__u8 rest[];
};
"""


@pytest.fixture(name="narrowed")
def narrowed_fixture(tmp_path):
    return ("--header", changed(tmp_path, "__u32 link_speed;", "__u16 link_speed;"), "--against", "v1")


def test_json(narrowed):
    done = ask(*ONE, *narrowed, "--format", "json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["format"], said["compatible"]) == (1, 1, False)
    found = {f["rule"]: f for f in said["findings"]}
    size = found["FIELD_SIZE_CHANGED"]
    assert size["subject"] == "struct vfio_region_info_cap_nvlink2_lnkspd::link_speed"
    assert size["what"] == ["size 4 -> 2 bytes"] and size["category"] == ["binary"]
    assert {"pahole", "assertions", "libabigail"} <= set(size["detectors"])
    assert size["line"] == HEADER[:HEADER.index("__u32 link_speed;")].count("\n") + 1
    assert set(said["tools"]) == {"clang", "abidw", "abidiff", "pahole"}


def test_sarif(narrowed):
    done = ask(*ONE, *narrowed, "--format", "sarif")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["version"] == "2.1.0"
    ran, = said["runs"]
    rules = {rule["id"] for rule in ran["tool"]["driver"]["rules"]}
    assert rules == {result["ruleId"] for result in ran["results"]} >= {"FIELD_SIZE_CHANGED"}
    for result in ran["results"]:
        assert result["level"] == "error" and result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith(".h") and place["region"]["startLine"] > 1


def test_github(narrowed):
    done = ask(*ONE, *narrowed, "--format", "github")
    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith("::error file=") and ",line=" in first and "%0A" in first
    assert "title=FIELD_" in first


def test_formats_of_no_finding():
    said = {form: ask(*ONE, "--format", form) for form in output.FORMATS}
    assert {done.returncode for done in said.values()} == {0}
    assert json.loads(said["json"].stdout)["findings"] == []
    assert json.loads(said["sarif"].stdout)["runs"][0]["results"] == []
    assert "::error" not in said["github"].stdout


def exceptions(tmp_path, *entries):
    path = tmp_path / "exceptions.yaml"
    path.write_text("exceptions:\n" + "".join(entries) if entries else "exceptions: []\n",
                    encoding="utf-8")
    return path


def entry(rule="FIELD_RENAMED", expires="2999-12-31", more="", reason="Nobody reads padding."):
    return (f"  - rule: {rule}\n    subject: 'struct vfio_region_info_cap_nvlink2_lnkspd::__pad'\n"
            f"    reason: {reason}\n    expires: {expires}\n{more}")


@pytest.fixture(name="renamed")
def renamed_fixture(tmp_path):
    return ("--header", changed(tmp_path, "__u32 __pad;", "__u32 spare;"), "--against", "v1")


def test_exceptions_allow(tmp_path, renamed):
    assert ask(*ONE, *renamed).returncode == 1
    done = ask(*ONE, *renamed, "--exceptions", exceptions(tmp_path, entry()))
    assert done.returncode == 0, done.stdout
    assert "allowed until 2999-12-31: FIELD_RENAMED" in done.stdout
    assert "Nobody reads padding." in done.stdout
    report = json.loads(ask(*ONE, *renamed, "--format", "json", "--exceptions",
                          exceptions(tmp_path, entry())).stdout)
    assert [a["reason"] for a in report["allowed"]] == ["Nobody reads padding."]


@pytest.mark.parametrize("given, rules", [
    ((entry(expires="2020-01-31"),), {"FIELD_RENAMED", "EXCEPTION_EXPIRED"}),
    ((entry("FIELD_MOVED"),), {"FIELD_RENAMED", "EXCEPTION_UNUSED"}),
    ((entry(), entry()), {"EXCEPTION_UNUSED"}),
    ((entry(more="    arches: [i386]\n"),), {"FIELD_RENAMED", "EXCEPTION_UNUSED"}),
    ((entry(more="    arches: [x86_64, i386]\n"),), set()),
])
def test_exceptions_that_are_findings(tmp_path, renamed, given, rules):
    done = ask(*ONE, *renamed, "--format", "json", "--exceptions", exceptions(tmp_path, *given))
    assert {f["rule"] for f in json.loads(done.stdout)["findings"]} == rules
    assert done.returncode == bool(rules)


@pytest.mark.parametrize("text, says", [
    ("exceptions:\n" + entry("NO_RULE"), "there is no rule NO_RULE"),
    ("exceptions:\n" + entry(expires="soon"), "expires is a day"),
    ("exceptions:\n" + entry(reason="''"), "without a reason"),
    ("exceptions:\n  - rule: FIELD_MOVED\n", "an exception has expires"),
    ("other: []\n", "has to be `exceptions:`"), ("exceptions: [\n", "cannot read"), ("", "has to be")])
def test_exceptions_that_are_not_understood(tmp_path, renamed, text, says):
    path = tmp_path / "exceptions.yaml"
    path.write_text(text, encoding="utf-8")
    done = ask(*ONE, *renamed, "--exceptions", path)
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr


def test_help_and_rules():
    for word in ("--against", "--consumer", "exit status"):
        assert word in run("--help").stdout
    listed = run("--list-rules").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(RULES)
    for rule, about in RULES.items():
        assert about.purpose.endswith(".") and about.breaks and about.instead and about.category, rule
    assert "instead: " in run("--explain", "FIELD_MOVED").stdout


def test_every_rule_is_documented():
    page = (sides.ROOT / "docs/abi-gate.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `")]
    assert listed == [f"| `{name}` | {', '.join(rule.category)} | {rule.purpose} |"
                      for name, rule in RULES.items()]
