# SPDX-License-Identifier: GPL-2.0-only
"""The generated kernel marshalling, compiled natively and run with failing allocations."""

import subprocess
from types import SimpleNamespace

import pytest

from lab import limits

from .compilers import compile_c
from .support import DATA, ROOT

SHIM = ROOT / "codegen/tests/shim"
GPU_RAM, ATSD, COUNT = 0, 1, 2
TGT = 0x400000000
INFO = 32
GOLDEN = {GPU_RAM: "gpu_ram.bin", ATSD: "atsd.bin"}


@pytest.fixture(name="marshal", scope="module")
def marshal_fixture(tmp_path_factory):
    """A function that runs the generated marshalling with given values."""
    program = tmp_path_factory.mktemp("marshal") / "marshal"
    objection = compile_c((DATA / "marshal.c").read_text(), "-std=gnu11", "-I", str(SHIM),
                          "-I", str(ROOT / "generated/kernel"), "-I", str(ROOT / "uapi"),
                          "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g",
                          to=program)
    assert objection == ""

    def run(region, tgt=TGT, speed=8, fail=0, prior=0):
        result = subprocess.run([program, *map(str, (region, tgt, speed, fail, prior))],
                                capture_output=True, text=True, timeout=limits.seconds(60), check=False)
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        words = dict(word.split("=") for line in lines[:2] for word in line.split())
        chain = bytes.fromhex(lines[2]) if len(lines) > 2 else b""
        return SimpleNamespace(ret=int(words["ret"]), calls=int(words["calls"]), chain=chain,
                               size=int(words["size"]), buf=words["buf"] == "yes",
                               flags=int(words["flags"], 16),
                               flags_empty=int(words["flags_empty"], 16))
    return run


def records(chain):
    """(id, version, offset) in the order of the chain."""
    found, at = [], 0
    while True:
        cap_id, version = chain[at:at + 2], chain[at + 2:at + 4]
        found.append((int.from_bytes(cap_id, "little"), int.from_bytes(version, "little"), at))
        following = int.from_bytes(chain[at + 4:at + 8], "little")
        if not following:
            return found
        assert following - INFO > at
        at = following - INFO


@pytest.mark.parametrize("region", GOLDEN)
def test_marshal_equals_golden(marshal, region):
    answer = marshal(region)
    assert answer.ret == 0
    assert answer.chain == (ROOT / "generated/user/golden" / GOLDEN[region]).read_bytes()[INFO:]


def test_marshal_order_is_the_specs(marshal):
    assert records(marshal(GPU_RAM).chain) == [(2, 1, 0), (4, 1, 16)]
    assert records(marshal(ATSD).chain) == [(2, 1, 0), (4, 1, 16), (5, 1, 32)]


@pytest.mark.parametrize("prior", [1, 2, 5])
def test_marshal_keeps_what_was_there(marshal, prior):
    alone, answer = marshal(ATSD), marshal(ATSD, prior=prior)
    found = records(answer.chain)
    assert [cap_id for cap_id, *_ in found] == [0x100 + n for n in range(prior, 0, -1)] + [2, 4, 5]
    # The records themselves are the same; only their links moved.
    for n, (_, _, at) in enumerate(records(alone.chain)):
        moved = found[prior + n][2]
        assert moved == at + 16 * prior
        assert answer.chain[moved + 8:moved + 16] == alone.chain[at + 8:at + 16]


def test_marshal_values_arrive(marshal):
    answer = marshal(ATSD, tgt=0xfedcba9876543210, speed=0xffffffff)
    assert answer.chain[24:32] == 0xfedcba9876543210.to_bytes(8, "little")
    assert answer.chain[40:44] == b"\xff" * 4


def test_marshal_padding_is_zero(marshal):
    assert marshal(ATSD, tgt=2**64 - 1, speed=0xffffffff).chain[44:48] == bytes(4)


@pytest.mark.parametrize("region", GOLDEN)
def test_marshal_allocates_once(marshal, region):
    assert marshal(region).calls == 1


@pytest.mark.parametrize("region", GOLDEN)
@pytest.mark.parametrize("prior", [0, 3])
def test_marshal_failure_adds_nothing(marshal, region, prior):
    # One allocation for each prior record and one for TYPE; the next is ours.
    answer = marshal(region, fail=prior + 2, prior=prior)
    assert (answer.ret, answer.calls, answer.buf, answer.size) == (-12, 1, False, 0)


@pytest.mark.parametrize("region", [COUNT, COUNT + 1, -1, 0x7fffffff])
def test_marshal_no_such_region(marshal, region):
    answer = marshal(region, prior=2)
    assert (answer.ret, answer.calls, answer.buf, answer.size) == (-22, 0, True, 32)
    assert (answer.flags, answer.flags_empty) == (0, 0)


@pytest.mark.parametrize("region", GOLDEN)
def test_marshal_flags(marshal, region):
    """Size 0 offers nothing."""
    answer = marshal(region)
    assert (answer.flags, answer.flags_empty) == (7, 0)


@pytest.mark.parametrize("header", ["nvlink2_regions.h", "nvlink2_contract.h"])
def test_kernel_header_alone_and_twice(header):
    text = f'#include "{header}"\n#include "{header}"\nint main(void) {{ return 0; }}\n'
    assert compile_c(text, "-std=gnu11", "-I", str(SHIM), "-I", str(ROOT / "generated/kernel"),
                     "-I", str(ROOT / "uapi")) == ""


def test_contract_numbers():
    text = """
#include <string.h>
#include "nvlink2_contract.h"
#define PAIR(vendor, device) { vendor, device },
static const unsigned int ids[][2] = { NVLINK2_PCI_IDS(PAIR) };
_Static_assert(sizeof(ids) / sizeof(ids[0]) == 5, "PCI ids");
_Static_assert(NVLINK2_WINDOW_MAX == 1ULL << 40, "1 TiB");
_Static_assert(NVLINK2_WINDOW_ALIGN == 65536 && NVLINK2_ATSD_BLOCK == 65536, "64 KiB");
_Static_assert(sizeof(NVLINK2_WINDOW_ALIGN) == 8, "wide enough to be used in a mask");
_Static_assert(NVLINK2_LINK_SPEED_UNKNOWN == 0xff, "unknown speed");
_Static_assert(sizeof(NVLINK2_DT_IBM_NPU_LINK_INDEX) == sizeof("ibm,npu-link-index"), "name");
int main(void) { return ids[0][0] != 0x10de || ids[4][1] != 0x04ea; }
"""
    assert compile_c(text, "-std=gnu11", "-I", str(ROOT / "generated/kernel")) == ""
