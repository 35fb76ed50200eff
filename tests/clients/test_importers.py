# SPDX-License-Identifier: GPL-2.0-only
"""
Those who import the header: a C++ program and a Python program, each with what it reads in the
golden blobs compared with what the spec says is in them.
"""

import random
import re
import shutil
import signal
import struct
import subprocess
import sys

import pytest

from codegen import cli
from codegen.tests.support import mutate
from codegen.tests.test_evolution import GROWN, WITHOUT, includes
from lab import limits
from lab.paths import ROOT
from tests.packaging import installed
from tests.uapi.compilers import COMPILERS, STANDARDS, WARNINGS, command

from . import golden, pythonmodule

HERE = ROOT / "tests/clients"
# As they are installed, and found as programs find them.
IMPORTED = installed.flags()
MODULE, HEADER = installed.MODULE, installed.HEADER
SANITIZED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
STATUSES = ("OK", "END", "E_SHORT", "E_TRUNCATED", "E_OFFSET", "E_ALIGN", "E_CYCLE", "E_RECORD")
ROUNDS = 4000

vfio_nvlink2 = pythonmodule.load(MODULE)


def compile_program(compiler, source, target, *flags):
    """Compiles one program; its complaint is the failure."""
    assert shutil.which(compiler), f"{compiler} is missing: run `sh setup.sh test`"
    done = subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", *flags, *IMPORTED,
                           "-o", target, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(name="importer", scope="module", params=["g++", "clang++"])
def importer_fixture(request, tmp_path_factory):
    """The C++ program, under the sanitizers."""
    return compile_program(request.param, HERE / "importer.cpp",
                           tmp_path_factory.mktemp("cxx") / "importer", "-std=c++11", "-pedantic",
                           *SANITIZED)


def run(*words):
    """(exit status, lines, what stands on standard error)"""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False,
                          timeout=limits.seconds(60))
    return done.returncode, done.stdout.splitlines(), done.stderr


def facts(blob):
    """The lines that both programs print of a golden blob, by what the spec says is in it."""
    region = golden.SPEC.region(blob.region)
    numbers = {"type": golden.SPEC.region_type(golden.SPEC.vendor(region.vendor)),
               "subtype": golden.SPEC.subtype(region.subtype).value, **blob.values}
    # vfio-pci gives every region 1 TiB of the device file's offsets.
    return [f"index {blob.index:#x}", f"flags {0xf if blob.size else 0x8:#x}",
            f"size {blob.size:#x}", f"offset {blob.index << 40:#x}", f"kind {blob.region}",
            *(f"{name} {number:#x}" for name, number in numbers.items())]


