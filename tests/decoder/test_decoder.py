# SPDX-License-Identifier: GPL-2.0-only
"""
The generated decoder, under the sanitizers: the C tests in this folder, one item each, in
several builds; mutants of the decoder that those tests must reject; and which compilers
take it.

DECODER_SEED repeats a run of the random tests, DECODER_ROUNDS makes it longer.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..sanitized import compile_program, run_program
from ..uapi.compilers import COMPILERS, STANDARDS, compile_one

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DECODER = ROOT / "generated/user/vfio_nvlink2_decode.h"
BUILD = ROOT / "build/tests-decoder"
SOURCES = sorted(HERE.glob("*.c"))
FLAGS = ["-I", str(ROOT / "uapi")]

# Whose compiler, and whether the byte order is the machine's or spelled out.
BUILDS = {"gcc": ("gcc", []), "gcc-le": ("gcc", ["-DVFIO_NVLINK2_DECODE_LE"]),
          "clang": ("clang", [])}
NAMES = [name for path in SOURCES
         for name in re.findall(r"cmocka_unit_test\((\w+)\)", path.read_text("utf-8"))]


def build(program, compiler, flags, include):
    """Compiles every C file here with the decoder found in `include`."""
    compile_program(program, compiler, SOURCES, [*FLAGS, *flags, "-I", str(include)])


def run(program, cpu_seconds=120, **environment):
    """One run of all tests, as run_program() returns it."""
    return run_program(program, cpu_seconds, GOLDEN=str(ROOT / "generated/user/golden"),
                       **environment)


@pytest.fixture(name="results", scope="session")
def results_fixture():
    """The outcome of each build, made once, when it is first asked for."""
    made = {}

    def results(name):
        if name not in made:
            compiler, flags = BUILDS[name]
            program = BUILD / name
            build(program, compiler, flags, DECODER.parent)
            made[name] = run(program)
        return made[name]

    return results


def test_decoder_every_file_has_its_tests():
    assert len(NAMES) == len(set(NAMES)) > 25
    for path in HERE.glob("test_*.c"):
        text = path.read_text("utf-8")
        defined = set(re.findall(r"^static void (test_\w+)\(", text, flags=re.M))
        assert defined == set(re.findall(r"cmocka_unit_test\((\w+)\)", text)), path.name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BUILDS)
def test_decoder(results, kind, name):
    verdicts, output, _ = results(kind)
    assert verdicts.get(name), output[-4000:]


@pytest.mark.parametrize("kind", BUILDS)
def test_decoder_run_is_clean(results, kind):
    """No complaint of a sanitizer either, and no test that is not known here."""
    verdicts, output, status = results(kind)
    assert status == 0, output[-4000:]
    assert set(verdicts) == set(NAMES)
    assert "Sanitizer" not in output and "runtime error" not in output


@pytest.mark.parametrize("kind", ["gcc"])
def test_decoder_fuzz_repeats_with_its_seed(results, kind):
    results(kind)
    outputs = [run(BUILD / kind, DECODER_SEED="12345", DECODER_ROUNDS="50")[1] for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("# DECODER_SEED=12345 DECODER_ROUNDS=50\n") == 3


# Each is one small mistake in the decoder: (what stands there, what stands there instead).
MUTANTS = {
    "length_off_by_one": ("if (len < 32)", "if (len < 31)"),
    "length_unchecked": ("if (argsz > len)", "if (argsz > len + 8)"),
    "argsz_unchecked": ("if (argsz < 32)", "if (argsz < 31)"),
    "header_unchecked": ("if (offset > end || end - offset < 8)", "if (offset > end)"),
    "offset_wraps": ("if (offset > end || end - offset < 8)",
                     "if ((__u32)(offset + 8) > end)"),
    "alignment_of_4": ("if (offset % 8)", "if (offset % 4)"),
    "aligned_reads": ("\t__u32 value;\n\n\tmemcpy(&value, (const unsigned char *)buf + offset, "
                      "sizeof(value));\n\treturn value;",
                      "\treturn *(const __u32 *)((const char *)buf + offset);"),
    "cycle_to_itself": ("if (next <= cap->offset)", "if (next < cap->offset)"),
    "cycle_unchecked": ("if (next <= cap->offset)", "if (next < 32)"),
    "into_the_header": ("if (offset < 32)\n", "if (0)\n"),
    "flag_ignored": ("& VFIO_REGION_INFO_FLAG_CAPS))", "& 0xffffffff))"),
    "room_up_to_the_end": ("(next >= offset + 8 && next < end ? next : end)", "end"),
    "room_of_less_than_a_header": ("next >= offset + 8 &&", "next > offset &&"),
    "record_room_of_8": ("if (cap->room < 16)", "if (cap->room < 8)"),
    "version_0_known": ("switch (cap->version ? cap->id : 0)", "switch (cap->id)"),
    "newer_version_unknown": ("switch (cap->version ? cap->id : 0)",
                              "switch (cap->version == 1 ? cap->id : 0)"),
    "last_record_counts": ("\t\tif (out->has_ssatgt)\n\t\t\tbreak;\n", ""),
    "unknown_not_counted": ("out->unknown_caps++;", ";"),
    "field_at_wrong_offset": ("out->subtype = vfio_nvlink2_get32(cap->data, 12)",
                              "out->subtype = vfio_nvlink2_get32(cap->data, 8)"),
    "tgt_of_32_bits": ("out->tgt = vfio_nvlink2_get64(cap->data, 8)",
                       "out->tgt = vfio_nvlink2_get32(cap->data, 8)"),
    "vendor_ignored": ("type == VFIO_NVLINK2_REGION_TYPE_IBM &&", "type &&"),
    "stale_output": ("memset(out, 0, sizeof(*out));", ";"),
    "error_swallowed": ("return status == VFIO_NVLINK2_END ? VFIO_NVLINK2_OK : status;",
                        "return status == VFIO_NVLINK2_E_CYCLE ? VFIO_NVLINK2_OK :\n"
                        "\t\tstatus == VFIO_NVLINK2_END ? VFIO_NVLINK2_OK : status;"),
    "wrong_speed": ('return "25.78125";', 'return "25.78";'),
}


@pytest.fixture(name="mutants", scope="session")
def mutants_fixture():
    """
    All at once, two at a time: {name: (verdicts, output, status)} or the error of the build.
    "" is the decoder as it is.
    """
    def one(name):
        old, new = MUTANTS.get(name, ("", ""))
        text = DECODER.read_text("utf-8")
        if old not in text:
            return f"{old!r} is not in the decoder any more"
        folder = BUILD / "mutants" / (name or "none")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DECODER.name).write_text(text.replace(old, new), "utf-8")
        try:
            build(folder / "program", "gcc", ["-O0", "-g0", "-Wno-error"], folder)
            return run(folder / "program", 3, DECODER_SEED="1", DECODER_ROUNDS="500",
                       ASAN_OPTIONS="detect_leaks=0")
        except AssertionError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(["", *MUTANTS], pool.map(one, ["", *MUTANTS])))


def test_decoder_without_a_mistake_is_not_rejected(mutants):
    assert not isinstance(mutants[""], str), mutants[""]
    assert mutants[""][2] == 0, mutants[""][1][-4000:]


@pytest.mark.parametrize("name", MUTANTS)
def test_decoder_mutant_is_rejected(mutants, name):
    outcome = mutants[name]
    assert not isinstance(outcome, str), outcome
    assert outcome[2] != 0, f"no test notices {name}"


USER = '#include "vfio_nvlink2_decode.h"\n' * 2 + """
int use(const void *buf, size_t len);

