# SPDX-License-Identifier: GPL-2.0-only
"""
The series of patches: `git am` takes it, what comes out is the driver, with what it needs of the
kernel, and checkpatch accepts it.
"""

import re
import shutil
import subprocess

import pytest

from lab.kernels import flavours, source
from tools.intree import cli, series
from tools.intree import tree as in_tree

# Of checkpatch: no repository of the kernel to look commits up in; one entry of MAINTAINERS, in the
# driver's first patch, for all of it, and arch/powerpc/, which has one, for the platform; and what
# two of the files exist for (lab/lint/lint.py says which).
IGNORED = ("UNKNOWN_COMMIT_ID", "FILE_PATH_CHANGES")
EXEMPT = {("include/uapi/linux/vfio_nvlink2.h", "NEW_TYPEDEFS"),
          ("drivers/vfio/pci/nvlink2/nvlink2_contract.h", "COMPLEX_MACRO")}
SUITE_OF = {"6.12": flavours.SUITE, "7.2": "forky"}
WHO = ("A Tester", "tester@example.org")


def git(folder, *arguments):
    """Runs git and returns what it prints."""
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True,
                          text=True).stdout


@pytest.fixture(name="who", autouse=True)
def who_fixture(monkeypatch, tmp_path):
    """Git knows who runs it, from a configuration of the test's own."""
    (tmp_path / "gitconfig").write_text(f"[user]\n\tname = {WHO[0]}\n\temail = {WHO[1]}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "gitconfig"


@pytest.fixture(name="kernel", params=sorted(SUITE_OF), scope="module")
def kernel_fixture(request):
    """The unpacked source of a series."""
    return source.kept(flavours.index(SUITE_OF[request.param]), request.param)


def of_kernel(tree):
    """The patches for what is not the driver, in order."""
    version = in_tree.version_of(tree)
    fixes, platform = series.fixes(version), series.platform(version)
    assert fixes and platform
    return [*fixes, *platform]


def apply_platform(tree):
    """Puts the platform into a tree, as `git am` of the series would."""
    for patch in series.platform(in_tree.version_of(tree)):
        git(tree, "apply", str(patch))
    shutil.copy(series.PLATFORM / "npu2.c", tree / series.PLATFORM_IN_TREE)


@pytest.fixture(name="tree")
def tree_fixture(kernel, tmp_path):
    """A repository with those files of a real kernel that the series touches."""
    tree = tmp_path / "linux"
    names = {"Makefile"} | {insertion.file for insertion in in_tree.INSERTIONS}
    for patch in of_kernel(kernel):
        names |= set(re.findall(r"^--- a/(\S+)", patch.read_text(), re.M))
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kernel / name, tree / name)
    git(tmp_path, "init", "-q", str(tree))
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "linux")
    return tree


def files_of(tree):
    """Every file's content by its name."""
    return {path.relative_to(tree).as_posix(): path.read_text() for path in tree.rglob("*")
            if path.is_file() and ".git" not in path.parts}


def written(tree, tmp_path):
    """The series for a tree."""
    assert cli.main(["series", str(tree), str(tmp_path / "out")]) == 0
    return sorted((tmp_path / "out").iterdir())


def subjects(patches):
    """The subject of each patch."""
    return [series.message_of(patch.read_text()).partition("\n")[0] for patch in patches]


def test_series_applied_is_the_driver_the_platform_and_the_fixes(tree, tmp_path):
    before = files_of(tree)
    patches = written(tree, tmp_path)
    assert files_of(tree) == before, "the tree was written to"
    git(tree, "am", "-q", *map(str, patches))
    applied = files_of(tree)
    git(tree, "reset", "-q", "--hard", f"HEAD~{len(series.STEPS)}")
    assert "rcu_read_unlock();\n\t\t\treturn true;" in (
        tree / "arch/powerpc/mm/book3s64/iommu_api.c").read_text()
    in_tree.add(tree)
    assert files_of(tree) == applied
    git(tree, "reset", "-q", "--hard", f"HEAD~{len(patches) - len(series.STEPS)}")
    git(tree, "clean", "-qfd")
    for patch in series.fixes(in_tree.version_of(tree)):
        git(tree, "apply", str(patch))
    apply_platform(tree)
    in_tree.add(tree)
    assert files_of(tree) == applied
    authors = {line for patch in patches for line in patch.read_text().splitlines()
               if line.startswith(("From: ", "Signed-off-by: "))}
    assert authors == {f"From: {WHO[0]} <{WHO[1]}>", f"Signed-off-by: {WHO[0]} <{WHO[1]}>"}


def test_series_is_fixes_then_platform_then_driver(tree, tmp_path):
    patches = written(tree, tmp_path)
    assert subjects(patches) == [*subjects(of_kernel(tree)),
                                 *(step.subject for step in series.STEPS)]


