# SPDX-License-Identifier: GPL-2.0-only
"""What happened to <linux/vfio.h>, replayed, and whether the kernel's headers agree with the spec."""

import json

import pytest

from abigate import cli

from . import systems
from .command import bench

#: Uses what QEMU uses of the NVLink2 definitions.
CONSUMER = """
#include <linux/vfio.h>

unsigned long long consumer(struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt,
			    struct vfio_region_info_cap_nvlink2_lnkspd *lnkspd, unsigned int id)
{
	switch (id) {
	case VFIO_REGION_INFO_CAP_NVLINK2_SSATGT:
		return ssatgt->tgt;
	case VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD:
		return lnkspd->link_speed;
	case VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM | VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD:
		return 1;
	}
	return 0;
}
"""
USED = {"VFIO_REGION_INFO_CAP_NVLINK2_SSATGT", "VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD",
        "VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM", "VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD",
        "struct vfio_region_info_cap_nvlink2_ssatgt", "struct vfio_region_info_cap_nvlink2_lnkspd"}
TGT = "struct vfio_region_info_cap_nvlink2_ssatgt"


@pytest.fixture(name="trees", scope="module")
def trees_fixture():
    """{suite: the kernel's headers}."""
    return {suite: systems.headers(suite) for suite in systems.SUITES}


@pytest.fixture(name="consumer")
def consumer_fixture(tmp_path):
    path = tmp_path / "consumer.c"
    path.write_text(CONSUMER, encoding="utf-8")
    return path


def gate(capsys, *args):
    """(exit status, the findings, the notes) of a run."""
    status = cli.main([*map(str, args), "--format", "json", "--quiet"], bench())
    captured = capsys.readouterr()
    assert captured.err == ""
    said = json.loads(captured.out)
    assert status == (1 if said["findings"] else 0)
    return status, said["findings"], said["notes"]


def test_the_suites_have_what_is_said_of_them(trees):
    for suite, series in systems.SUITES.items():
        version = trees[suite].parents[1].name
        assert version.startswith(f"{series}.") or suite == "forky", \
            f"linux-libc-dev of {suite} is {version}, not of the series {series}"


@pytest.mark.parametrize("suite", systems.SUITES)
def test_deletion_of_5_13_breaks_a_consumer(trees, suite, consumer, tmp_path, capsys):
    old, new = trees[suite], systems.without_nvlink2(trees[suite], tmp_path / "new")
    status, found, _ = gate(capsys, "--header", new, "--against", old / "linux/vfio.h",
                            "--consumer", consumer)
    assert status == 1
    assert {f["subject"] for f in found} == USED
    assert {f["rule"] for f in found} == {"MACRO_REMOVED", "STRUCT_REMOVED"}
    assert all(len(f["architectures"]) == 8 for f in found)
    # No detector alone is trusted with it.
    assert all(len(f["detectors"]) >= 3 for f in found)


def test_deletion_does_not_concern_others(trees, tmp_path, capsys):
    other = tmp_path / "other.c"
    other.write_text("#include <linux/vfio.h>\nstruct vfio_region_info info;\n", encoding="utf-8")
    new = systems.without_nvlink2(trees["bookworm"], tmp_path / "new")
    assert gate(capsys, "--header", new, "--against", trees["bookworm"] / "linux/vfio.h",
                "--consumer", other)[:2] == (0, [])


def test_aligned_u64_is_reported_as_exactly_that(trees, consumer, capsys):
    """Between 6.1 and 6.12 __u64 became __aligned_u64: i386's alignment changed, nothing else."""
    _, found, _ = gate(capsys, "--header", trees["trixie"] / "linux/vfio.h", "--against",
                       trees["bookworm"] / "linux/vfio.h", "--consumer", consumer)
    assert {(f["rule"], f["subject"]) for f in found} == {
        ("STRUCT_ALIGNMENT_CHANGED", TGT), ("FIELD_ALIGNMENT_CHANGED", f"{TGT}::tgt")}
    assert all(f["architectures"] == ["i386"] for f in found)
    assert all("4 -> 8" in " ".join(sum(f["detectors"].values(), [])) for f in found)


def test_nothing_changed_for_the_consumer_since(trees, consumer, capsys):
    assert gate(capsys, "--header", trees["forky"] / "linux/vfio.h", "--against",
                trees["trixie"] / "linux/vfio.h", "--consumer", consumer)[:2] == (0, [])


@pytest.mark.parametrize("suite", systems.SUITES)
def test_the_kernel_agrees_with_the_spec(trees, suite, capsys):
    status, found, notes = gate(capsys, "--system", trees[suite])
    assert (status, found) == (0, [])
    seen = [(n["rule"], n["subject"], n["architectures"]) for n in notes]
    assert seen == ([("SYSTEM_ALIGNMENT", TGT, ["i386"])] if suite == "bookworm" else [])


def test_a_kernel_that_differs_is_reported(trees, tmp_path, capsys):
    folder = tmp_path / "new"
    path = systems.without_nvlink2(trees["trixie"], folder)
    text = (trees["trixie"] / "linux/vfio.h").read_text(encoding="utf-8")
    assert text.count("__u32 link_speed;") == 1
    path.write_text(text.replace("__u32 link_speed;", "__u16 link_speed; __u16 more;"),
                    encoding="utf-8")
    # Without a compiler of its own, a system that contradicts the released header is no answer.
    status = cli.main(["--system", str(folder), "--quiet"], bench())
    assert status == 2
    assert "link_speed" in capsys.readouterr().err
