# SPDX-License-Identifier: GPL-2.0-only
"""Every program reads the answers of every driver: older, newer, and its own."""

import pytest

from . import compat
from .compat import ATSD, GPU_RAM, INFO, LANES, SPEED, STATE, TGT

VERSIONS = [*compat.released(), "tree", "next", "later"]
#: Every way to build a program; only the kernel's own header is the view of QEMU.
CLIENTS = [("cast", "linux"), *((kind, name) for name in VERSIONS for kind in ("cast", "decoder"))]
REGIONS = {"gpu_ram": GPU_RAM, "atsd": ATSD}
TYPES = {GPU_RAM: "type=800010de/1", ATSD: "type=80001014/1"}
#: Capability 0x7f00, version 1, 24 bytes: nobody knows it.
UNKNOWN = (0x7f00, b"\x00\x7f\x01\x00" + bytes(4) + b"\xaa" * 16)
SSATGT, LNKSPD, HEALTH = 4, 5, 6

pytestmark = [pytest.mark.parametrize("driver", VERSIONS),
              pytest.mark.parametrize("client", CLIENTS, ids="-".join),
              pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS)]


@pytest.fixture(name="programs", scope="module")
def programs_fixture(tmp_path_factory):
    return compat.Programs(tmp_path_factory.mktemp("compat"))


def expected(client, driver, region, without=(), unknown=0):
    """What a program has to find: what both know, and no more."""
    def knows(name):
        return name in ("next", "later")

    words = [TYPES[region]]
    if SSATGT not in without:
        words.append(f"tgt={TGT:x}")
    if region == ATSD and LNKSPD not in without:
        words.append(f"speed={SPEED:x}")
        if knows(client[1]) and knows(driver):
            words.append(f"lanes={LANES:x}")
    if knows(driver) and HEALTH not in without:
        if knows(client[1]):
            words.append(f"state={STATE:x}")
        else:
            unknown += 1
    # A program that casts counts whatever is none of the kernel's first five.
    if client[0] == "cast" and knows(client[1]) and knows(driver) and HEALTH not in without:
        unknown += 1
    return " ".join([*words, f"unknown={unknown}"])


@pytest.fixture(name="whole")
def whole_fixture(programs, driver, region):
    """The driver's answer in a buffer that just fits."""
    return programs.answer(driver, region, programs.needed(driver, region))


def test_first_too_short_then_exact(programs, driver, client, region, whole):
    """As every VMM asks: once for the size, once for the answer."""
    short = programs.answer(driver, region, INFO)
    assert int.from_bytes(short[12:16], "little") == 0
    assert programs.read(*client, short) == "ask again"
    assert programs.read(*client, short, whole) == expected(client, driver, region)


def test_buffer_too_large(programs, driver, client, region):
    large = programs.answer(driver, region, 4096)
    assert large[programs.needed(driver, region):].strip(b"\xee") == b""
    assert programs.read(*client, large) == expected(client, driver, region)


def test_empty_region(programs, driver, client, region):
    answer = programs.answer(driver, region, programs.needed(driver, region), size=0)
    assert answer[4:8] == b"\x08\0\0\0" and answer[16:24] == bytes(8)
    assert programs.read(*client, answer) == expected(client, driver, region)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_unknown_capability(programs, driver, client, region, whole, place):
    chain = compat.records(whole)
    chain.insert({"first": 0, "middle": 2, "last": len(chain)}[place], UNKNOWN)
    assert programs.read(*client, compat.assemble(whole, chain)) == \
        expected(client, driver, region, unknown=1)


@pytest.mark.parametrize("lost", [SSATGT, LNKSPD, HEALTH])
def test_missing_capability(programs, driver, client, region, whole, lost):
    chain = [record for record in compat.records(whole) if record[0] != lost]
    assert programs.read(*client, compat.assemble(whole, chain)) == \
        expected(client, driver, region, without=(lost,))
