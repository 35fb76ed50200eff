# SPDX-License-Identifier: GPL-2.0-only
"""
`make check` leaves out no test that catches a mutant, and runs everything for what it does not know.

What would be run is compared with the lists of mutants: the driver's, the ABI gate's and the cases of
the generator. Nothing of it is run.
"""

import functools
import re
import subprocess
import sys

import pytest
import yaml

from codegen.rules import RULES as SPEC_RULES
from lab import cli
from lab.check import affected, affected_rules
from lab.kernels import flavours, relink
from lab.lint import lint
from lab.machine import machine
from lab.mutants import mutants
from lab.paths import ROOT
from lab.suites import suites

DRIVER = mutants.load()[0]
GATE = yaml.safe_load((ROOT / "abi-tests/changes.yaml").read_text("utf-8"))
OF_KERNELS = [mutant for mutant in DRIVER if relink.part_of(mutant.kernel)]
# What the table alone selects, without the list of mutants.
BY_TABLE = ("basic", "dma", "fault", "topology")
# A file whose mutants need a suite that is none of its own: a test of that runs by name.
BY_NAME = {("kernel/main.c", "dma")}


@pytest.fixture(autouse=True, scope="module")
def names_fixture():
    """The names of a suite's tests, asked for once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "names", functools.cache(suites.names))
        yield


@functools.cache
def tracked():
    """Every file that git has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True,
                            check=True)
    return [file for file in listed.stdout.split("\0")[:-1] if (ROOT / file).exists()]


def catches(chosen, mutant):
    """Says whether a selection has the test that catches a mutant, on a kernel that shows it."""
    if mutant.suite == mutants.SOURCE:
        return f"tests/{mutant.test}.py" in chosen.tests
    for (flavour, suite), names in chosen.boots.items():
        stock = flavour in flavours.FLAVOURS and mutant.kernel in flavours.FLAVOURS
        if suite == mutant.suite and (flavour == mutant.kernel or stock) \
                and (names is None or mutant.test in names):
            return True
    return False


@pytest.mark.parametrize("mutant", OF_KERNELS, ids=lambda mutant: mutant.name)
def test_mutant_of_a_kernel_is_left_to_its_target(mutant):
    """That kernel is none of `make test`: what is selected is that the mutant fits the sources."""
    for file in {file for file, _, _ in mutant.edits}:
        chosen = affected.select([file])
        assert not any(relink.part_of(flavour) for flavour, _ in chosen.boots)
        assert any("`make test-mutants`" in left for left in chosen.left)
        assert file.count("/") == 1 or affected_rules.KERNEL_MUTANTS in chosen.tests


@pytest.mark.parametrize("mutant", [mutant for mutant in DRIVER if mutant not in OF_KERNELS],
                         ids=lambda mutant: mutant.name)
def test_driver_mutant_is_caught(mutant):
    for file in {file for file, _, _ in mutant.edits}:
        chosen = affected.select([file])
        assert not chosen.unknown and catches(chosen, mutant), f"{file}: {chosen.boots}"
        # The other kernels are there because a mutant shows on them only.
        if mutant.suite != mutants.SOURCE:
            whole = chosen.boots.get((affected.KERNEL, mutant.suite), ()) is None
            assert (mutant.kernel, mutant.suite) in chosen.boots or whole
        ids = affected.arguments(chosen)
        wanted = f"-{mutant.suite}-{mutant.test}]"
        assert mutant.suite == mutants.SOURCE or any(one.endswith(wanted) for one in ids)


@pytest.mark.parametrize("mutant", [
    mutant for mutant in DRIVER if mutant.suite in BY_TABLE and mutant.kernel in flavours.FLAVOURS],
    ids=lambda mutant: mutant.name)
def test_table_alone_selects_the_suite(mutant):
    """Without the list, which a new defect is not in yet."""
    for file in {file for file, _, _ in mutant.edits}:
        if (file, mutant.suite) not in BY_NAME:
            assert catches(affected.select([file], ()), mutant), file


@pytest.mark.parametrize("file", ["uapi/linux/vfio_nvlink2.h", "spec/vfio_nvlink2.yaml"])
def test_gate_changes_are_caught(file):
    """Each is a change of the header or the spec, on which the ABI gate gives its verdict."""
    assert set(GATE) >= {"header", "spec", "both"}
    assert affected_rules.VERDICT in affected.arguments(affected.select([file]))


@pytest.mark.parametrize("file", [file for file in tracked() if file.startswith("abi-tests/abigate/")
                                  and file.endswith(".py")])
