# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of ours is in the cache whole or not at all, and is another when its recipe is."""

import os
import re
import subprocess

import pytest

from lab.errors import LabError
from lab.kernels import debugkernel


@pytest.fixture(name="home")
def home_fixture(monkeypatch, tmp_path):
    """An empty cache, and a build that packs a folder made in no time."""
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))
    monkeypatch.setattr(debugkernel.source, "package", lambda *_: (None, "6.12.1-1"))
    monkeypatch.setattr(debugkernel.source, "tree", lambda *_: tmp_path / "unpacked")
    monkeypatch.setattr(debugkernel, "key_of", lambda series, version, *_: f"{series}-{version}")
    monkeypatch.setattr(debugkernel, "_make", make)
    return tmp_path / "debug-kernel"


def make(_, series, __, ___, archive):
    for name in ("build", "keep", "source"):
        (archive.parent / name).mkdir()
    (archive.parent / "keep/release").write_text(f"{series}.1\n")
    subprocess.run(["tar", "-cJf", archive, "-C", archive.parent / "keep", "."], check=True)


def names(home):
    return sorted(path.name for path in home.iterdir() if path.name != ".lock")


def test_kernel_is_built_once(home, monkeypatch):
    release, folder = debugkernel.kernel(None, "6.12")
    assert (release, folder) == ("6.12.1", home / "6.12-6.12.1-1")
    assert names(home) == ["6.12-6.12.1-1", "6.12-6.12.1-1.tar.xz", "source-6.12.json"]
    monkeypatch.setattr(debugkernel, "_make", lambda *_: pytest.fail("built again"))
    assert debugkernel.kernel(None, "6.12") == (release, folder)


