# SPDX-License-Identifier: GPL-2.0-only
"""
Every target of the Makefile that `make test` leaves out can still start.

Each is rehearsed (lab/rehearsal): its recipe and its program run, and nothing is built, booted or
fetched. Faults that would keep a target from starting are planted too, and have to be reported.
"""

import re

import pytest

from lab import longruns
from lab.rehearsal import recipe, rehearse
from lab.errors import CheckFailed, LabError
from lab.kernels import debugkernel, flavours
from lab.npu2 import run as npu2_run
from lab.paths import ROOT
from lab.suites import attack, bench, intreebuild, soak
from lab.versus import compare, npu2, probes

MAKEFILE = ROOT / "Makefile"
# The other targets, and what of `make test` shows that they work.
OTHERS = {
    "help": "tests/lab/test_long_targets.py", "generate": "codegen/tests/test_generate.py",
    "check-generated": "codegen/tests/test_generate.py", "demo": "tests/test_guest.py",
    "test": "tests/lab/test_conftest.py", "check": "tests/lab/test_affected.py",
    "lint": "tests/test_lint.py", "abi-check": "abi-tests/selftest/test_gate.py",
    "abi-release": "abi-tests/selftest/test_gate_release.py", "abi-face": "abi-tests/selftest/test_face.py",
    "abi-matrix": "abi-tests/selftest/test_changes.py", "install": "tests/packaging/test_install.py",
    "uninstall": "tests/packaging/test_install.py", "deb": "tests/packaging/test_deb.py",
    "docs": "tests/docs/test_manual.py", "modules": "tests/lab/test_check_kernel.py",
    "in-tree": "tests/tools/test_intree.py", "in-tree-5.10": "tests/tools/test_intree_5_10.py",
    "patch-series": "tests/tools/test_intree_series.py", "kernels-table": "tests/lab/test_kernelstable.py",
    "long-targets": "tests/lab/test_longruns.py", "fetch": "tests/lab/test_fetch.py",
    "shell": "tests/lab/test_cli.py", "clean": "tests/lab/test_cli.py",
    "distclean": "tests/lab/test_cli.py"}
# Targets that run a part of what `make test` runs, or write what it compares with.
PARTS = ("test-guest", "test-clients", "test-debug", "bench-ratios")
# Made-up figures miss some of the benchmark's targets.
STATUS = {"bench": 1}


class Done:
    """A target that was rehearsed."""

    def __init__(self, commands, parts, rehearsal, statuses):
        self.commands, self.parts, self.statuses = commands, parts, statuses
        self.starts, self.kernels, self.built = rehearsal.starts, rehearsal.kernels, rehearsal.built
        self.fuzzed, self.recorded = rehearsal.fuzzed, rehearsal.recorded


@pytest.fixture(name="target")
def target_fixture(monkeypatch, tmp_path):
    """Rehearses a target: target(name, "VARIABLE=value", makefile=...)."""
    def rehearsed(name, *variables, makefile=MAKEFILE):
        commands, parts = recipe.recipe(name, tmp_path, *variables, makefile=makefile)
        rehearsal = rehearse.Rehearsal(monkeypatch, tmp_path)
        statuses = [rehearse.run_command(command, rehearsal) for command in commands
                    if "--record" not in command.words]
        rehearsal.recorded += [(command.words[-2], command.words[-1]) for command in commands
                               if "--record" in command.words]
        return Done(commands, parts, rehearsal, statuses)
    return rehearsed


def targets():
    """The names of the Makefile's targets."""
    return re.findall(r"^([a-z0-9.-]+):.*?##", MAKEFILE.read_text("utf-8"), re.M)


def test_every_target_is_rehearsed_or_tested():
    assert sorted(targets()) == sorted([*longruns.TARGETS, *PARTS, *OTHERS])
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE.read_text("utf-8"), re.M)[1]
    assert sorted(targets()) == sorted(phony.replace("\\\n", " ").split())
    assert [path for path in OTHERS.values() if not (ROOT / path).is_file()] == []


def test_page_names_every_long_target():
    section = re.search(r"^## Long targets\n(.*?)^## ", (ROOT / "docs/testing.md").read_text("utf-8"),
                        re.M | re.S)[1]
    named = re.findall(r"`(?:make )?([a-z0-9-]+)`", section.partition("`make long-targets`")[0])
    assert set(named) - {"test"} == set(longruns.TARGETS)


@pytest.mark.parametrize("name", [*longruns.TARGETS, *PARTS])
def test_target_can_start(name, target):
    done = target(name)
    assert done.statuses == [STATUS.get(name, 0)]
    # A full run of a long target is recorded, once.
    assert [of for of, _ in done.recorded] == ([name] if name in longruns.TARGETS else [])
    for part in done.parts:
        listed = recipe.subprocess.run(["sh", "setup.sh", "--list", part], cwd=ROOT, text=True,
                                         capture_output=True, check=True).stdout.split()
        assert listed and all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in listed)
    assert done.parts, "nothing is installed before it"


