# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info --from: golden buffers to the last number, broken ones with a sentence."""

import json
import struct

import pytest

from .support import GOLDEN, atsd, gpu_ram, region, speed_cap, tgt_cap, type_cap

RAM = {
    "index": 9, "kind": "gpu_ram", "size": 0x4000000, "offset": 9 << 40, "flags": 0xf,
    "flag_names": ["read", "write", "mmap", "caps"], "type": 0x800010de, "subtype": 1,
    "tgt": 0x400000000, "link_speed": None, "link_gbit_per_s": None,
    "capabilities": [{"id": 2, "version": 1, "offset": 32}, {"id": 4, "version": 1, "offset": 48}],
    "error": None,
}
ATSD = {
    "index": 9, "kind": "atsd", "size": 0x10000, "offset": 9 << 40, "flags": 0xf,
    "flag_names": ["read", "write", "mmap", "caps"], "type": 0x80001014, "subtype": 1,
    "tgt": 0x400000000, "link_speed": 8, "link_gbit_per_s": 25.78125,
    "capabilities": [{"id": 2, "version": 1, "offset": 32}, {"id": 4, "version": 1, "offset": 48},
                     {"id": 5, "version": 1, "offset": 64}],
    "error": None,
}
EMPTY = ATSD | {"size": 0, "flags": 8, "flag_names": ["caps"]}
EXPECTED = {"gpu_ram.bin": RAM, "atsd.bin": ATSD, "atsd_empty.bin": EMPTY}

TEXT = {
    "gpu_ram.bin": """\
    region 9  GPU RAM  64 MiB (0x4000000)  read write mmap
        target address 0x400000000
""",
    "atsd.bin": """\
    region 9  ATSD registers  64 KiB (0x10000)  read write mmap
        target address 0x400000000
        link speed 25.78125 Gbit/s
""",
    "atsd_empty.bin": """\
    region 9  ATSD registers  size 0  no access
        this link has no ATSD register set
        target address 0x400000000
        link speed 25.78125 Gbit/s
""",
}


def test_from_knows_every_golden_blob():
    assert {path.name for path in GOLDEN.glob("*.bin")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_from_golden_json(info, name):
    done = info("--json", "--from", GOLDEN / name)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "format": 1, "abi_version": 1, "devices": [],
        "files": [{"file": str(GOLDEN / name), "region": EXPECTED[name], "error": None}],
        "error": None}


@pytest.mark.parametrize("name", EXPECTED)
def test_from_golden_text(info, name):
    done = info("--from", GOLDEN / name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{GOLDEN / name}\n{TEXT[name]}"


def test_from_several_files_in_order(info):
    names = ["gpu_ram.bin", "atsd.bin"]
    done = info("-j", "-f", GOLDEN / names[0], "-f", GOLDEN / names[1])
    assert [entry["region"] for entry in json.loads(done.stdout)["files"]] == [RAM, ATSD]


def test_from_stdin(info):
    with open(GOLDEN / "atsd.bin", "rb") as blob:
        done = info("--json", "--from", "-", stdin=blob)
    assert done.returncode == 0
    assert json.loads(done.stdout)["files"] == [{"file": "-", "region": ATSD, "error": None}]


def decoded(info, tmp_path, blob, status=0):
    path = tmp_path / "region.bin"
    path.write_bytes(blob)
    done = info("--json", "--from", path)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)["files"][0], done.stderr


@pytest.mark.parametrize("code, gbit, text", [
    (3, 20, "20 Gbit/s"), (8, 25.78125, "25.78125 Gbit/s"), (9, 25, "25 Gbit/s"),
    (0xff, None, "unknown (0xff)"), (0, None, "unknown (0)"), (0xffffffff, None,
                                                               "unknown (0xffffffff)")])
