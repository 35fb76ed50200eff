# SPDX-License-Identifier: GPL-2.0-only
"""The golden blobs are what the original driver answered."""

import re

import pytest

from .support import DATA, ROOT

GOLDEN = ROOT / "generated/user/golden"


def recorded():
    blobs, name = {}, None
    for line in (DATA / "region_info.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        if line.endswith(".bin"):
            name = line
            blobs[name] = b""
        else:
            blobs[name] += bytes.fromhex(line)
    return blobs


RECORDED = recorded()


@pytest.mark.parametrize("name", RECORDED)
def test_golden_equals_the_recording(name):
    assert (GOLDEN / name).read_bytes() == RECORDED[name]


@pytest.mark.parametrize("name", RECORDED)
def test_golden_argsz_is_exact(name):
    blob = (GOLDEN / name).read_bytes()
    assert int.from_bytes(blob[:4], "little") == len(blob)


def test_golden_none_unrecorded():
    assert {path.name for path in GOLDEN.glob("*.bin")} == set(RECORDED)


def test_golden_empty_differs_in_flags_and_size_only():
    full, empty = RECORDED["atsd.bin"], RECORDED["atsd_empty.bin"]
    assert [n for n in range(len(full)) if full[n] != empty[n]] == [4, 18]


@pytest.mark.parametrize("name", RECORDED)
def test_golden_readme_shows_it(name):
    text = (GOLDEN / "README.rst").read_text()
    part = text[text.index(f"\n{name}\n"):].split("::\n", 1)[1]
    block = re.match(r"\n((?:    .*\n)+)", part)[1]
    rows = re.findall(r"^    [0-9a-f]{4}  (.*)$", block, flags=re.M)
    assert bytes.fromhex(" ".join(rows)) == RECORDED[name]
