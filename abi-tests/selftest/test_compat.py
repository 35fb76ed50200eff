# SPDX-License-Identifier: GPL-2.0-only
"""Every program reads the answers of every driver: older, newer, and its own."""

import pytest

from . import compat
from .compat import ATSD, GPU_RAM, INFO, VALUES

VERSIONS = [*compat.released(), "tree", "next", "later"]
#: Every way to build a program; only the kernel's own header is the view of QEMU.
CLIENTS = [("cast", "linux"), *((kind, name) for name in VERSIONS for kind in ("cast", "decoder"))]
REGIONS = {"gpu_ram": GPU_RAM, "atsd": ATSD}
TYPES = {GPU_RAM: "type=800010de/1", ATSD: "type=80001014/1"}
#: Capability 0x7f00, version 1, 24 bytes: nobody knows it.
UNKNOWN = (0x7f00, b"\x00\x7f\x01\x00" + bytes(4) + b"\xaa" * 16)
SSATGT, LNKSPD, HEALTH = 4, 5, 6
#: Versions after the released ones, and what each brought: (field, its record, since which).
AGE = {"next": 1, "later": 2}
FIELDS = (("tgt", SSATGT, 0), ("link_speed", LNKSPD, 0), ("lanes", LNKSPD, 1),
          ("errors", LNKSPD, 1), ("owner", LNKSPD, 1), ("state", HEALTH, 1), ("count", HEALTH, 2))

pytestmark = [pytest.mark.parametrize("driver", VERSIONS),
              pytest.mark.parametrize("client", CLIENTS, ids="-".join),
              pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS)]


def expected(client, driver, region, without=(), unknown=0, values=None):
    """What a program has to find: what both know, and no more."""
    chain = {SSATGT, *([LNKSPD] if region == ATSD else []), *([HEALTH] if driver in AGE else [])}
    both = min(AGE.get(client[1], 0), AGE.get(driver, 0))
    words = [f"{name}={(values or VALUES)[name]:x}" for name, record, since in FIELDS
             if since <= both and record in chain and record not in without and name not in without]
    unknown += HEALTH in chain and HEALTH not in without and client[1] not in AGE
    return " ".join([TYPES[region], *words, f"unknown={unknown}"])


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


def test_every_short_answer(programs, driver, client, region, whole):
    """Whatever a program asked with, it takes nothing but the whole answer for one."""
    short = [programs.answer(driver, region, argsz) for argsz in range(INFO, len(whole))]
    assert len(short) == len(whole) - INFO and None not in short
    assert programs.read(*client, *short) == "ask again"


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
