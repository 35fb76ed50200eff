# SPDX-License-Identifier: GPL-2.0-only
"""The debug kernel is in the cache whole or not at all, and is another when its recipe is."""

import os
import subprocess

import pytest

from tests.lab import debugkernel
from tests.lab.errors import LabError


@pytest.fixture(name="home")
def home_fixture(monkeypatch, tmp_path):
    """An empty cache, and a build that packs a folder made in no time."""
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))
    monkeypatch.setattr(debugkernel.source, "package", lambda *_: (None, "6.12.1-1"))
    monkeypatch.setattr(debugkernel.source, "tree", lambda *_: tmp_path / "unpacked")
    monkeypatch.setattr(debugkernel, "key_of", lambda series, version, _: f"{series}-{version}")
    monkeypatch.setattr(debugkernel, "_make", make)
    return tmp_path / "debug-kernel"


def make(_, series, __, archive):
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
    def interrupted(_, __, ___, archive):
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


def test_series_without_patches_is_told():
    with pytest.raises(LabError, match="kernel/patches/6.11 has no patch"):
        debugkernel.patches("6.11")


def test_failed_build_shows_the_error_and_keeps_the_log(monkeypatch, tmp_path):
    monkeypatch.setattr(debugkernel, "_LOG", tmp_path / "logs/build.log")
    with pytest.raises(LabError, match="a.c:1:2: error: no semicolon") as failed:
        debugkernel.run_long(["sh", "-c", "echo CC a.o; echo 'a.c:1:2: error: no semicolon'; exit 2"])
    assert str(tmp_path / "logs/build.log") in str(failed.value)
    assert "CC a.o" in (tmp_path / "logs/build.log").read_text()
