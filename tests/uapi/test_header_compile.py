# SPDX-License-Identifier: GPL-2.0-only
"""
<linux/vfio_nvlink2.h> compiles for everybody: languages, compilers, targets, orders of
inclusion, with a <linux/vfio.h> that has its definitions, has none, or has wrong ones.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import limits

from .compilers import COMPILERS, STANDARDS, command, compile_one, without_nvlink2

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEADER = ROOT / "uapi/linux/vfio_nvlink2.h"
OURS, THEIRS = "#include <linux/vfio_nvlink2.h>\n", "#include <linux/vfio.h>\n"
ORDERS = {"alone": OURS, "twice": OURS + OURS, "after": THEIRS + OURS, "before": OURS + THEIRS,
          "around": OURS + THEIRS + OURS}
CONSUMER = f'#include "{HERE}/consumer.h"\n'


def compile_matrix(name, language, *flags):
    """Every standard and order; those that failed, with the complaint."""
    cases = [(standard, order) for standard in STANDARDS[language] for order in ORDERS]
    with ThreadPoolExecutor(2) as pool:
        complaints = list(pool.map(
            lambda case: compile_one(name, language, ORDERS[case[1]] + CONSUMER,
                                     f"-std={case[0]}", *flags), cases))
    return {case: text for case, text in zip(cases, complaints) if text}


def system_header(name):
    """The <linux/vfio.h> that a compiler finds."""
    done = subprocess.run([*command(name, "c"), "-M", "-"], input=THEIRS, capture_output=True,
                          text=True, timeout=limits.seconds(60), check=False)
    assert done.returncode == 0, done.stderr
    return Path(next(word for word in done.stdout.split() if word.endswith("/linux/vfio.h")))


def doctored(name, folder, change):
    """Flags that put a changed <linux/vfio.h> before the system's."""
    before = system_header(name).read_text("utf-8")
    after = change(before)
    assert after != before
    (folder / "linux").mkdir(parents=True)
    (folder / "linux/vfio.h").write_text(after, "utf-8")
    return ["-isystem", str(folder)]


@pytest.mark.parametrize("language", STANDARDS)
@pytest.mark.parametrize("name", COMPILERS)
def test_header_with_the_systems_definitions(name, language):
    assert "struct vfio_region_info_cap_nvlink2_ssatgt" in system_header(name).read_text("utf-8")
    assert compile_matrix(name, language) == {}


@pytest.mark.parametrize("language", STANDARDS)
@pytest.mark.parametrize("name", COMPILERS)
def test_header_with_its_own_definitions(name, language, tmp_path):
    flags = doctored(name, tmp_path, without_nvlink2)
    # Without ours there is nothing to use: it is ours that the matrix uses.
    complaint = compile_one(name, language, THEIRS + CONSUMER, *flags)
    assert "vfio_region_info_cap_nvlink2_ssatgt" in complaint
    assert compile_matrix(name, language, *flags) == {}


def swap(old, new):
    def change(text):
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in <linux/vfio.h>"
        return text.replace(old, new)
    return change


SSATGT = "\tstruct vfio_info_cap_header header;\n\t__u64 tgt;\n"
LNKSPD = "\tstruct vfio_info_cap_header header;\n\t__u32 link_speed;\n\t__u32 __pad;\n"
PAD = "\t__u32 link_speed;\n\t__u32 __pad;\n"
DIFFERENT = {
    "ssatgt_longer": (swap(SSATGT, SSATGT + "\t__u64 more;\n"), "ssatgt_struct_size"),
    "ssatgt_narrower": (swap(SSATGT, SSATGT.replace("64 tgt", "32 tgt")), "ssatgt_tgt_size"),
    "ssatgt_reordered": (swap(SSATGT, "\t__u64 tgt;\n\tstruct vfio_info_cap_header header;\n"),
                         "ssatgt_tgt_offset"),
    "lnkspd_shorter": (swap(PAD, "\t__u32 link_speed;\n"), "lnkspd_struct_size|__pad"),
    "lnkspd_swapped": (swap(PAD, "\t__u32 __pad;\n\t__u32 link_speed;\n"),
                       "lnkspd_link_speed_offset"),
    "ssatgt_id": (swap("#define VFIO_REGION_INFO_CAP_NVLINK2_SSATGT\t4",
                       "#define VFIO_REGION_INFO_CAP_NVLINK2_SSATGT\t5"),
                  "VFIO_REGION_INFO_CAP_NVLINK2_SSATGT of <linux/vfio.h> is not 4"),
    "lnkspd_id": (swap("#define VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD\t5",
                       "#define VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD\t4"),
                  "VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD of <linux/vfio.h> is not 5"),
    "ram_subtype": (swap("VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM\t(1)",
                         "VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM\t(2)"),
                    "VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM of <linux/vfio.h> is not 1"),
    "atsd_subtype": (swap("VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD\t(1)",
                          "VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD\t(2)"),
                     "VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD of <linux/vfio.h> is not 1"),
}