# Debian has no C++ library of clang's for another architecture.
@pytest.mark.parametrize("standard", STANDARDS["c++"])
@pytest.mark.parametrize("name", sorted({*COMPILERS} - {"ppc64le-clang"}))
def test_cxx_compiles(name, standard):
    done = subprocess.run([*command(name, "c++"), *WARNINGS, *IMPORTED, f"-std={standard}",
                           HERE / "importer.cpp"], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", golden.BLOBS)
def test_cxx_decodes_the_golden_blob(importer, name):
    blob, path = golden.BLOBS[name], golden.FOLDER / name
    wanted = [f"{path}: {line}" for line in facts(blob)]
    assert run(importer, path) == (0, wanted, "")
    assert run(sys.executable, MODULE, "--byteorder=little", path) == (0, wanted, "")


def test_cxx_shows_what_python_shows(importer, tmp_path):
    """Of a record that lacks, one that nobody knows, and a region that is none of NVLink2's."""
    whole = (golden.FOLDER / "atsd.bin").read_bytes()
    paths = [golden.without("atsd.bin", name, tmp_path) for name in ("ssatgt", "lnkspd")]
    for name, at, value, said in (("unknown", 48, 99, "unknown records 1"),
                                  ("other", 44, 2, "kind none of NVLink2")):
        blob = bytearray(whole)
        struct.pack_into("<H", blob, at, value)
        paths.append(tmp_path / name)
        paths[-1].write_bytes(blob)
        assert f"{paths[-1]}: {said}" in run(importer, paths[-1])[1]
    of_cxx = run(importer, *paths)
    assert of_cxx[0] == 0 and of_cxx == run(sys.executable, MODULE, "--byteorder=little", *paths)


def test_cxx_refuses_what_is_wrong(importer, tmp_path):
    """Every blob cut anywhere, and one whose chain goes back."""
    for name in golden.BLOBS:
        whole = (golden.FOLDER / name).read_bytes()
        for length in range(0, len(whole), 4):
            (tmp_path / "cut").write_bytes(whole[:length])
            assert run(importer, tmp_path / "cut")[0] == 1, (name, length)
    blob = bytearray((golden.FOLDER / "atsd.bin").read_bytes())
    struct.pack_into("<I", blob, 32 + 4, 32)
    (tmp_path / "cycle").write_bytes(blob)
    status, _, complaint = run(importer, tmp_path / "cycle")
    assert status == 1 and "the chain goes back" in complaint
    # Far enough that what is left of the buffer would be less than nothing.
    struct.pack_into("<I", blob, 12, 0xfffffff8)
    (tmp_path / "far").write_bytes(blob)
    status, _, complaint = run(importer, tmp_path / "far")
    assert status == 1 and complaint.endswith("a record is outside of the buffer\n")
    # Without the flag the offset means nothing.
    struct.pack_into("<I", blob, 4, 0x7)
    (tmp_path / "none").write_bytes(blob)
    status, lines, _ = run(importer, tmp_path / "none")
    assert status == 0 and not any("kind" in line for line in lines)
    assert run(importer, tmp_path / "absent")[0] == 2


@pytest.mark.parametrize("name", golden.BLOBS)
def test_python_decodes_the_golden_blob(name):
    blob = golden.BLOBS[name]
    region = vfio_nvlink2.decode((golden.FOLDER / name).read_bytes(), "little")
    assert (region.index, region.size, region.kind) == (blob.index, blob.size, blob.region)
    assert region.flags == (0xf if blob.size else 0x8)
    assert region.has_type and region.unknown_caps == 0
    assert (region.has_ssatgt, region.has_lnkspd) == (True, blob.region == "atsd")
    assert (region.tgt, region.link_speed) == (blob.values["tgt"], blob.values.get("link_speed"))


@pytest.mark.parametrize("name", golden.BLOBS)
def test_python_overlays_the_golden_blob(name):
    """The structs, where a program lays them over the bytes itself."""
    if sys.byteorder != "little":
        pytest.fail("the golden blobs are little endian, and this machine is not")
    blob, data = golden.BLOBS[name], (golden.FOLDER / name).read_bytes()
    info = vfio_nvlink2.vfio_region_info.from_buffer_copy(data)
    assert (info.argsz, info.index, info.size) == (len(data), blob.index, blob.size)
    kinds = {vfio_nvlink2.VFIO_REGION_INFO_CAP_NVLINK2_SSATGT:
             (vfio_nvlink2.vfio_region_info_cap_nvlink2_ssatgt, "tgt"),
             vfio_nvlink2.VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD:
             (vfio_nvlink2.vfio_region_info_cap_nvlink2_lnkspd, "link_speed")}
    found, at = {}, info.cap_offset
    while at:
        header = vfio_nvlink2.vfio_info_cap_header.from_buffer_copy(data, at)
        if header.id in kinds:
            record, field = kinds[header.id]
            found[field] = getattr(record.from_buffer_copy(data, at), field)
        at = header.next
    assert found == blob.values


def test_python_reads_big_endian():
    """The same region as a big-endian machine would have it."""
    numbers = struct.pack(">IIIIQQ", 64, 0xf, 9, 32, 0x4000000, 9 << 40)
    chain = struct.pack(">HHIII", 2, 1, 48, 0x800010de, 1) + struct.pack(">HHIQ", 4, 1, 0, 0x1234)
    region = vfio_nvlink2.decode(numbers + chain, "big")
    assert (region.kind, region.tgt) == ("gpu_ram", 0x1234)
    with pytest.raises(ValueError, match="byteorder is"):
        vfio_nvlink2.decode(numbers + chain, "middle")


def test_python_program(tmp_path):
    status, lines, complaint = run(sys.executable, MODULE, "--byteorder=little",
                                   golden.FOLDER / "atsd.bin")
    assert (status, complaint) == (0, "")
    said = [line.partition(": ")[2] for line in lines]
    assert said == ["index 0x9", "flags 0xf", "size 0x10000", "offset 0x90000000000", "kind atsd",
                    "type 0x80001014", "subtype 0x1", "tgt 0x400000000", "link_speed 0x8"]
    (tmp_path / "short").write_bytes(b"short")
    status, lines, complaint = run(sys.executable, MODULE, tmp_path / "short",
                                   golden.FOLDER / "gpu_ram.bin")
    assert status == 1 and "too short for a struct vfio_region_info" in complaint
    # One that is wrong does not keep the others back.
    assert any(": tgt 0x400000000" in line for line in lines)
    status, _, complaint = run(sys.executable, MODULE, tmp_path / "none")
    assert status == 2 and "No such file" in complaint
    assert run(sys.executable, MODULE)[0] == 2
    status, lines, _ = run(sys.executable, MODULE, "--help")
    assert status == 0 and any("exit status" in line for line in lines)


def of_python(module, data, more):
    """Returns the verdict of the decoder for Python, in the words of verdicts.c."""
    status, region = "OK", None
    try:
        region = module.decode(data, "little")
    except module.DecodeError as error:
        status, region = error.status, error.region
    region = region or module.Region()
    words = [STATUSES.index(status), region.index, region.flags, region.size, region.offset,
             region.kind or "none", region.has_type, region.type, region.subtype, region.has_ssatgt,
             region.tgt, region.has_lnkspd, region.link_speed, region.unknown_caps]
    words += [getattr(region, name) for name in more]
    return " ".join(str(word if isinstance(word, str) else int(word or 0)) for word in words)


def buffers(folder):
    """Golden blobs, each cut, and with numbers changed where chains are made of them."""
    chance = random.Random(20181211)
    blobs = [(folder / name).read_bytes() for name in golden.BLOBS]
    corpus = sorted((ROOT / "tests/decoder/fuzz/corpus").iterdir())
    assert len(corpus) > 20
    yield from (path.read_bytes() for path in corpus)
    yield from (blob[:length] for blob in blobs for length in range(len(blob) + 1))
    for _ in range(ROUNDS):
        blob = bytearray(chance.choice(blobs) + bytes(chance.choice((0, 0, 8, 40))))
        for _ in range(chance.randint(1, 4)):
            at = chance.choice((0, 4, 12, 32, 34, 36, 48, 50, 52, 64, 66, 68))
            size = 4 if at % 4 == 0 and at not in (32, 48, 64) else 2
            if at + size <= len(blob):
                value = chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 12, 31, 32, 36, 44, 47, 48, 52, 56,
                                       60, 64, 68, 72, 80, 88, 96, 104, 65535))
                blob[at:at + size] = value.to_bytes(size, "little")
        yield bytes(blob)