def test_gate_file_has_mutants(file):
    """A detector's own are mutants that it sees; every detector sees one of the others'."""
    names = {entry["name"] for group in ("header", "spec", "both") for entry in GATE[group]}
    chosen = affected.gate_changes(file)
    assert len(chosen) >= 3 and set(chosen) <= names
    seen = dict(affected.matrix()[1])
    everything = set.union(*(seen[name] for name in chosen))
    own = [name for name in affected.matrix()[0]
           if "/detectors/" in file and file.rpartition("/")[2].startswith(name)]
    assert all(own[0] in seen[name] for name in chosen) if own \
        else everything == set(affected.matrix()[0])
    assert {f"{affected.GATE_CHANGES}::test_change[{name}]" for name in chosen} \
        <= set(affected.arguments(affected.select([file])))


@pytest.mark.parametrize("rule", SPEC_RULES)
def test_generator_rule_is_covered(rule):
    """The module with a rule of the spec selects every test that breaks the rule."""
    modules = [file for file in tracked() if re.fullmatch(r"codegen/(rules_\w+|loader|schema)\.py", file)
               and f'"{rule}"' in (ROOT / file).read_text("utf-8")]
    tests = [file for file in tracked() if re.fullmatch(r"codegen/tests/test_\w+\.py", file)
             and re.search(rf'expect\([^"]*"{rule}"|rule == "{rule}"', (ROOT / file).read_text("utf-8"))]
    assert modules, "no module has the rule"
    for module in modules:
        assert set(tests) <= set(affected.select([module]).tests), module


COVERS = {
    "contract.h": "codegen/tests/test_generate.py", "ctypes.py": "tests/clients/test_importers.py",
    "decode.h": "tests/decoder/test_decoder.py::test_decoder", "golden.rst": "codegen/tests/test_golden.py",
    "layout.c": "codegen/tests/test_layout.py", "interface.rst": "codegen/tests/test_generate.py",
    "regions.h": "codegen/tests/test_marshalling.py", "uapi.h": affected_rules.VERDICT,
    "common": "codegen/tests/test_generate.py",
    "build": "codegen/tests/test_layout.py", "cli": "codegen/tests/test_cli.py",
    "__main__": "codegen/tests/test_cli.py", "__init__": "codegen/tests/test_cli.py",
    "errors": "codegen/tests/test_loader.py", "golden": "codegen/tests/test_golden.py",
    "layout": "codegen/tests/test_layout.py", "loader": "codegen/tests/test_loader.py",
    "model": "codegen/tests/test_layout.py", "render": "codegen/tests/test_generate.py",
    "rules": "codegen/tests/test_rules.py", "rules_device_tree": "codegen/tests/test_rules_regions.py",
    "rules_names": "codegen/tests/test_rules_names.py",
    "rules_records": "codegen/tests/test_rules_records.py",
    "rules_regions": "codegen/tests/test_rules_regions.py", "schema": "codegen/tests/test_schema.py",
    "tree": "codegen/tests/test_generate.py",
}


@pytest.mark.parametrize("file", [file for file in tracked()
                                  if re.fullmatch(r"codegen/(\w+\.py|templates/.*\.j2)", file)])
def test_generator_file_is_covered(file):
    stem = file.rpartition("/")[2].removesuffix(".j2")
    test = COVERS[stem if file.endswith(".j2") else stem.removesuffix(".py")]
    assert test in affected.select([file]).tests


def test_every_file_has_a_rule():
    """Or is one that no program reads."""
    lost = affected.select(tracked()).unknown
    assert not lost, f"affected_rules.py has no line for {', '.join(lost)}"
    # A line that fits nothing has a mistake in its pattern.
    idle = [rule.files for rule in affected_rules.RULES
            if not any(affected.fits(rule.files, file) for file in tracked())]
    assert not idle


def test_every_rule_names_what_exists():
    """A test that is not there would be passed over in silence."""
    for rule in affected_rules.RULES:
        for test in rule.tests.split():
            path, _, item = test.partition("::")
            found = list(ROOT.glob(path)) if "{" not in path else [path]
            assert found, f"{rule.files}: {test}"
            name = item.partition("[")[0]
            assert not name or f"def {name}(" in found[0].read_text("utf-8"), test
        for word in rule.suites.split():
            flavour, _, suite = word.rpartition("/")
            assert suite in suites.of_flavour(flavour or affected.KERNEL), word
        assert set(rule.lint.split()) <= set(lint.CHECKS)


def test_unknown_file_selects_everything(capsys):
    chosen = affected.select(["docs/lab.md", "planted.xyz"])
    assert chosen.unknown == ["planted.xyz"] and chosen and not affected.arguments(chosen)
    assert cli.main(["check", "--list", str(ROOT / "planted.xyz")]) == 0
    assert "everything, for no rule is about planted.xyz" in capsys.readouterr().out


