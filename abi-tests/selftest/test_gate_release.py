# SPDX-License-Identifier: GPL-2.0-only
"""Releases, and commits to compare with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from abigate import cli, release, sides
from lab import limits

from .command import HEADER, ONE, SPEC, ask, run


@pytest.fixture(name="clone")
def clone_fixture(tmp_path):
    """A repository of its own with one commit, and what the ABI gate needs of the tree."""
    tree = tmp_path / "tree"
    for part in ("abi-tests", "codegen", "spec", "uapi", "generated"):
        shutil.copytree(sides.ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-qm", "First.")
    return tree


def ask_in(tree, *args):
    """As run() in a copy of the tree, in this process: what it measures alike is measured once."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (sides, release):
            patch.setattr(module, "ROOT", tree)
            patch.setattr(module, "BASELINES", tree / "abi-tests/baselines")
        patch.setattr(cli, "EXCEPTIONS", tree / "abi-tests/exceptions.yaml")
        return ask(*args)


def git(tree, *args):
    subprocess.run(["git", "-C", str(tree), *args], check=True, capture_output=True,
                   timeout=limits.seconds(60))


def test_against_a_commit(clone):
    gate = clone / "abi-tests/gate"
    spec = clone / sides.SPEC
    spec.write_text(SPEC.replace("memory: noncached", "memory: cacheable"), encoding="utf-8")
    done = run(*ONE, "--against", "HEAD", cwd=clone, command=gate)
    assert done.returncode == 1 and "noncached -> cacheable [REGION_MEMORY_CHANGED]" in done.stdout
    assert f"{sides.SPEC}:" in done.stdout
    git(clone, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-qam", "Second.")
    assert run(*ONE, "--against", "HEAD", cwd=clone, command=gate).returncode == 0
    assert run(*ONE, "--against", "HEAD~1", cwd=clone, command=gate).returncode == 1


def test_against_a_commit_the_old_header_is_built(clone):
    """A commit's stale header is not what it is compared with."""
    header = clone / sides.HEADER
    header.write_text(HEADER.replace("__u32 link_speed;", "__u16 link_speed;"), encoding="utf-8")
    git(clone, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-qam", "Stale.")
    header.write_text(HEADER, encoding="utf-8")
    done = run(*ONE, "--against", "HEAD", cwd=clone, command=clone / "abi-tests/gate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_release_that_was_edited_is_no_verdict(clone):
    path = clone / "abi-tests/baselines/v1" / sides.HEADER
    path.write_text(HEADER.replace("__u32 link_speed;", "__u16 link_speed;"), encoding="utf-8")
    done = run(*ONE, cwd=clone, command=clone / "abi-tests/gate")
    assert done.returncode == 2 and "a release is never edited" in done.stderr


def test_a_release_that_measures_differently_is_no_verdict(clone):
    """Also when the checksums were made to fit."""
    folder = clone / "abi-tests/baselines/v1"
    path = folder / "layout/x86_64.txt"
    name = "offset struct vfio_region_info_cap_nvlink2_ssatgt::tgt = "
    text = path.read_text(encoding="utf-8")
    assert f"{name}8\n" in text
    path.write_text(text.replace(f"{name}8\n", f"{name}4\n"), encoding="utf-8")
    code = ("import sys; sys.path[:0] = ['abi-tests', '.']\nfrom pathlib import Path\n"
            "from abigate import release\nfolder = Path('abi-tests/baselines/v1')\n"
            "(folder / 'MANIFEST').write_text(release._sums(folder))")
    subprocess.run(["/usr/bin/python3", "-c", code], cwd=clone, check=True, timeout=limits.seconds(60))
    done = run(*ONE, cwd=clone, command=clone / "abi-tests/gate")
    assert done.returncode == 2 and f"{name.removesuffix(' = ')} was 4, is 8" in done.stderr


#: The spec as the next version of the interface, with nothing else new.
SECOND = re.sub(r"(?m)^  version: 1$", "  version: 2", SPEC).replace(
    "\n# What is taken from", "    - {version: 2, doc: More.}\n\n# What is taken from")


def test_a_new_release(clone):
    gate = clone / "abi-tests/gate"
    (clone / sides.SPEC).write_text(SECOND, encoding="utf-8")
    # The header is stale, so it is not what would be released.
    done = run("--release", "2", "--quiet", cwd=clone, command=gate)
    assert done.returncode == 2 and "make generate" in done.stderr
    subprocess.run(["/usr/bin/python3", "-m", "codegen", "generate"], cwd=clone, check=True,
                   capture_output=True, timeout=limits.seconds(60))
    done = ask_in(clone, "--release", "2", "--quiet")
    assert done.returncode == 0 and "abi-tests/baselines/v2" in done.stdout, done.stderr
    made = {path.relative_to(clone / "abi-tests/baselines/v2").as_posix()
            for path in (clone / "abi-tests/baselines/v2").rglob("*") if path.is_file()}
    first = sides.BASELINES / "v1"
    assert made == {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    assert "against v2" in run(*ONE, cwd=clone, command=gate).stdout
    done = run("--release", "2", "--quiet", cwd=clone, command=gate)
    assert done.returncode == 2 and "VERSION=3" in done.stderr


def test_an_incompatible_interface_is_not_released(clone):
    (clone / sides.SPEC).write_text(SECOND.replace("memory: noncached", "memory: cacheable"),
                                    encoding="utf-8")
    subprocess.run(["/usr/bin/python3", "-m", "codegen", "generate"], cwd=clone, check=True,
                   capture_output=True, timeout=limits.seconds(60))
    done = ask_in(clone, "--release", "2", "--quiet")
    assert done.returncode == 1 and "REGION_MEMORY_CHANGED" in done.stdout
    assert not (clone / "abi-tests/baselines/v2").exists()


def test_the_release_in_the_tree_is_readable():
    folder = sides.BASELINES / "v1"
    assert "clang 14" in (folder / "TOOLS").read_text(encoding="ascii")
    layout = (folder / "layout/i386.txt").read_text(encoding="utf-8")
    assert "struct vfio_region_info_cap_nvlink2_ssatgt {" in layout
    assert "\nvalue VFIO_REGION_INFO_CAP_NVLINK2_SSATGT = 4\n" in layout
    assert Path(folder / "user/golden/atsd.bin").stat().st_size == 80