@pytest.mark.parametrize("difference", DIFFERENT)
@pytest.mark.parametrize("language, standard", [("c", "c90"), ("c++", "c++11")])
@pytest.mark.parametrize("name", COMPILERS)
def test_header_refuses_a_different_system(name, language, standard, difference, tmp_path):
    """With our header alone: no consumer that could object in its stead."""
    # The layout of 6.12 and later reads __aligned_u64, which is the same layout.
    change, says = DIFFERENT[difference]
    flags = doctored(name, tmp_path, lambda text: change(text.replace("__aligned_u64 tgt",
                                                                      "__u64 tgt")))
    complaint = compile_one(name, language, OURS, f"-std={standard}", *flags)
    assert re.search(says, complaint), complaint or "compiled without complaint"
    if says.startswith(("ssatgt", "lnkspd")):
        assert "_vfio_nvlink2_" in complaint


@pytest.mark.parametrize("name", COMPILERS)
def test_header_takes_both_types_of_tgt(name, tmp_path):
    """__u64 up to Linux 6.1, __aligned_u64 from 6.12."""
    found = []
    for kind in ("__u64", "__aligned_u64"):
        text = re.sub(r"__(aligned_)?u64 tgt;", f"{kind} tgt;",
                      system_header(name).read_text("utf-8"))
        assert f"\t{kind} tgt;" in text
        folder = tmp_path / kind
        (folder / "linux").mkdir(parents=True)
        (folder / "linux/vfio.h").write_text(text, "utf-8")
        found += compile_matrix(name, "c", "-isystem", str(folder))
    assert found == []


@pytest.mark.parametrize("name", COMPILERS)
def test_header_needs_no_c_library(name, tmp_path):
    """Only the kernel's own headers are within reach."""
    folder = system_header(name).parents[1]
    for part in ("linux", "asm-generic"):
        (tmp_path / part).symlink_to(folder / part)
    native = subprocess.run([*command(name, "c"), "-M", "-"], input="#include <asm/types.h>\n",
                            capture_output=True, text=True, timeout=limits.seconds(60), check=False)
    asm = next(word for word in native.stdout.split() if word.endswith("/asm/types.h"))
    (tmp_path / "asm").symlink_to(Path(asm).parent)
    flags = ["-nostdinc", "-isystem", str(tmp_path)]
    assert compile_one(name, "c", "#include <stddef.h>\n", *flags)
    # In C <linux/types.h> needs nothing more; in C++ neither.
    for language, standard in (("c", "c90"), ("c++", "c++11")):
        assert compile_one(name, language, OURS + CONSUMER, f"-std={standard}", *flags) == ""


def test_consumer_uses_every_definition():
    """Nothing that the header defines is left untried."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text("utf-8"), flags=re.S)
    names = set(re.findall(r"^#define[ \t]+(\w+)[ \t]+\S", text, flags=re.M))
    names |= set(re.findall(r"^struct (\w+) \{", text, flags=re.M))
    for body in re.findall(r"^struct \w+ \{(.*?)\};", text, flags=re.M | re.S):
        names |= set(re.findall(r"(\w+);", body))
    # Helper macros have arguments and the guard no value.
    assert len(names) >= 20
    assert {name for name in names
            if not re.search(rf"\b{name}\b", (HERE / "consumer.h").read_text("utf-8"))} == set()


@pytest.mark.parametrize("language, line, content", [
    ("c", "// a comment of C99", {"c99", "c11", "c17", "c2x"}),
    ("c", "enum { VFIO_NVLINK2_ONE, };", {"c99", "c11", "c17", "c2x"}),
    ("c++", "extern int *class;", set()),
    ("c++", "auto vfio_nvlink2(auto x) { return x; }", {"c++20"}),
])
def test_matrix_finds_a_planted_error(tmp_path, language, line, content):
    """A header that not every standard takes is seen to fail in the others."""
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux/vfio_nvlink2.h").write_text(
        HEADER.read_text("utf-8").replace("#include <linux/types.h>\n",
                                          f"#include <linux/types.h>\n{line}\n", 1), "utf-8")
    failed = {standard for standard, _ in compile_matrix("gcc", language, "-I", str(tmp_path))}
    assert failed == set(STANDARDS[language]) - content