def test_reference_asks_for_both_drivers_and_all_suites(target):
    done = target("test-reference")
    assert set(done.kernels) == {compare.OLD, compare.NEW, compare.MODERN}
    by_flavour = {flavour: {word for start in done.starts if start.flavour == flavour for word in start.argv}
                  for flavour in done.kernels}
    for flavour in (compare.OLD, compare.NEW):
        assert {"transcript", "kvm", npu2.SUITE, *probes.SUITES} <= by_flavour[flavour]
        assert {start.board for start in done.starts if start.flavour == flavour} == {"", "1x3", "3x2"}


def test_npu2_asks_for_every_board_and_kernel(target):
    done = target("test-npu2")
    ran = [(start.flavour, start.argv[1], start.board) for start in done.starts]
    assert sorted(ran) == sorted([*npu2_run.RUNS, *((flavour, npu2_run.SUITE, board)
                                                    for flavour, board in npu2_run.COMPARED)])
    assert set(flavours.NPU2) <= set(done.kernels)


def test_in_tree_builds_each_series_three_ways(target):
    done = target("test-in-tree")
    assert [result for _, result in done.recorded] == [f"{4 * len(intreebuild.SERIES)} passed, 0 failed"]
    goals = [words[words.index("W=1") + 1:] for words in done.built]
    assert goals == [["vmlinux"], ["vmlinux", "modules"],
                     ["drivers/vfio/pci/nvlink2/"]] * len(intreebuild.SERIES)


def test_attack_takes_seconds_and_seed(target):
    done = target("attack", "SECONDS=7", "SEED=0x2a")
    assert done.starts == [recipe.Start(attack.FLAVOUR, ("/bin/nvtest", "attack", "7", "0x2a"))]
    assert not done.recorded


def test_fuzz_takes_seconds(target):
    done = target("fuzz", "SECONDS=7")
    assert done.fuzzed == ["7"] and not done.recorded


def test_bench_takes_kernels_and_boots(target):
    done = target("bench", "KERNELS=6.12-4k 7.2-64k", "BOOTS=2")
    assert sorted(start.flavour for start in done.starts) == ["6.12-4k"] * 2 + ["7.2-64k"] * 2


def test_bench_measures_every_kernel(target):
    done = target("bench")
    assert sorted(start.flavour for start in done.starts) == sorted([*flavours.FLAVOURS] * bench.BOOTS)


def test_soak_does_every_part(target):
    done = target("soak", "MINUTES=1")
    asked = [(start.flavour, start.argv[1:-1] if "attack" in start.argv else start.argv[1:])
             for start in done.starts]
    assert asked == [("6.12-debug", ("--times", str(soak.RACES), "race")),
                     ("7.2-4k", ("--times", str(soak.RACES), "race")),
                     (attack.FLAVOUR, ("attack", str(soak.ATTACK_SECONDS))),
                     ("6.12-debug", ("--times", str(soak.SWEEPS), "failnth"))]
    assert done.fuzzed == [str(soak.FUZZ_SECONDS)]


@pytest.mark.parametrize("name", [name for name, flavour in flavours.ALL.items()
                                  if flavour.recipe and flavour.patched])
def test_kernel_can_be_built(name, monkeypatch, tmp_path):
    """Its patches apply, its options exist, and its Makefiles name the sources that it brings."""
    rehearse.Rehearsal(monkeypatch, tmp_path)
    assert flavours.kernel(name).vmlinux.is_file()


# Faults. Each is planted, and the check of a target has to report it.


def edited(tmp_path, name, old, new):
    """A copy of a file of the project with a fault in it."""
    text = (ROOT / name).read_text("utf-8")
    assert text.count(old) >= 1
    copy = tmp_path / "planted" / name
    copy.parent.mkdir(parents=True)
    copy.write_text(text.replace(old, new), "utf-8")
    return copy


@pytest.mark.parametrize("name, old, new", [
    ("test-in-tree", "$(lab) in-tree", "$(lab) in-trees"),
    ("test-npu2", "$(lab) npu2", "$(lab) npu-2"),
    ("test-reference", "@$(lab) reference", "@$(lab) reference --all"),
    ("attack", "--seed $(SEED)", "--start $(SEED)"),
    ("soak", "$(lab) soak", "$(lab) soaks"),
    ("bench-ratios", "bench --ratios", "bench --rates"),
    ("fuzz", "test_libfuzzer.py", "test_fuzzer.py"),
    ("test-deb", "lab.packages.cleanroot", "tests.packaging.clean"),
    ("test-debug", "-k debug", "-k bug5"),
    ("test-clients", "tests/clients -k", "tests/client -k")])