def test_from_link_speed(info, tmp_path, code, gbit, text):
    entry, _ = decoded(info, tmp_path, atsd(speed=code))
    assert (entry["region"]["link_speed"], entry["region"]["link_gbit_per_s"]) == (code, gbit)
    assert f"link speed {text}\n" in info("--from", tmp_path / "region.bin").stdout


@pytest.mark.parametrize("size, text", [
    (1, "1 bytes (0x1)"), (1023, "1023 bytes (0x3ff)"), (128 << 30, "128 GiB (0x2000000000)"),
    ((1 << 64) - 1, "16.0 EiB (0xffffffffffffffff)"), (3 << 29, "1.5 GiB (0x60000000)")])
def test_from_size(info, tmp_path, size, text):
    entry, _ = decoded(info, tmp_path, gpu_ram(size=size, tgt=(1 << 64) - 1))
    assert (entry["region"]["size"], entry["region"]["tgt"]) == (size, (1 << 64) - 1)
    assert f"  {text}  read" in info("--from", tmp_path / "region.bin").stdout


def test_from_other_vendors_subtype_is_no_ram(info, tmp_path):
    blob = region(caps=[type_cap(0x8086), tgt_cap(5)])
    entry, _ = decoded(info, tmp_path, blob)
    assert (entry["region"]["kind"], entry["region"]["type"]) == ("none", 0x80008086)
    assert "type 0x80008086 subtype 1" in info("--from", tmp_path / "region.bin").stdout


def test_from_unknown_capability_is_reported(info, tmp_path):
    blob = region(caps=[type_cap(0x10de), (77, 3, b"\xff" * 8), tgt_cap(5)])
    entry, _ = decoded(info, tmp_path, blob)
    assert entry["region"]["capabilities"][1] == {"id": 77, "version": 3, "offset": 48}
    assert (entry["region"]["kind"], entry["region"]["tgt"]) == ("gpu_ram", 5)
    done = info("--from", tmp_path / "region.bin")
    assert "capability 77 version 3, not decoded\n" in done.stdout


def test_from_no_capabilities(info, tmp_path):
    entry, _ = decoded(info, tmp_path, region(index=3, size=0x4000, flags=7))
    assert entry["region"]["capabilities"] == []
    assert "region 3  BAR 3  16 KiB (0x4000)" in info("--from", tmp_path / "region.bin").stdout


CHAIN = region(caps=[type_cap(0x1014), tgt_cap(7), speed_cap(8)])


def patched(offset, form, value, blob=CHAIN):
    new = bytearray(blob)
    struct.pack_into(form, new, offset, value)
    return bytes(new)