@pytest.fixture(name="in_time")
def in_time_fixture():
    """A decoder that walks in circles fails its test, which else would not end."""
    def stop(*_):
        raise TimeoutError("the decoder for Python does not end")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def verdicts(program, module, data, more=()):
    """The verdicts of the decoder for C, once it is seen that the one for Python has the same."""
    done = subprocess.run([program], input=b"".join(struct.pack("<I", len(one)) + one
                                                    for one in data),
                          capture_output=True, check=True, timeout=limits.seconds(120))
    of_c = done.stdout.decode().splitlines()
    assert len(of_c) == len(data)
    of_both = [(one.hex(), c, of_python(module, one, more)) for one, c in zip(data, of_c)]
    differ = [entry for entry in of_both if entry[1] != entry[2]]
    assert not differ, differ[:3]
    assert {STATUSES[int(line.split()[0])] for line in of_c} == {*STATUSES} - {"END"}
    return of_c


@pytest.mark.usefixtures("in_time")
def test_python_says_what_c_says(tmp_path):
    """Of thousands of buffers, most of them wrong; each status is met."""
    program = compile_program("gcc", HERE / "verdicts.c", tmp_path / "verdicts", "-std=gnu11",
                              "-I", ROOT / "generated/user", *SANITIZED)
    verdicts(program, vfio_nvlink2, list(buffers(golden.FOLDER)))