def test_interrupted_build_leaves_nothing(home, monkeypatch):
    def interrupted(*arguments):
        archive = arguments[-1]
        (archive.parent / "build").mkdir()
        archive.with_suffix(".draft").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(debugkernel, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        debugkernel.kernel(None, "6.12")
    assert not [path for path in home.iterdir() if path.is_dir()]
    monkeypatch.setattr(debugkernel, "_make", make)
    debugkernel.kernel(None, "6.12")
    assert names(home) == ["6.12-6.12.1-1", "6.12-6.12.1-1.tar.xz", "source-6.12.json"]


def test_kernels_of_other_clones_stay_the_oldest_of_a_series_goes(home, monkeypatch):
    debugkernel.kernel(None, "7.2")
    for number, key in enumerate(("a", "b", "c", "d")):
        monkeypatch.setattr(debugkernel, "key_of", lambda series, *_, key=key: f"{series}-{key}")
        debugkernel.kernel(None, "6.12")
        os.utime(home / f"6.12-{key}.tar.xz", (number, number))
    kept = {name.removesuffix(".tar.xz") for name in names(home)}
    assert kept == {"6.12-b", "6.12-c", "6.12-d", "7.2-6.12.1-1", "source-6.12.json",
                    "source-7.2.json"}


def test_each_kind_has_a_folder_of_its_own(home):
    debugkernel.kernel(None, "6.12")
    for recipe in (debugkernel.NPU2, debugkernel.NPU2_DEBUG):
        _, folder = debugkernel.kernel(None, "6.12", recipe=recipe)
        assert folder == home.with_name(f"{recipe.name}-kernel") / "6.12-6.12.1-1"
        assert names(folder.parent) == names(home)


def keep_build(home, monkeypatch):
    """A build that takes no time, and the recipe's sources left out of its key, as they are."""
    def build(_, __, recipe, ___, archive):
        assert archive.parent == home.with_name(f"{recipe.name}-kernel")
        for name in ("build", "keep", "source"):
            (archive.parent / name).mkdir()

    monkeypatch.setattr(debugkernel, "_build", build)


def tree_of(series="6.12", recipe=debugkernel.NPU2, **more):
    with debugkernel.build_tree(None, series, recipe=recipe, **more) as built:
        return built


def test_build_tree_is_made_once_when_it_is_asked_for(home, monkeypatch):
    keep_build(home, monkeypatch)
    assert tree_of(only_kept=True) is None
    built = tree_of()
    assert built.folder == home.with_name("build-trees") / "npu2-6.12-6.12.1-1"
    assert built.origin == home.with_name("npu2-kernel")
    assert names(built.folder) == ["build", "source", "stamp"] and built.stamp
    assert names(built.origin) == ["source-6.12.json"]
    monkeypatch.setattr(debugkernel, "_build", lambda *_: pytest.fail("built again"))
    assert tree_of() == tree_of(only_kept=True) == built


def test_interrupted_build_tree_is_none(home, monkeypatch):
    def interrupted(*arguments):
        (arguments[-1].parent / "build").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(debugkernel, "_build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tree_of()
    assert tree_of(only_kept=True) is None
    keep_build(home, monkeypatch)
    assert tree_of()


def test_build_trees_that_others_came_after_go(home, monkeypatch):
    keep_build(home, monkeypatch)
    trees = home.with_name("build-trees")
    for recipe in (debugkernel.NPU2_DEBUG, debugkernel.NPU2):
        tree_of("7.2", recipe)
    for number, key in enumerate("abc"):
        monkeypatch.setattr(debugkernel, "key_of", lambda series, *_, key=key: f"{series}-{key}")
        tree_of()
        os.utime(trees / f"npu2-6.12-{key}", (number, number))
    assert names(trees) == ["npu2-6.12-b", "npu2-6.12-c", "npu2-7.2-6.12.1-1",
                            "npu2-debug-7.2-6.12.1-1"]


def test_build_tree_does_not_follow_the_sources(ours):
    def tree_key():
        return key(debugkernel.NPU2._replace(sources=""))

    before = tree_key()
    (ours / "kernel/powernv/npu2.c").write_text("int a;\n")
    assert tree_key() == before
    (ours / "kernel/powernv/patches/6.12/0001-a.patch").write_text("about it\n\ndiff b\n")
    assert tree_key() != before


def test_key_follows_the_configuration_and_the_compiler(monkeypatch, tmp_path):
    keys = set()
    for compiler in ("gcc 12.2", "gcc 12.3"):
        monkeypatch.setattr(debugkernel, "run", lambda *_, compiler=compiler: compiler)
        for config in ("CONFIG_KASAN=y\n", "CONFIG_KASAN=n\n"):
            (tmp_path / "config").write_text(config)
            monkeypatch.setattr(debugkernel, "FRAGMENT", tmp_path / "config")
            keys |= {debugkernel.key_of("6.12", version) for version in ("6.12.1-1~bpo", "6.12.2-1")}
    assert len(keys) == 8
    assert all(key.startswith("6.12-6.12.") and "~" not in key for key in keys)


def test_series_without_patches_is_reported():
    with pytest.raises(LabError, match="kernel/patches/6.11 has no patch"):
        debugkernel.patches("6.11")


@pytest.fixture(name="ours")
def ours_fixture(monkeypatch, tmp_path):
    """A root with a patch of each folder and two sources, and a compiler that is there."""
    monkeypatch.setattr(debugkernel, "ROOT", tmp_path)
    monkeypatch.setattr(debugkernel, "run", lambda *_: "gcc 12.2")
    for folder in debugkernel.NPU2.patches:
        (tmp_path / folder / "6.12").mkdir(parents=True)
        (tmp_path / folder / "6.12/0001-a.patch").write_text(f"about it\n\ndiff {folder}\n")
    for name in ("npu2.c", "npu2.h"):
        (tmp_path / "kernel/powernv" / name).write_text(f"/* {name} */\n")
    return tmp_path


def key(recipe):
    return debugkernel.key_of("6.12", "1", recipe=recipe)


@pytest.mark.parametrize("name, text, of_debug", [
    ("kernel/powernv/npu2.c", "int a;\n", False),
    ("kernel/powernv/npu2.h", "int a;\n", False),
    ("kernel/powernv/more.c", "", False),
    ("kernel/powernv/patches/6.12/0001-a.patch", "about it\n\ndiff b\n", False),
    ("kernel/patches/6.12/0001-a.patch", "about it\n\ndiff b\n", True)])
def test_key_follows_what_the_kind_is_made_of(ours, name, text, of_debug):
    kinds = (debugkernel.DEBUG, debugkernel.NPU2, debugkernel.NPU2_DEBUG)
    before = [key(recipe) for recipe in kinds]
    assert len(set(before)) == 3
    (ours / name).write_text(text)
    changed = [key(recipe) != old for recipe, old in zip(kinds, before)]
    assert changed == [of_debug, True, True]


def test_key_does_not_follow_what_a_patch_says_of_itself(ours):
    path = ours / "kernel/powernv/patches/6.12/0001-a.patch"
    before = key(debugkernel.NPU2)
    path.write_text(path.read_text().replace("about it", "more about it"))
    assert key(debugkernel.NPU2) == before


def test_patches_of_the_series_come_after_those_that_mend(ours):
    assert [path.relative_to(ours).parts[:-2] for path in
            debugkernel.patches("6.12", debugkernel.NPU2)] == [
                ("kernel", "patches"), ("kernel", "powernv", "patches")]
    with pytest.raises(LabError, match="kernel/patches/7.2 has no patch"):
        debugkernel.patches("7.2", debugkernel.NPU2)


def test_kind_without_its_sources_is_reported(ours):
    (ours / "kernel/powernv/npu2.c").unlink()
    with pytest.raises(LabError, match="kernel/powernv has no C file"):
        debugkernel.sources(debugkernel.NPU2)
    assert debugkernel.sources(debugkernel.DEBUG) == []


def options(series, recipe):
    text = debugkernel.fragment(series, recipe)
    found = re.findall(r"^(?:# )?(CONFIG_\w+)(?:=| is not set)", text, re.M)
    assert len(set(found)) == len(found), "an option is there twice"
    return {line for line in text.splitlines() if re.match("(# )?CONFIG_", line)}


@pytest.mark.parametrize("series", ("6.12", "7.2"))
def test_plain_kernel_has_what_the_debug_kernel_has_but_what_finds_faults(series):
    debug, plain = (options(series, recipe) for recipe in (debugkernel.DEBUG, debugkernel.NPU2))
    assert {"CONFIG_DEVMEM=y", "CONFIG_DEBUG_FS=y", "CONFIG_FTRACE=y", "CONFIG_KPROBES=y",
            "CONFIG_ENABLE_DEFAULT_TRACERS=y", "CONFIG_KVM_BOOK3S_64_HV=m"} <= debug & plain
    of_faults = re.compile("CONFIG_(KASAN|PROVE|UBSAN|DEBUG_|FAULT_INJ|FAIL|KUNIT|FUNCTION_ERR)")
    left = {line for line in plain if of_faults.match(line)}
    assert left == {"CONFIG_DEBUG_FS=y", "CONFIG_DEBUG_KERNEL=y", "CONFIG_DEBUG_INFO_NONE=y"}
    gone = {line for line in debug - plain if line.endswith(("=y", "=m"))}
    assert gone == {line for line in gone if of_faults.match(line)}


def test_settings_of_the_debug_kernel_are_the_file():
    assert debugkernel.fragment("6.12") == debugkernel.FRAGMENT.read_text("utf-8")


@pytest.mark.parametrize("series", ("6.12", "7.2"))
def test_debug_kernel_with_npu2_differs_by_that(series):
    debug, ours = (options(series, recipe)
                   for recipe in (debugkernel.DEBUG, debugkernel.NPU2_DEBUG))
    assert ours - debug == {"CONFIG_PPC_POWERNV_NPU2=y", "# CONFIG_SCOM_DEBUGFS is not set"}
    assert not debug - ours
    assert ours - debug <= options(series, debugkernel.NPU2)


def test_plain_kernel_needs_the_sections_it_is_without(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("# What finds faults.\nCONFIG_KASAN=y\n")
    monkeypatch.setattr(debugkernel, "FRAGMENT", tmp_path / "config")
    with pytest.raises(LabError, match="# What provokes them"):
        debugkernel.fragment("6.12", debugkernel.NPU2)


class Build:
    """Plays the tools; notes the steps of a build, and what the tree has when it is compiled."""

    def __init__(self, cache, monkeypatch):
        self.steps = []
        self.home = cache / "home"
        self.tree = cache / "tree"
        place = self.tree / debugkernel.PLACE
        place.mkdir(parents=True)
        (place / "npu2.h").write_text("Debian's\n")
        self.home.mkdir()
        (self.home / "source-6.12.json").write_text('{"version": "1"}')
        self.compiled = ("npu2.o",)
        monkeypatch.setattr(debugkernel, "run", self.run)
        monkeypatch.setattr(debugkernel, "run_long", self.run_long)
        monkeypatch.setattr(debugkernel.kernelmake, "configure",
                            lambda *_: self.steps.append("configure"))
        monkeypatch.setattr(debugkernel, "_strip", lambda _, target: target.write_text(
            f"{self.steps.count('patch')} patches"))
        monkeypatch.setattr(debugkernel, "_keep", lambda _, __, ___, keep, ____:
                            (keep / "vmlinux").write_text(f"{self.steps.count('patch')} patches"))

    def run(self, words, *_):
        if words[0] == "cp":
            subprocess.run(words, check=True)
        elif words[0] == "tar":
            words[2].touch()
        elif words[0] == "patch":
            self.steps.append("patch")
        return "gcc 12.2"

    def run_long(self, *_, **__):
        self.steps.append("make")
        place = self.home / "build" / debugkernel.PLACE
        place.mkdir(parents=True, exist_ok=True)
        for name in self.compiled:
            (place / name).touch()

    def make(self, recipe):
        archive = self.home / f"{debugkernel.key_of('6.12', '1', recipe=recipe)}.tar.xz"
        # pylint: disable=protected-access
        debugkernel._make(self.tree, "6.12", recipe, debugkernel.Tools(), archive)
        assert archive.exists()


@pytest.fixture(name="build")
def build_fixture(ours, monkeypatch):
    return Build(ours / "cache", monkeypatch)


def test_debug_kernel_is_built_without_and_with_the_patches(build):
    build.make(debugkernel.DEBUG)
    assert build.steps == ["configure", "make", "patch", "make"]
    assert (build.home / "keep" / debugkernel.UNPATCHED).read_text() == "0 patches"


def test_npu2_is_in_the_tree_before_it_is_configured(build):
    build.make(debugkernel.NPU2)
    assert build.steps == ["patch", "patch", "configure", "make"]
    assert not (build.home / "keep" / debugkernel.UNPATCHED).exists()
    place = build.home / "source" / debugkernel.PLACE
    assert [(place / name).read_text() for name in ("npu2.c", "npu2.h")] == [
        "/* npu2.c */\n", "/* npu2.h */\n"]
    # The tree in the cache, which the copy's files are links to, is as it was.
    place = build.tree / debugkernel.PLACE
    assert [path.read_text() for path in place.iterdir()] == ["Debian's\n"]


def test_npu2_that_was_not_compiled_is_reported(build):
    build.compiled = ("pci.o",)
    with pytest.raises(LabError, match="no file of kernel/powernv was compiled"):
        build.make(debugkernel.NPU2)


def test_sources_that_change_before_they_are_copied_are_reported(build, ours, monkeypatch):
    patch = build.run

    def run(words, *more):
        if words[0] == "cp":
            (ours / "kernel/powernv/npu2.c").write_text("int a;\n")
        return patch(words, *more)

    monkeypatch.setattr(debugkernel, "run", run)
    with pytest.raises(LabError, match="made of changed in the meantime"):
        build.make(debugkernel.NPU2)
    assert "configure" not in build.steps


def test_failed_build_shows_the_error_and_keeps_the_log(monkeypatch, tmp_path):
    monkeypatch.setattr(debugkernel, "_LOGS", tmp_path / "logs")
    with pytest.raises(LabError, match="a.c:1:2: error: no semicolon") as failed:
        debugkernel.run_long(["sh", "-c", "echo CC a.o; echo 'a.c:1:2: error: no semicolon'; exit 2"])
    assert str(tmp_path / "logs/debug-kernel.log") in str(failed.value)
    assert "CC a.o" in (tmp_path / "logs/debug-kernel.log").read_text()
