# SPDX-License-Identifier: GPL-2.0-only
"""Drivers of all versions: how they treat every buffer, and that a wrong one would be noticed."""

import pytest

from abigate import sides

from . import compat
from .compat import ATSD, INFO, SIZE
from .test_compat import CLIENTS, REGIONS, VERSIONS, expected


@pytest.mark.parametrize("driver", VERSIONS)
@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS)
def test_every_short_buffer(programs, driver, region):
    """Less than the fixed part is an error; less than all of it gives the size, and no chain."""
    needed = programs.needed(driver, region)
    assert needed == INFO + 16 * (3 if region == ATSD else 2) or driver in ("next", "later")
    for argsz in range(needed):
        answer = programs.answer(driver, region, argsz)
        if argsz < INFO:
            assert answer is None
            continue
        assert int.from_bytes(answer[:4], "little") == needed
        assert answer[12:16] == bytes(4) and answer[INFO:].strip(b"\xee") == b""


def golden(programs, driver):
    """(region, example, blob) of each golden blob a version was released with."""
    version = programs.versions[driver]
    examples = compat.document(version.spec)["golden"]
    assert sorted(path.name for path in version.golden.glob("*.bin")) == \
        sorted(example["file"] for example in examples) != []
    return [(REGIONS[example["region"]], example, (version.golden / example["file"]).read_bytes())
            for example in examples]


@pytest.mark.parametrize("driver", VERSIONS)
def test_golden_blobs_are_what_the_driver_answers(programs, driver):
    """Byte for byte, for the values the blobs are made of."""
    for region, example, blob in golden(programs, driver):
        needed = programs.needed(driver, region)
        assert programs.answer(driver, region, needed, example["size"], example["values"]) == blob


@pytest.mark.parametrize("driver", VERSIONS)
@pytest.mark.parametrize("client", CLIENTS, ids="-".join)
def test_golden_blobs_are_read(programs, driver, client):
    for region, example, blob in golden(programs, driver):
        assert programs.read(*client, blob) == \
            expected(client, driver, region, values=example["values"])


#: {fault: (edit of the marshalling, what is wrong then)}
FAULTS = {
    "another field": ("chain->lnkspd.link_speed = values->link_speed;",
                      "chain->lnkspd.__pad = values->link_speed;"),
    "a record skipped": ("chain->ssatgt.header.next = base + offsetof(struct nvlink2_atsd_caps, lnkspd);",
                         "chain->ssatgt.header.next = base - base;"),
    "another id": ("chain->lnkspd.header.id = VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD;",
                   "chain->lnkspd.header.id = 6;"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_driver_is_noticed(programs, tmp_path, fault):
    """The comparison of the other tests fails for a driver that breaks the interface."""
    old, new = FAULTS[fault]
    text = (sides.ROOT / "generated/kernel/nvlink2_regions.h").read_text(encoding="utf-8")
    assert text.count(old) == 1
    programs = programs.with_marshalling(tmp_path / "broken", "tree", text.replace(old, new))
    answer = programs.answer("tree", ATSD, programs.needed("tree", ATSD), SIZE)
    for client in (("cast", "linux"), ("decoder", "v1")):
        assert programs.read(*client, answer) != expected(client, "tree", ATSD)


def test_a_newer_record_that_inserts_is_noticed(programs):
    """A newer version may only append: here a program of before would read another field."""
    answer = programs.answer("next", ATSD, programs.needed("next", ATSD))
    chain = [(cap, record[:8] + b"\x55" * 8 + record[8:-8] if cap == 5 else record)
             for cap, record in compat.records(answer)]
    moved = compat.assemble(answer, chain)
    for client in (("cast", "linux"), ("decoder", "v1"), ("decoder", "next")):
        assert programs.read(*client, answer) == expected(client, "next", ATSD)
        assert programs.read(*client, moved) != expected(client, "next", ATSD)
