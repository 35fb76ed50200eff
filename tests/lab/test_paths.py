# SPDX-License-Identifier: GPL-2.0-only
"""Clones share one cache, in the place where the XDG specification puts it."""

from pathlib import Path

import pytest

from lab import paths
from lab.kernels import kernelmake


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.delenv("NVLINK2_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_cache_is_in_the_users_cache_folder(home):
    assert paths.cache() == home / ".cache/vfio-nvlink2"
    assert paths.ROOT not in paths.cache().parents


def test_xdg_cache_home_moves_it(monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "elsewhere"))
    assert paths.cache() == home / "elsewhere/vfio-nvlink2"


@pytest.mark.parametrize("relative", ["cache", "./cache", ""])
def test_relative_xdg_cache_home_is_ignored(monkeypatch, home, relative):
    monkeypatch.setenv("XDG_CACHE_HOME", relative)
    assert paths.cache() == home / ".cache/vfio-nvlink2"


def test_own_variable_names_the_folder_itself(monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "elsewhere"))
    monkeypatch.setenv("NVLINK2_CACHE", str(home / "mine"))
    assert paths.cache() == home / "mine"
    monkeypatch.setenv("NVLINK2_CACHE", "mine")
    assert paths.cache() == Path.cwd() / "mine"


def test_kernels_are_compiled_through_the_shared_ccache(monkeypatch):
    assert kernelmake.cached("gcc-12") == "CC=ccache gcc-12", "run `sh setup.sh test`"
    assert kernelmake.environment()["CCACHE_DIR"] == str(paths.cache() / "ccache")
    monkeypatch.setenv("PATH", "/nowhere")
    assert kernelmake.cached("gcc-12") == "CC=gcc-12"