def test_python_has_the_numbers_of_the_header(tmp_path):
    """Each name of a constant, as the compiler has it."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text("utf-8"), flags=re.S)
    names = set(re.findall(r"^#define[ \t]+(VFIO_\w+)[ \t]+\S", text, flags=re.M))
    assert len(names) >= 14
    names |= {name for name in dir(vfio_nvlink2) if name.startswith("VFIO_")}
    lines = "".join(f'\tprintf("{name} %llu\\n", (unsigned long long)(__u32)({name}));\n'
                    for name in sorted(names))
    source = tmp_path / "numbers.c"
    source.write_text(f"#include <stdio.h>\n#include <linux/vfio_nvlink2.h>\nint main(void)\n{{\n"
                      f"{lines}\treturn 0;\n}}\n", "utf-8")
    program = compile_program("gcc", source, tmp_path / "numbers")
    of_c = {name: int(number) for name, number in map(str.split, run(program)[1])}
    assert {name: getattr(vfio_nvlink2, name, None) for name in sorted(names)} == of_c


@pytest.mark.parametrize("old, new, says", [
    ('("tgt", ctypes.c_uint64)', '("tgt", ctypes.c_uint32)', "ssatgt has 12 bytes here, not 16"),
    ('("link_speed", ctypes.c_uint32),\n        ("__pad", ctypes.c_uint32)',
     '("__pad", ctypes.c_uint32),\n        ("link_speed", ctypes.c_uint32)',
     "link_speed of struct vfio_region_info_cap_nvlink2_lnkspd is at 12 with 4 bytes here, not at 8"),
    ('("id", ctypes.c_uint16),\n        ("version", ctypes.c_uint16)',
     '("id", ctypes.c_uint8),\n        ("version", ctypes.c_uint16)',
     "id of struct vfio_info_cap_header is at 0 with 1 bytes here, not at 0 with 2"),
])
def test_python_asserts_the_layout(tmp_path, old, new, says):
    """Also where Python has to leave assertions out."""
    text = MODULE.read_text("utf-8")
    assert text.count(old) == 1
    (tmp_path / "vfio_nvlink2.py").write_text(text.replace(old, new), "utf-8")
    status, _, complaint = run(sys.executable, "-O", tmp_path / "vfio_nvlink2.py", "--help")
    assert status == 1 and "LayoutError: " in complaint and says in complaint


@pytest.fixture(name="tree", scope="module")
def tree_fixture(tmp_path_factory):
    """The files that are generated from a spec that has grown."""
    tree = tmp_path_factory.mktemp("grown")
    (tree / "spec.yaml").write_text(mutate(*GROWN)[0], "utf-8")
    assert cli.main(["generate", "--spec", str(tree / "spec.yaml"), "--out", str(tree)]) == 0
    (tree / "system/linux").mkdir(parents=True)
    (tree / "system/linux/vfio.h").write_text(WITHOUT, "utf-8")
    return tree


@pytest.mark.usefixtures("in_time")
def test_python_of_a_spec_that_has_grown_says_what_c_says(tree, tmp_path):
    """Records of every version with room for some of the fields that came later."""
    grown = pythonmodule.load(tree / "generated/user/vfio_nvlink2.py")
    program = compile_program("gcc", HERE / "verdicts.c", tmp_path / "verdicts", "-std=gnu11",
                              "-DGROWN", *includes(tree), *SANITIZED)
    said = verdicts(program, grown, list(buffers(tree / "generated/user/golden")),
                    ("lanes", "errors", "owner"))
    assert {tuple(number != "0" for number in line.split()[-3:]) for line in said} >= {
        (False, False, False), (True, True, False), (True, True, True)}


def test_python_of_a_spec_that_has_grown(tree):
    """Records of version 3 and of version 1; the module of version 1 reads both."""
    grown = pythonmodule.load(tree / "generated/user/vfio_nvlink2.py")
    new = (tree / "generated/user/golden/atsd.bin").read_bytes()
    old = (golden.FOLDER / "atsd.bin").read_bytes()

    region = grown.decode(new, "little")
    assert (region.tgt, region.link_speed, region.lanes, region.errors, region.owner) == (
        0x400000000, 8, 4, 0x1234, 0x1122334455667788)
    region = grown.decode(old, "little")
    assert (region.tgt, region.link_speed, region.lanes, region.owner) == (0x400000000, 8, None, None)
    region = vfio_nvlink2.decode(new, "little")
    assert (region.tgt, region.link_speed, region.unknown_caps) == (0x400000000, 8, 0)
    assert grown.VFIO_NVLINK2_ABI_VERSION == 2
