# SPDX-License-Identifier: GPL-2.0-only
"""
The mutants fit the sources and compile, every one of them on every run; a few are taken all the
way, others with each commit. And what the verdicts and the choice of these are made of.

NVLINK2_MUTANTS=N takes N of them all the way instead of 3; `make test-mutants` takes all. Those of
what is built into a kernel (kernel/powernv, kernel/v5_10) fit the sources here, and are compiled only
if the cache has a build of that kernel; only `make test-mutants` makes one.
"""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from lab import cli
from lab.errors import CheckFailed, LabError
from lab.kernels import build, debugkernel, recompile, relink
from lab.machine.machine import Outcome
from lab.mutants import mutants
from lab.mutants.mutants import BROKEN, CAUGHT, SURVIVED, Verdict
from lab.paths import ROOT

MUTANTS, _ = mutants.load()
CHOSEN = mutants.share(MUTANTS, mutants.commit(),
                       max(1, int(os.environ.get(mutants.VARIABLE) or mutants.SHARE)))
ANY = MUTANTS[0]
OF_KERNELS = [mutant for mutant in MUTANTS if relink.part_of(mutant.kernel)]
OF_MODULES = [mutant for mutant in MUTANTS if mutant not in OF_KERNELS]
COMMITS = [f"{number:040x}" for number in range(2000)]


@pytest.fixture(name="copy", scope="module")
def copy_fixture(tmp_path_factory):
    """A copy of the sources, for one mutant after the other."""
    folder = tmp_path_factory.mktemp("mutants")
    for part in build.MODULE_INPUTS:
        shutil.copytree(ROOT / part, folder / part)
    return folder


@pytest.fixture(name="verdicts", scope="module")
def verdicts_fixture():
    """The verdicts of the mutants that are taken all the way; one tree serves those of a kernel."""
    return {mutant.name: verdict for mutant, verdict in mutants.run(CHOSEN, 1)}


def planted(*edits):
    return ANY._replace(edits=edits)


@pytest.mark.parametrize("mutant", OF_MODULES, ids=lambda mutant: mutant.name)
def test_mutant_compiles(mutant, copy):
    mutants.compiles(mutant, copy)


@pytest.mark.parametrize("mutant", OF_KERNELS, ids=lambda mutant: mutant.name)
def test_mutant_fits_and_test_mutants_compiles_it(mutant, copy):
    """Its kernel is none of `make test`; only what the cache has a build of is compiled here too."""
    mutants.compiles(mutant, copy)


@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name)
def test_mutant_of_this_commit_is_caught(mutant, verdicts):
    word, detail = verdicts[mutant.name]
    assert word == CAUGHT, f"{word}: {mutant.what}\n{detail}"


@pytest.mark.parametrize("file", ["kernel/gate.c", "kernel/device.h"])
def test_mutant_that_does_not_compile_is_reported(file, copy):
    text = (copy / file).read_text("utf-8")
    line = "#include <linux/pci.h>\n"
    with pytest.raises(CheckFailed, match="does not build:\n(.|\n)*no_such_type"):
        mutants.compiles(planted((file, line, f"{line}no_such_type planted;\n")), copy)
    assert (copy / file).read_text("utf-8") == text


def test_mutant_that_does_not_fit_is_reported(copy):
    text = (copy / "kernel/gate.c").read_text("utf-8")
    for old in ("no such text", "vfio"):
        edits = (("kernel/gate.c", "	last = vfio->resets == 1;", "	last = !vfio->resets;"),
                 ("kernel/gate.c", old, ""))
        with pytest.raises(LabError, match=r"occurs \d+ times in kernel/gate.c"):
            mutants.compiles(planted(*edits), copy)
        assert (copy / "kernel/gate.c").read_text("utf-8") == text


def test_edit_of_what_is_not_compiled_is_reported(copy):
    line = (copy / "kernel/gate_kunit.c").read_text("utf-8").splitlines(True)[0]
    with pytest.raises(CheckFailed, match="no object of the build reads kernel/gate_kunit.c"):
        mutants.compiles(planted(("kernel/gate_kunit.c", line, "")), copy)


def test_edit_of_no_source_is_not_compiled(copy, monkeypatch):
    monkeypatch.setattr(recompile, "of_flavour", None)
    line = (copy / "kernel/Kbuild").read_text("utf-8").splitlines(True)[0]
    mutants.compiles(planted(("kernel/Kbuild", line, "")), copy)