BROKEN = {
    "empty": (b"", "too short", "0 bytes, and at least 32 are needed"),
    "31_bytes": (CHAIN[:31], "too short", "31 bytes, and at least 32 are needed"),
    "argsz_31": (patched(0, "<I", 31), "too short", "its argsz is 31"),
    "cut_off": (CHAIN[:-1], "did not fit", "argsz is 80, the buffer has 79 bytes"),
    "head_only": (CHAIN[:32], "did not fit", "argsz is 80, the buffer has 32 bytes"),
    "argsz_lies": (patched(0, "<I", 0xffffffff), "did not fit", "argsz is 4294967295"),
    "cap_in_header": (patched(12, "<I", 16), "outside", "at its first capability"),
    "cap_outside": (patched(12, "<I", 80), "outside", "at its first capability"),
    "cap_misaligned": (patched(12, "<I", 33), "not aligned", "at its first capability"),
    "next_self": (patched(52, "<I", 48), "backwards", "after the capability at offset 48"),
    "next_back": (patched(68, "<I", 32), "backwards", "after the capability at offset 64"),
    "next_outside": (patched(36, "<I", 4096), "outside", "after the capability at offset 32"),
    "next_overflow": (patched(36, "<I", 0xfffffff8), "outside", "offset 32"),
    "next_misaligned": (patched(36, "<I", 49), "not aligned", "offset 32"),
    "record_short": (patched(0, "<I", 72, CHAIN), "longer than the room",
                     "capability 5 at offset 64 has 8 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_from_broken(info, tmp_path, case):
    blob, what, where = BROKEN[case]
    entry, stderr = decoded(info, tmp_path, blob, status=1)
    assert what in entry["region"]["error"]["cause"]
    assert where in entry["region"]["error"]["cause"]
    assert entry["region"]["error"]["cause"] in stderr
    assert "region.bin" in stderr
    done = info("--from", tmp_path / "region.bin")
    assert (done.returncode, done.stderr) == (1, stderr)
    assert done.stdout.startswith(f"{tmp_path}/region.bin\n")


def test_from_broken_shows_what_came_before(info, tmp_path):
    entry, _ = decoded(info, tmp_path, BROKEN["next_self"][0], status=1)
    assert (entry["region"]["kind"], entry["region"]["tgt"]) == ("atsd", 7)
    assert entry["region"]["link_speed"] is None


def test_from_too_short_shows_no_numbers(info, tmp_path):
    entry, _ = decoded(info, tmp_path, CHAIN[:20], status=1)
    shown = entry["region"]
    assert [shown[key] for key in ("size", "offset", "flags", "kind", "tgt")] == [None] * 5
    assert "not read" in info("--from", tmp_path / "region.bin").stdout


def test_from_one_broken_file_does_not_hide_the_other(info, tmp_path):
    (tmp_path / "short").write_bytes(b"x")
    done = info("--json", "--from", tmp_path / "short", "--from", GOLDEN / "atsd.bin")
    assert done.returncode == 1
    assert json.loads(done.stdout)["files"][1]["region"] == ATSD


def test_from_every_truncation_is_refused(info, tmp_path):
    """One run for all lengths: each is a file of its own."""
    blob = (GOLDEN / "atsd.bin").read_bytes()
    arguments = []
    for length in range(len(blob)):
        path = tmp_path / f"{length:03}"
        path.write_bytes(blob[:length])
        arguments += ["--from", path]
    done = info("--json", *arguments)
    assert done.returncode == 1
    entries = json.loads(done.stdout)["files"]
    assert len(entries) == len(blob)
    assert all(entry["region"]["error"] for entry in entries)


@pytest.mark.parametrize("name, content, sentence", [
    ("missing", None, "there is no such file"),
    ("huge", (1 << 20) + 1, "longer than 1048576 bytes"),
])
def test_from_unreadable(info, tmp_path, name, content, sentence):
    path = tmp_path / name
    if content:
        path.write_bytes(bytes(content))
    done = info("--json", "--from", path)
    assert done.returncode == 1
    assert f"nvlink2-info: {path}: {sentence}" in done.stderr
    assert "--save" in done.stderr
    entry, = json.loads(done.stdout)["files"]
    assert entry["region"] is None
    assert sentence in entry["error"]["cause"]


def test_from_folder(info, tmp_path):
    done = info("--from", tmp_path)
    assert done.returncode == 1
    assert f"nvlink2-info: {tmp_path}: is a folder\n" in done.stderr
    assert "name one of the files in it" in done.stderr


@pytest.mark.parametrize("name", [
    b'quote"backslash\\newline\ntab\tbell\x07', b"caf\xc3\xa9", b"bad\xff\xc3", b"\xed\xa0\x80",
    b"\xf0\x9f\x9a\x80", b"\xc0\x80\xe0\x80\x80", b"\x7f\x1b[31m"])
def test_from_names_are_escaped_in_json(info, tmp_path, name):
    path = bytes(tmp_path) + b"/" + name
    with open(path, "wb") as file:
        file.write(gpu_ram())
    done = info("--json", "--from", path.decode("utf-8", "surrogateescape"))
    assert done.returncode == 0
    shown = json.loads(done.stdout)["files"][0]["file"]
    try:
        assert shown == path.decode("utf-8")
    except UnicodeDecodeError:
        assert shown.startswith(str(tmp_path))
        assert "\ufffd" in shown
