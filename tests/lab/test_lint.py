# SPDX-License-Identifier: GPL-2.0-only
"""The checks of `make lint` find what is planted, and notice when they do not."""

import re
import subprocess

import pytest

from lab.errors import LabError
from lab.kernels import kernelmake
from lab.lint import coccinelle, compilers, lint, typed
from lab.paths import ROOT

TREE = "/somewhere/lint-6.12-4k"
LOG = f"""\
  CHECK   {TREE}/kernel/main.c
{TREE}/kernel/main.c:12:5: warning: symbol 'x' was not declared. Should it be static?
{TREE}/kernel/sim/../range.h:3:1: error: 'y' undeclared
{TREE}/kernel/../generated/kernel/nvlink2_regions.h:9:1: warning: unused
/cache/linux-headers-6.12-common/include/linux/a.h:1:1: warning: of the kernel's own
gpu_ram.c:7:1: warning: as newer kernels name it
"""
SPATCH = """\
./kernel/main.c:44:12-13: WARNING opportunity for min()
./kernel/main.c:44:12-13: WARNING opportunity for min()

kernel/planted.c:6:18-24: ERROR: application of sizeof to pointer
./kernel/planted.c:5:5-8: Unneeded variable: "ret". Return "0" on line 13
./kernel/planted.c:12:2-3: Unneeded semicolon
./kernel/planted.c:9:11-12: ERROR: p is NULL but dereferenced.
"""
REST = ["kernel/main.c:44: WARNING opportunity for min()"]


def test_own_warnings_are_found_and_the_kernels_left_out():
    found = compilers.own_warnings(LOG, TREE)
    assert [line.partition(":")[0] for line in found] == [
        "kernel/main.c", "kernel/sim/../range.h", "kernel/../generated/kernel/nvlink2_regions.h",
        "kernel/gpu_ram.c"]


def test_planted_warnings_are_taken_out_and_missed():
    planted = "kernel/planted.c:2:18: warning: 'a' defined but not used"
    assert compilers.without_planted([planted, *REST], ["defined but not used"]) == REST
    with pytest.raises(LabError, match="planted mistake .*was not declared"):
        compilers.without_planted([planted, *REST], ["not used", "was not declared"])
    # Warned of in another file is not warned of.
    with pytest.raises(LabError):
        compilers.without_planted(REST, ["opportunity for min"])


def test_spatch_findings_are_read_once_each():
    found = coccinelle.parse(SPATCH)
    assert found[0] == REST[0] and len(found) == 5
    assert coccinelle.without_planted(found) == REST
    # What does not look like a finding is not dropped.
    assert coccinelle.parse("something else\n") == ["something else"]


@pytest.mark.parametrize("number", range(2, 6))
def test_spatch_that_loses_a_planted_mistake_is_an_error(number):
    lines = [line for line in SPATCH.splitlines() if line][:]
    del lines[number]
    with pytest.raises(LabError, match="did not report a planted mistake"):
        coccinelle.without_planted(coccinelle.parse("\n".join(lines)))


def test_options_of_a_script():
    assert coccinelle.options("// Comments: none\n// Options: --no-includes --include-headers\n@r@\n") \
        == ["--no-includes", "--include-headers"]
    assert not coccinelle.options("// Options:\n")


def script(tmp_path, text):
    """A kernel source with one semantic patch."""
    folder = tmp_path / "scripts/coccinelle/misc"
    folder.mkdir(parents=True)
    (folder / "one.cocci").write_text(text, "ascii")
    return tmp_path


@pytest.mark.parametrize("text, says", [
    ("virtual report\n@r@\nthis is no patch\n", r"cannot run scripts/coccinelle/misc/one\.cocci"),
    ("virtual report\n@r@\n@@\n* nothing_calls_this();\n", "did not report a planted mistake"),
], ids=["does-not-parse", "finds-nothing"])
def test_scripts_that_see_nothing_are_an_error(tmp_path, monkeypatch, text, says):
    monkeypatch.setattr(coccinelle, "BUILD", tmp_path / "build")
    with pytest.raises(LabError, match=says):
        coccinelle.findings(script(tmp_path / "source", text))