def test_fault_of_the_makefile_is_reported(name, old, new, target, tmp_path):
    makefile = edited(tmp_path, "Makefile", old, new)
    with pytest.raises(recipe.Fault):
        target(name, "SEED=1", makefile=makefile)


def test_fuzzer_that_has_no_time_is_reported(target, tmp_path):
    makefile = edited(tmp_path, "Makefile", "NVLINK2_FUZZ_SECONDS", "NVLINK2_FUZZ_TIME")
    assert target("fuzz", "SECONDS=7", makefile=makefile).fuzzed == []


def complaint(target, name):
    """How a target with a fault ends: its exit statuses, or the fault in words."""
    try:
        return target(name).statuses
    except (recipe.Fault, CheckFailed, LabError) as error:
        return str(error)


@pytest.mark.parametrize("name, module, attribute, value, says", [
    ("test-npu2", npu2_run, "SUITE", "npu3", [1]),
    ("test-npu2", npu2_run, "RUNS", (("6.11-npu2", "npu2_platform", "3x2"),), [2]),
    ("test-npu2", npu2_run, "RUNS", (("6.12-npu2", "npu2_gone", "3x2"),), [1]),
    ("test-reference", probes, "SUITES", ("gone",), [1]),
    ("test-reference", compare.guest, "TEST", "kvm_gone", "no test kvm_gone"),
    ("test-reference", rehearse.reference, "SIMULATOR", ("sim_gone.c",), [2]),
    ("test-in-tree", intreebuild, "FRAGMENT", ROOT / "tests/gone.config", [2]),
    ("attack", attack, "command", lambda *_: (["/bin/nvtest", "hostile"], 1), [1]),
    ("bench", bench, "BUDGETS", (("gate", 1.0, ["abi-tests/gone"]),), "abi-tests/gone"),
    ("test-deb", rehearse.cleanroot, "HERE", ROOT / "tests", "no script")])
def test_fault_of_a_program_is_reported(name, module, attribute, value, says, target, monkeypatch):
    monkeypatch.setattr(module, attribute, value)
    said = complaint(target, name)
    assert said == says or isinstance(said, str) and isinstance(says, str) and says in said


def test_soak_part_of_a_suite_that_is_gone_is_reported(target, monkeypatch):
    parts = (*soak.PARTS, soak.Part("gone", lambda: soak._suite("6.12-4k", "gone", 1)))  # pylint: disable=protected-access
    monkeypatch.setattr(soak.soak, "__defaults__", (parts, print))
    assert target("soak").statuses == [1]


@pytest.mark.parametrize("file, old, new, says", [
    ("kernel/powernv/patches/6.12/0002-powerpc-powernv-Bring-back-the-NPU2-of-POWER9.patch",
     "\n ", "\n  ", "malformed|FAILED"),
    ("kernel/powernv/patches/6.12/0002-powerpc-powernv-Bring-back-the-NPU2-of-POWER9.patch",
     "npu2.o", "npu3.o", "no file of kernel/powernv was compiled"),
    ("kernel/powernv/patches/6.12/0002-powerpc-powernv-Bring-back-the-NPU2-of-POWER9.patch",
     "PPC_POWERNV_NPU2", "PPC_POWERNV_NPU9", "has no option PPC_POWERNV_NPU2"),
    ("kernel/patches/6.12/0001-powerpc-mm-iommu-leave-the-RCU-section-when-device-m.patch",
     "arch/powerpc/mm", "arch/powerpc/m", "has no arch/powerpc/m/")])
def test_patch_that_does_not_fit_is_reported(file, old, new, says, monkeypatch, tmp_path):
    planted = edited(tmp_path, file, old, new)
    right = debugkernel.patches
    monkeypatch.setattr(debugkernel, "patches", lambda series, *recipe: [
        planted if path.name == planted.name else path for path in right(series, *recipe)])
    rehearse.Rehearsal(monkeypatch, tmp_path)
    with pytest.raises((recipe.Fault, LabError), match=says):
        flavours.kernel("6.12-npu2")


@pytest.mark.parametrize("name", ["6.12-debug", "6.12-npu2"])
def test_option_that_is_gone_is_reported(name, monkeypatch, tmp_path):
    text = debugkernel.fragment
    monkeypatch.setattr(debugkernel, "fragment",
                        lambda series, *recipe: text(series, *recipe) + "CONFIG_NO_SUCH_THING=y\n")
    rehearse.Rehearsal(monkeypatch, tmp_path)
    with pytest.raises(recipe.Fault, match="source has no option NO_SUCH_THING"):
        flavours.kernel(name)


def test_file_that_a_machine_carries_and_is_gone_is_reported(target, monkeypatch):
    monkeypatch.setattr(rehearse.clients, "_SOURCES", ROOT / "tests/gone")
    assert "keep_region_info" in complaint(target, "test-npu2")