@pytest.mark.parametrize("flavour,kunit", [("6.12-64k", False), ("7.2-64k", False),
                                           ("6.12-debug", True)])
def test_record_has_every_object_and_what_it_reads(flavour, kunit):
    record = recompile.of_flavour(flavour, kunit)
    names = {found.name for found in record.objects}
    wanted = {str(path.relative_to(ROOT).with_suffix(".o"))
              for pattern in ("*.c", "sim/*.c") for path in (ROOT / "kernel").glob(pattern)
              if kunit or "_kunit" not in path.name}
    assert names == wanted
    of = {found.name: found.sources for found in record.objects}
    assert {"kernel/atsd.c", "kernel/device.h", "kernel/range.h",
            "generated/kernel/nvlink2_regions.h"} <= of["kernel/atsd.o"]
    assert "kernel/range.h" not in of["kernel/platform.o"]


def test_source_is_compiled_and_a_few_readers_of_a_header():
    record = recompile.of_flavour("6.12-64k")
    names = [found.name for found in recompile.affected(record, ["kernel/range.h", "kernel/topology.c"])]
    assert names[0] == "kernel/topology.o" and len(names) == recompile.READERS


def test_tree_without_a_build_is_reported(tmp_path):
    (tmp_path / "kernel").mkdir()
    with pytest.raises(LabError, match="no record of a build"):
        recompile.recorded(tmp_path, tmp_path)


def outcome_of(*lines, reason="end"):
    return Outcome(list(lines), "1", reason, 1.0, 0)


@pytest.mark.parametrize("lines,by,word", [
    ((), "test", BROKEN),
    (("Linux version 6.12", "Kernel panic - not syncing"), "splat", BROKEN),
    (("nvlab| TAP version 14", "nvlab| 1..1"), "test", SURVIVED),
    (("nvlab| TAP version 14", "nvlab| ok 1 - {test}", "nvlab| 1..1"), "test", SURVIVED),
    (("nvlab| TAP version 14", "nvlab| not ok 1 - {test}", "nvlab| 1..1"), "test", CAUGHT),
    (("nvlab| TAP version 14", "nvlab| ok 1 - {test}", "nvlab| 1..1"), "splat", SURVIVED),
    (("nvlab| TAP version 14", "WARNING: here", "nvlab| ok 1 - {test}", "nvlab| 1..1"), "splat",
     CAUGHT)])
def test_verdict_of_a_console(lines, by, word):
    mutant = ANY._replace(by=by)
    outcome = outcome_of(*(line.format(test=mutant.test) for line in lines))
    assert mutants.verdict(mutant, outcome).word == word


@pytest.mark.parametrize("results,word", [
    ("", BROKEN),
    ("    ok 1 test_b\nok 1 nvlink2_range", SURVIVED),
    ("    ok 1 test_a\nok 1 nvlink2_range", SURVIVED),
    ("    not ok 1 test_a\nnot ok 1 nvlink2_range", CAUGHT)])
def test_verdict_of_kunit(results, word):
    mutant = ANY._replace(suite="kunit", test="nvlink2_range.test_a")
    assert mutants.verdict(mutant, outcome_of(*results.splitlines())).word == word


@pytest.mark.parametrize("status,said,word", [
    (0, "1 passed", SURVIVED), (1, "FAILED tests/test_a.py::test_a - x\n1 failed", CAUGHT),
    (1, "ERROR tests/test_a.py\n1 error", BROKEN), (4, "no such file", BROKEN), (5, "", BROKEN)])
def test_verdict_of_a_test_of_the_sources(status, said, word):
    assert mutants.verdict_of_source(ANY, status, said).word == word


def test_mutant_that_cannot_run_is_broken(monkeypatch):
    def fail(*_):
        raise CheckFailed("it does not build")

    monkeypatch.setattr(mutants, "_run_one", fail)
    monkeypatch.setattr(mutants.suites, "payload", lambda kernel: [])
    assert list(mutants.run([ANY])) == [(ANY, Verdict(BROKEN, "it does not build"))]


@pytest.mark.parametrize("words,status,line", [
    ((CAUGHT, CAUGHT), 0, "2 caught, 0 survived, 0 broken, 0 defects without a mutant"),
    ((CAUGHT, SURVIVED), 1, "1 caught, 1 survived, 0 broken, 0 defects without a mutant"),
    ((SURVIVED, BROKEN), 2, "0 caught, 1 survived, 1 broken, 0 defects without a mutant")])