def test_file_that_spatch_cannot_read_is_a_finding(tmp_path, monkeypatch):
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/main.c").write_text("static int a(void)\n{\n\treturn 0 0;\n}\n", "ascii")
    monkeypatch.setattr(coccinelle, "UNREAD", {})
    assert re.fullmatch(r"kernel/main\.c:1: coccinelle cannot read \d lines of it",
                        *coccinelle.unread(tmp_path))
    monkeypatch.setattr(coccinelle, "UNREAD", {"kernel/main.c": 4})
    assert not coccinelle.unread(tmp_path)


def test_missing_tool_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="spatch is missing: run `sh setup.sh lint`"):
        coccinelle.unread_file("kernel/main.c", tmp_path)
    with pytest.raises(LabError, match="shellcheck is missing: run `sh setup.sh lint`"):
        lint.CHECKS["shellcheck"]()
    with pytest.raises(LabError, match="clang is missing: run `sh setup.sh lint`"):
        lint.CHECKS["clang"]()
    with pytest.raises(LabError, match="sparse is missing: run `sh setup.sh lint`"):
        lint.CHECKS["gcc-sparse-6.12-debug"]()
    with pytest.raises(LabError, match="make is missing: run `sh setup.sh"):
        kernelmake.run(["make"], "make")


def test_pylint_that_sees_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(lint, "PYLINT", ["true"])
    with pytest.raises(LabError, match="pylint did not report a planted mistake"):
        lint.CHECKS["pylint"]()


def test_line_a_configuration_does_not_take_is_reported():
    fragment = "# a comment\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n"
    assert kernelmake.lost_lines(fragment, "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n") \
        == ["CONFIG_B=m"]
    assert kernelmake.lost_lines(fragment, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n") \
        == ["# CONFIG_C is not set"]


def test_exemption_is_for_one_file_and_one_rule():
    rule = "CHECK:OPEN_ENDED_LINE: Lines should not end with a '('"
    assert lint.exempt(f"kernel/trace.h:22: {rule}")
    assert not lint.exempt(f"kernel/main.c:22: {rule}")
    assert not lint.exempt("kernel/trace.h:22: WARNING:LONG_LINE: too long")


# Names that Sphinx asks for; the generator's tests read the other one.
NOT_LINTED = ("docs/conf.py", "generated/user/vfio_nvlink2.py")


def test_every_file_of_python_is_read():
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = listed.stdout.split()
    read = lint._PYTHON  # pylint: disable=protected-access
    assert [file for file in files if file not in (*NOT_LINTED, *read)
            and not file.startswith(tuple(f"{folder}/" for folder in read))] == []
    assert all(any(file == folder or file.startswith(f"{folder}/") for file in files)
               for folder in read if (ROOT / folder).is_dir())


@pytest.mark.parametrize("text, lines", [
    ("def f(x: Any) -> None: ...\n", [1]),
    ("x: Any = 1  # of YAML: the schema has checked it\n", []),
    ("# Of YAML: the schema has checked it.\nNode = dict[str, Any]\n", []),
    ("from typing import Any, cast\nfrom typing import (\n    Any,\n)\n", []),
    ("x = cast(int, y)\n", [1]),
    ("x = f()  # type: ignore[no-any-return]\n", [1]),
    ("x = f()  # type: ignore[no-any-return]  # the library promises it\n", []),
    ("x = 'Any'  # type: ignore\n", [1]),
    ('"""Any text."""\n', []),
])
def test_what_gets_past_mypy_needs_a_reason(text, lines):
    assert [int(line.split(":")[1]) for line in typed.without_reason({"a.py": text})] == lines


def test_mypy_reads_all_programs_and_no_test():
    """What `make lint` has pylint read and is no test."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True,
                            check=False)
    names = {name for name in listed.stdout.split()
             if not re.match(r"tests/|conftest|docs/conf|.*/tests/|abi-tests/selftest/|generated/|examples/",
                             name)}
    if not listed.returncode:
        assert names == set(typed.sources())
    assert len(typed.sources()) > 100
