# SPDX-License-Identifier: GPL-2.0-only
"""One version of the project, in one place; that of the ABI is another matter."""

import re

from lab.kernels import build
from lab.paths import ROOT

VERSION = (ROOT / "VERSION").read_text("ascii").strip()
WITH_IT = ("packaging", "tools", "kernel", "tests", "codegen", "abi-tests/abigate")


def test_version_is_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_version_has_its_place_in_the_changelog():
    """The unreleased section comes first; a release that is named is this one or an older one."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings[0] == f"{VERSION} (unreleased)" or headings[0].startswith(f"{VERSION} ")


def test_version_is_written_nowhere_else():
    """Also not a part of it that would be forgotten."""
    found = []
    for folder in WITH_IT:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in (".bin", ".abi", ".xz", ".pyc"):
                text = path.read_text("utf-8", "replace")
                if re.search(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])", text):
                    found.append(path.relative_to(ROOT).as_posix())
    assert not found


def test_tool_shows_it(tmp_path):
    """By either way it is built."""
    build.run(["make", "-s", "-C", ROOT / "tools/nvlink2-info", f"O={tmp_path}"], "tools",
              env=build.clean_env())
    said = build.run([tmp_path / "nvlink2-info", "--version"], "nvlink2-info")
    assert said.startswith(f"nvlink2-info {VERSION}, ABI version ")
    assert f" {VERSION}, ABI version ".encode() in build.info_tool().read_bytes() \
        or VERSION.encode() in build.info_tool().read_bytes()