def test_report_counts_each_kind(monkeypatch, capsys, words, status, line):
    monkeypatch.setattr(mutants, "run", lambda chosen: [(ANY, Verdict(word, f"{word}, why"))
                                                        for word in words])
    monkeypatch.setattr(mutants, "load", lambda: ([ANY], {}))
    assert cli.main(["mutants", ANY.defect]) == status
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == line
    assert [text.split()[0] for text in out if re.search(r"\[basic ", text)] == list(words)


def test_share_is_the_same_for_a_commit_and_another_for_another():
    assert mutants.share(MUTANTS, COMMITS[1]) == mutants.share(MUTANTS[::-1], COMMITS[1])
    assert len(mutants.share(MUTANTS, COMMITS[1])) == mutants.SHARE
    assert len({tuple(mutants.share(MUTANTS, of)) for of in COMMITS[:20]}) == 20


def test_share_is_mostly_quick_and_reaches_every_mutant():
    shares = [mutants.share(MUTANTS, of) for of in COMMITS]
    assert {mutant for chosen in shares for mutant in chosen} == set(OF_MODULES)
    slow = [sum(not mutants.is_quick(mutant) for mutant in chosen) for chosen in shares]
    assert set(slow) == {0, 1}
    assert 0.5 < sum(slow) * mutants.SLOW_TURN / len(COMMITS) < 2


def test_share_can_be_all_of_them():
    """But of a kernel that `make test` does not build it has none."""
    assert sorted(mutants.share(MUTANTS, COMMITS[0], 1000)) == sorted(OF_MODULES)


def test_commit_without_git_is_a_hash_of_the_list(monkeypatch, tmp_path):
    known = mutants.commit()
    assert re.fullmatch("[0-9a-f]{40}", known) or not (ROOT / ".git").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert re.fullmatch("[0-9a-f]{64}", mutants.commit())


NPU2, PLACE = "6.12-npu2", debugkernel.PLACE
SOURCE = "kernel/powernv/npu2.c"
GOOD, MUTATED, BROKEN_C = "int good;\n", "int mutated;\n", "no_such_type broken;\n"
MAKEFILE = f"""\
vmlinux: $(O)/{PLACE}/npu2.o $(O)/{PLACE}/other.o
\tpowerpc64le-linux-gnu-ld -r -o $(O)/$@ $^
$(O)/%.o: %.c
\t@echo CC $@
\t$(CC) -c -o $@ $<
"""


@pytest.fixture(name="kept")
def kept_fixture(monkeypatch, tmp_path):
    """A finished build in a cache, of two files and no kernel around them; Built."""
    folder, origin = tmp_path / "cache/tree", tmp_path / "cache/was-here"
    for part in ("source", "build"):
        (folder / part / PLACE).mkdir(parents=True)
    (folder / "source/Makefile").write_text(MAKEFILE)
    (folder / "source" / PLACE / "npu2.c").write_text(GOOD)
    (folder / "source" / PLACE / "other.c").write_text("int other;\n")
    subprocess.run(["make", "-s", "-C", folder / "source", f"O={folder / 'build'}",
                    f"CC={debugkernel.COMPILER}"], check=True, capture_output=True)
    (folder / "build" / PLACE / ".npu2.o.cmd").write_text(
        f"savedcmd_npu2.o := {debugkernel.COMPILER} -c -o {PLACE}/npu2.o "
        f"{origin}/source/{PLACE}/npu2.c ; true\n")
    built = debugkernel.Built(folder, origin, "1")
    monkeypatch.setattr(relink, "_HOME", tmp_path / "relink")
    monkeypatch.setattr(relink, "_base", lambda *_: contextlib.nullcontext(built))
    return built


def content(folder):
    """Everything that is in a folder, with its times."""
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
            for path in folder.rglob("*")}


def link(tmp_path, text):
    """Links a kernel with a text in the place of the platform code; what make did, and its symbols."""
    (tmp_path / SOURCE).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / SOURCE).write_text(text)
    target = relink.build(NPU2, tmp_path, tmp_path / "out/vmlinux", tmp_path / "log")
    symbols = subprocess.run(["powerpc64le-linux-gnu-nm", target], check=True, capture_output=True,
                             text=True).stdout
    return re.findall(r"CC .*/(\w+)\.o", (tmp_path / "log").read_text()), symbols.split()[2::3]