def test_series_brings_the_platform(tree, tmp_path):
    """The file comes as it is, together with what names it, before the driver."""
    patches = written(tree, tmp_path)
    place = tree / series.PLATFORM_IN_TREE
    driver = patches[-len(series.STEPS):]
    last = patches[len(patches) - len(driver) - 1]
    git(tree, "am", "-q", *map(str, patches[:patches.index(last)]))
    assert not (place / "npu2.c").exists()
    assert "npu2.o" not in (place / "Makefile").read_text()
    git(tree, "am", "-q", str(last))
    assert not (tree / in_tree.DRIVER).exists()
    git(tree, "am", "-q", *map(str, driver))
    assert (place / "npu2.c").read_bytes() == (series.PLATFORM / "npu2.c").read_bytes()
    assert "\nconfig PPC_POWERNV_NPU2\n" in (place / "Kconfig").read_text()
    assert re.search(r"^obj-\$\(CONFIG_PPC_POWERNV_NPU2\)\s*\+= npu2\.o$",
                     (place / "Makefile").read_text(), re.M)


def test_no_file_of_the_platform_is_left_behind(kernel):
    """Each is named by one patch of each version."""
    brought = [name for patch in of_kernel(kernel)
               for name in series.platform_files(patch.read_text())]
    assert sorted(brought) == sorted(f"{series.PLATFORM_IN_TREE}/{path.name}"
                                     for path in series.PLATFORM.glob("*.[ch]"))


def test_series_is_accepted_by_checkpatch(kernel, tree, tmp_path):
    patches = written(tree, tmp_path)
    checkpatch = ["perl", kernel / "scripts/checkpatch.pl", "--no-tree", "--terse", "--show-types",
                  "--showfile", "--no-summary", "--ignore", ",".join(IGNORED)]
    done = subprocess.run([*checkpatch, *patches], capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+: ", line)]
    left = [line for line in found
            if (line.split(":")[0], re.search(r"(?:WARNING|ERROR):(\w+)", line)[1]) not in EXEMPT]
    assert not left and not done.stderr
    # And it looks: a patch with a fault in it is not accepted.
    text = patches[-1].read_text()
    bad = tmp_path / "bad.patch"
    bad.write_text(re.sub(r"^Signed-off-by:.*\n", "", text, flags=re.M))
    done = subprocess.run([*checkpatch, bad], capture_output=True, text=True, check=False)
    assert "MISSING_SIGN_OFF" in done.stdout


def test_series_for_a_tree_that_has_it_all_is_the_driver_alone(tree, tmp_path, capsys):
    """With the driver and the rest in the tree, the rest is left out and said to be there."""
    for patch in series.fixes(in_tree.version_of(tree)):
        git(tree, "apply", str(patch))
    apply_platform(tree)
    in_tree.add(tree)
    before = files_of(tree)
    patches = written(tree, tmp_path)
    assert len(patches) == len(series.STEPS) and files_of(tree) == before
    said = capsys.readouterr().out
    assert all(f"has {patch.name} already" in said for patch in of_kernel(tree))


def test_series_for_a_tree_that_has_the_platform_leaves_it_out(tree, tmp_path, capsys):
    apply_platform(tree)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "platform")
    before = files_of(tree)
    patches = written(tree, tmp_path)
    fixes = series.fixes(in_tree.version_of(tree))
    assert subjects(patches) == [*subjects(fixes), *(step.subject for step in series.STEPS)]
    said = re.findall(r"has (\S+) already$", capsys.readouterr().out, re.M)
    assert said == [patch.name for patch in series.platform(in_tree.version_of(tree))]
    assert files_of(tree) == before
    git(tree, "am", "-q", *map(str, patches))
    applied = files_of(tree)
    assert all(applied[name] == text for name, text in before.items()
               if name.startswith(series.PLATFORM_IN_TREE))


@pytest.mark.parametrize("left, says", [(None, "no"), ("/* old */\n", "another")])
def test_series_for_a_tree_with_the_platforms_patches_alone_is_refused(tree, tmp_path, capsys, left,
                                                                      says):
    apply_platform(tree)
    source = tree / series.PLATFORM_IN_TREE / "npu2.c"
    source.unlink()
    if left:
        source.write_text(left)
    assert cli.main(["series", str(tree), str(tmp_path / "out")]) == 2
    assert f"but {says} {series.PLATFORM_IN_TREE}/npu2.c: copy the one of kernel/powernv there" in \
        capsys.readouterr().err


def test_series_of_an_earlier_run_goes(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0009-old.patch").write_text("old\n")
    (tmp_path / "out/notes").write_text("mine\n")
    names = [path.name for path in written(tree, tmp_path)]
    assert "0009-old.patch" not in names and "notes" in names


def test_series_without_an_identity_is_refused(tree, tmp_path, who, capsys):
    who.write_text("[user]\n\tname = Somebody\n")
    assert cli.main(["series", str(tree), str(tmp_path / "out")]) == 2
    assert "git has no user.email to sign the patches with: git config user.email" in \
        capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_series_says_what_no_step_takes(tree, tmp_path, monkeypatch, capsys):
    """A file that is new in the driver cannot be forgotten."""
    monkeypatch.setattr(series, "STEPS", series.STEPS[:-1])
    assert cli.main(["series", str(tree), str(tmp_path / "out")]) == 2
    assert "no step of the series takes drivers/vfio/pci/" in capsys.readouterr().err
