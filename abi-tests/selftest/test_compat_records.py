# SPDX-License-Identifier: GPL-2.0-only
"""Records of other versions than a program knows: newer, older, and shorter than they claim."""

import pytest

from . import compat
from .compat import ATSD, GPU_RAM
from .test_compat import AGE, CLIENTS, HEALTH, LNKSPD, REGIONS, SSATGT, VERSIONS, expected

TYPE = 2
#: (driver, region, record, version, its size then, the fields it had not yet)
OLDER = [(driver, ATSD, LNKSPD, version, size, lost) for driver in AGE
         for version, size, lost in ((1, 16, ("lanes", "errors", "owner")), (2, 40, ()))]
OLDER += [("later", region, HEALTH, 1, 16, ("count",)) for region in (GPU_RAM, ATSD)]
DECODERS = [client for client in CLIENTS if client[0] == "decoder"]


def whole(programs, driver, region):
    return programs.answer(driver, region, programs.needed(driver, region))


def changed(answer, which, change):
    """The answer with one of its records changed; it has to have one."""
    chain = compat.records(answer)
    assert which in [cap_id for cap_id, _ in chain]
    return compat.assemble(answer, [(cap_id, change(record) if cap_id == which else record)
                                    for cap_id, record in chain])


def of_version(record, version):
    return record[:2] + version.to_bytes(2, "little") + record[4:]


@pytest.mark.parametrize("driver", VERSIONS)
@pytest.mark.parametrize("client", CLIENTS, ids="-".join)
@pytest.mark.parametrize("region, which", [
    (region, which) for region in REGIONS.values() for which in (TYPE, SSATGT, LNKSPD)
    if (region, which) != (GPU_RAM, LNKSPD)])
def test_newer_record(programs, driver, client, region, which):
    """The known part is taken; of what is behind it a program knows nothing."""
    # 24 bytes for the most that a version between has appended, and unset in this one.
    newer = changed(whole(programs, driver, region), which,
                    lambda record: of_version(record, 100) + bytes(24) + b"\x5a" * 16)
    assert programs.read(*client, newer) == expected(client, driver, region)


@pytest.mark.parametrize("client", CLIENTS, ids="-".join)
@pytest.mark.parametrize("driver, region, which, version, size, lost", OLDER)
def test_older_record(programs, client, driver, region, which, version, size, lost):
    """What the record has not yet is not there."""
    older = changed(whole(programs, driver, region), which,
                    lambda record: of_version(record, version)[:size])
    assert programs.read(*client, older) == expected(client, driver, region, without=lost)


@pytest.mark.parametrize("client", DECODERS, ids="-".join)
@pytest.mark.parametrize("place", ["middle", "last"])
def test_record_shorter_than_its_version(programs, client, place):
    """Nothing of the record behind it is taken for its fields, nor what is behind the buffer."""
    answer = whole(programs, "next", ATSD)
    chain = {cap_id: record[:16] for cap_id, record in compat.records(answer)}
    order = [TYPE, SSATGT, LNKSPD, HEALTH] if place == "middle" else [TYPE, SSATGT, HEALTH, LNKSPD]
    short = compat.assemble(answer, [(cap_id, chain[cap_id]) for cap_id in order])
    assert programs.read(*client, short) == \
        expected(client, "next", ATSD, without=("lanes", "errors", "owner"))