def test_mutant_of_a_kernel_is_linked_and_the_cache_stays_as_it_is(kept, tmp_path):
    before = content(kept.folder)
    assert link(tmp_path, MUTATED) == (["npu2"], ["mutated", "other"])
    assert link(tmp_path, GOOD) == (["npu2"], ["good", "other"])
    assert link(tmp_path, GOOD)[0] == []
    assert content(kept.folder) == before


def test_mutant_of_a_kernel_that_does_not_compile_is_reported(kept, tmp_path):
    before = content(kept.folder)
    with pytest.raises(LabError, match="does not build:\n(.|\n)*no_such_type"):
        link(tmp_path, BROKEN_C)
    with pytest.raises(CheckFailed, match="npu2.o does not build:\n(.|\n)*no_such_type"):
        relink.compiles(NPU2, tmp_path)
    assert link(tmp_path, MUTATED)[1] == ["mutated", "other"]
    assert content(kept.folder) == before


@pytest.mark.parametrize("step", ["_copy_source", "_move_records", "_place"])
def test_interrupted_mutant_of_a_kernel_leaves_the_cache_as_it_is(kept, tmp_path, monkeypatch, step):
    before = content(kept.folder)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(relink, step, interrupted)
        link(tmp_path, MUTATED)
    assert content(kept.folder) == before
    assert link(tmp_path, MUTATED)[1] == ["mutated", "other"]


def test_mutant_of_a_kernel_compiles_with_the_recorded_command(kept, tmp_path, monkeypatch):
    link(tmp_path, GOOD)
    (tmp_path / SOURCE).write_text(MUTATED)
    assert relink.compiles(NPU2, tmp_path)
    monkeypatch.setattr(relink, "_base", lambda *_: contextlib.nullcontext(kept._replace(stamp="2")))
    assert relink.compiles(NPU2, tmp_path), "another build is copied anew"
    monkeypatch.setattr(relink, "_base", lambda *_: contextlib.nullcontext())
    assert not relink.compiles(NPU2, tmp_path)


def test_build_without_records_is_reported(kept, tmp_path):
    (kept.folder / "build" / PLACE / ".npu2.o.cmd").unlink()
    with pytest.raises(LabError, match="no record in .* names .*was-here"):
        link(tmp_path, MUTATED)


@pytest.mark.parametrize("kernel,file,test,says", [
    ("6.12-64k", SOURCE, "npu2_platform npu2_vm_killed", "edits kernel/powernv/, which the kernel"),
    ("5.10", SOURCE, "in_vfio_pci vfio_sleep_blocks_D7", "name one of 6.12-npu2, "),
    (NPU2, "kernel/v5_10/compat.h", "npu2_platform npu2_vm_killed", 'name one of "5.10"'),
    ("5.10-2018", "kernel/v5_10/compat.h", "in_vfio_pci vfio_sleep_blocks_D7", "does not have"),
    ("5.10", "kernel/gate.c", "in_vfio_pci vfio_sleep_blocks_D7", "nothing is compiled into the driver"),
    ("5.10", "kernel/v5_10/sim/Kbuild", "in_vfio_pci vfio_sleep_blocks_D7", "nothing is compiled"),
    ("5.10", "kernel/lpar.c", "basic life_open", "no run of 5.10 follows from the test basic"),
    (NPU2, SOURCE, "npu2_refused npu2_map_lpar_refused", "no run of 6.12-npu2 follows"),
    (NPU2, SOURCE, "npu2_reboot npu2_reboot_while_a_vm_has_them", "no run of 6.12-npu2 follows"),
    (NPU2, SOURCE, "npu2_platform npu2_vm_killed", None),
    ("6.12-npu2-debug", SOURCE, "npu2_refused npu2_map_lpar_refused", None),
    (NPU2, "kernel/platform.c", "npu2 npu2_guest_uses_gpu_ram_and_atsd", None),
    ("5.10", "kernel/lpar.c", "in_vfio_pci vm_failed_bind_of_a_later_one_D9", None)])
def test_kernel_of_a_mutant_has_what_it_edits_and_its_test(kernel, file, test, says):
    suite, name = test.split()
    mutant = ANY._replace(kernel=kernel, edits=((file, "", ""),), suite=suite, test=name)
    if not says:
        mutants.check_kernel(mutant)
        return
    with pytest.raises(LabError, match=re.escape(says)):
        mutants.check_kernel(mutant)