int use(const void *buf, size_t len)
{
	struct vfio_nvlink2_region region;
	struct vfio_nvlink2_cap cap;
	enum vfio_nvlink2_status status = vfio_nvlink2_decode(buf, len, &region);

	if (status != VFIO_NVLINK2_OK)
		return vfio_nvlink2_status_name(status)[0];
	for (status = vfio_nvlink2_cap_first(buf, len, &cap); status == VFIO_NVLINK2_OK;
	     status = vfio_nvlink2_cap_next(buf, len, &cap))
		;
	if (region.kind != VFIO_NVLINK2_KIND_NONE)
		return vfio_nvlink2_kind_name(region.kind)[0];
	return vfio_nvlink2_speed_gbit(region.link_speed) != NULL;
}
"""


@pytest.mark.parametrize("language", STANDARDS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_decoder_compiles(compiler, language):
    complaints = {}
    for standard in STANDARDS[language]:
        for define in ([], ["-DVFIO_NVLINK2_DECODE_LE"]):
            text = compile_one(compiler, language, USER, f"-std={standard}", *define,
                               "-I", str(DECODER.parent))
            if text:
                complaints[standard, *define] = text
    assert not complaints


def test_decoder_compiles_finds_a_planted_error(tmp_path):
    (tmp_path / DECODER.name).write_text("// not C90\n" + DECODER.read_text("utf-8"), "utf-8")
    assert compile_one("gcc", "c", USER, "-std=c90", "-I", str(tmp_path)) != ""
    assert compile_one("gcc", "c", USER, "-std=c99", "-I", str(tmp_path)) == ""