def test_pages_alone_select_nothing(capsys):
    assert not affected.select(["docs/lab.md", "README.md"])
    assert cli.main(["check", str(ROOT / "docs/lab.md")]) == 0
    assert "left out: the manual" in capsys.readouterr().out


def test_arguments_are_tests_that_pytest_knows():
    """Names in brackets too: pytest would end with `not found`."""
    for file in ("abi-tests/abigate/detectors/names.py", "abi-tests/abigate/rules.py",
                 "kernel/gpu_ram_fault.c"):
        done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q",
                               *affected.arguments(affected.select([file]))], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("pattern, file, is_one", [
    ("kernel/*.[ch]", "kernel/main.c", True), ("kernel/*.[ch]", "kernel/sim/sim.h", False),
    ("kernel/sim/**", "kernel/sim/a/b.c", True), ("tests/**/test_*.py", "tests/test_a.py", True),
    ("a.c", "abc", False)])
def test_patterns(pattern, file, is_one):
    assert affected.fits(pattern, file) is is_one


@pytest.fixture(name="repository")
def repository_fixture(monkeypatch, tmp_path):
    """A tree of its own, with one commit."""
    monkeypatch.setattr(affected, "ROOT", tmp_path)
    (tmp_path / "a b.c").write_text("1\n", "ascii")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit",
                                                   "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_nothing_changed_is_said(repository, capsys):
    assert affected.changed() == [] and repository.exists()
    assert affected.check([]) == 0
    assert "nothing to check" in capsys.readouterr().out


def test_changed_are_edited_removed_and_new_ones(repository):
    (repository / "new\u00e4").write_text("1\n", "ascii")
    (repository / "a b.c").write_text("2\n", "ascii")
    assert affected.changed() == ["a b.c", "new\u00e4"] == affected.changed("HEAD")
    (repository / "a b.c").unlink()
    assert affected.changed() == ["a b.c", "new\u00e4"]


def test_what_cannot_work_is_2(repository, capsys):
    assert cli.main(["check", "--since", "no-such-commit"]) == 2
    assert cli.main(["check", str(repository.parent / "elsewhere")]) == 2
    assert capsys.readouterr().err.count("lab: ") == 2


@pytest.mark.parametrize("status, expected", [(0, 0), (1, 1), (3, 2), (4, 2), (5, 2)])
def test_status_is_pytests(monkeypatch, capsys, status, expected):
    """1 is a test that failed; whatever else goes wrong is no verdict."""
    called = []

    def run(command, **options):
        called.append((command, options))
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(affected.subprocess, "run", run)
    assert cli.main(["check", str(ROOT / "tools/nvlink2-info/show_text.c")]) == expected
    command, options = called[0]
    assert {"tests/tools/test_info_devices.py", affected.ALWAYS} <= set(command)
    assert options["env"][affected.NAMED]
    assert "left out: " in capsys.readouterr().out


def test_machine_boots_with_the_named_tests(monkeypatch):
    """A suite that takes no names runs whole."""
    booted = []

    def boot(_, command, *__, **___):
        booted.append(command[1:])
        return machine.Outcome([], "", "end", 1.0, 0)

    monkeypatch.setattr(suites, "payload", lambda *_, **__: [])
    monkeypatch.setattr(suites.machine, "boot", boot)
    suites.run_suite("6.12-64k", "fault", only=["fault_read_only"])
    suites.run_suite("6.12-64k", "fault")
    suites.run_suite("6.12-debug", "kunit", only=["nvlink2_range.test_a"])
    assert booted == [["fault", "fault_read_only"], ["fault"], ["kunit"]]


@pytest.mark.parametrize("suite, cases, named", [
    ("fault", ["fault_read_only", "the machine ends"], ["fault_read_only"]), ("kunit", ["a"], []),
    ("kernel_0001_rcu_section_is_left", ["the kernel complains"], []), ("attack", ["a"], [])])
def test_suites_are_asked_for_by_name_where_they_can_be(suite, cases, named):
    assert affected.named_tests(suite, cases) == named
    if named:
        assert affected.named_tests(suite, suites.names(suite)) == []


def test_kernel_that_is_not_built_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(affected, "cache", lambda: tmp_path)
    assert cli.main(["check", "--list", str(ROOT / "kernel/lpar_kunit.c")]) == 0
    said = capsys.readouterr().out
    assert "left out: 6.12-debug kunit, for which no kernel is built yet" in said
    assert "machine: 6.12-debug" not in said and "machine: 6.12-64k basic" in said
