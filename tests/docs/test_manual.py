# SPDX-License-Identifier: GPL-2.0-only
"""The manual builds without a warning, has what it is to have, and no mistake passes."""

import html
import os
import re
import shutil

import pytest

from docs.builder import manual
from lab.paths import ROOT

PARTS = ("docs", "generated", "kernel", "spec")


@pytest.fixture(name="built", scope="module")
def built_fixture(tmp_path_factory):
    """The manual as it is, built once: the folder of its pages."""
    output = tmp_path_factory.mktemp("manual")
    assert manual.build(ROOT, output) == (0, "")
    return output / "html"


@pytest.fixture(name="copy", scope="module")
def copy_fixture(tmp_path_factory):
    """A copy of all that the manual is made of, and what Sphinx said when it was built."""
    copy = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part)
    # What pages link to.
    (copy / "abi-tests").mkdir()
    shutil.copy(ROOT / "abi-tests/module-face.txt", copy / "abi-tests")
    shutil.copy(ROOT / "abi-tests/MATRIX.md", copy / "abi-tests")
    shutil.copytree(ROOT / "abi-tests/examples", copy / "abi-tests/examples")
    (copy / "lab/mutants").mkdir(parents=True)
    shutil.copy(ROOT / "lab/mutants/mutants.yaml", copy / "lab/mutants")
    said = manual.build(copy, copy / "build")
    # Every mistake starts from these.
    shutil.copytree(copy / "build", copy / "kept")
    return copy, said


@pytest.fixture(name="tree")
def tree_fixture(copy):
    """The copy and its manual, without a mistake of another test."""
    tree, _ = copy
    # The times stay: Sphinx looks at them.
    shutil.rmtree(tree / "build")
    shutil.copytree(tree / "kept", tree / "build")
    return tree


def words(path):
    """The text of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", path.read_text("utf-8")))


def test_every_page_is_there(built):
    pages = {path.stem for path in (ROOT / "docs").glob("*") if path.suffix in (".md", ".rst")}
    assert pages <= {path.stem for path in built.glob("*.html")} and len(pages) > 14


def test_pictures_are_pictures(built):
    pictures = [path.read_text("utf-8") for path in (built / "_images").glob("*.svg")]
    assert len(pictures) == 5
    assert sum("0035:04:00.0" in text and "25.78125 Gbit/s" in text for text in pictures) == 1
    assert re.search(r"_images/graphviz-\w+\.svg", (built / "topology.html").read_text("utf-8"))


def documented():
    """Every function, struct and enum with a kernel-doc comment."""
    for folder in ("kernel", "generated/kernel", "generated/user"):
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            for name in re.findall(r"^/\*\*\n \* (?:struct |enum )?(\w+)(?:\(\))? - ",
                                   path.read_text("utf-8"), re.M):
                yield name


def test_every_comment_of_the_sources_shows(built):
    """A file that is not named on the page would be missing without a word."""
    names = set(documented())
    page = (built / "functions.html").read_text("utf-8")
    shown = {name.removeprefix("functions.") for name in re.findall(r'id="c\.([\w.]+)"', page)}
    assert names <= shown and len(names) > 50, names - shown
    assert {"vfio_nvlink2_decode", "nvlink2_platform_register", "nvlink2_range_ok"} <= names


def test_entries_and_reference_show(built):
    entries = words(built / "abi-files.html")
    for text in ("/sys/module/nvlink2_vfio_pci/parameters/strict_align", "unsigned long hpa",
                 "/sys/kernel/debug/nvlink2-sim/fail_read"):
        assert text in entries
    assert "VFIO_REGION_INFO_CAP_NVLINK2_SSATGT" in words(built / "interface.html")


def test_same_sources_are_the_same_manual(built, tmp_path):
    assert manual.build(ROOT, tmp_path)[0] == 0
    for path in built.glob("*.html"):
        assert path.read_bytes() == (tmp_path / "html" / path.name).read_bytes(), path.name


def append(text):
    """A change that adds to a file."""
    return lambda before: before + text


@pytest.mark.parametrize("file, change, warning", [
    ("docs/driver.md", append("\nSee [that](no-such-page.md).\n"), "no-such-page.md"),
    ("docs/driver.md", append("\n#### Too deep\n\n### Then\n\n##### Deeper\n"), "level"),
    ("docs/topology.rst", append("\n:doc:`nowhere`\n"), "unknown document: 'nowhere'"),
    ("docs/topology.rst", append("\n:c:func:`nvlink2_nothing`\n"), "c:func reference target"),
    ("docs/topology.rst", append("\n:ref:`no-label`\n"), "undefined label"),
    ("docs/topology.rst", append("\n``never ended\n"), "Inline literal start-string"),
    ("docs/topology.rst", append("\n.. graphviz:: none.dot\n"), "none.dot"),
    ("docs/topology.dot", append("graph {\n"), "syntax error"),
    ("docs/index.rst", lambda text: text.replace("   lab\n", ""), "isn't included in any toctree"),
    ("docs/index.rst", lambda text: text.replace("   lab\n", "   lab\n   lob\n"), "nonexisting"),
    ("generated/docs/vfio-nvlink2.rst", append("\nTitles\n====\n"), "Title underline too short"),
    ("kernel/range.h", lambda text: text.replace(" * @len: wanted", " * @length: wanted"),
     "kernel-doc: kernel/range.h:"),
    ("kernel/lpar.c", lambda text: text.replace(" * Return: 0; -EOPNOTSUPP", " * 0; -EOPNOTSUPP"),
     "No description found for return value"),
    ("kernel/lpar.c", lambda text: text.replace("undo nvlink2_lpar_bind()", "undo nvlink2_bound()"),
     "nvlink2_bound"),
    ("kernel/topology.c", lambda text: text.replace("*pdev, struct nvlink2_topology *",
                                                    "*pdev, struct nvlink2_geometry *"),
     "c:identifier reference target not found: nvlink2_geometry"),
    ("generated/user/vfio_nvlink2_decode.h", lambda text: text.replace(" * @cap: the record\n", ""),
     "'cap' not described"),
    ("docs/functions.rst", append("\n.. kernel-doc:: kernel/none.c\n"), "kernel/none.c"),
    ("docs/functions.rst", append("\n.. kernel-doc:: kernel/trace.h\n"), "no structured comments"),
    ("docs/ABI/testing/debugfs-nvlink2-sim", append("Wrong: line\n"), "neither a tag"),
    ("docs/ABI/testing/debugfs-nvlink2-sim", append("\t\t``never ended\n"), "start-string"),
])
def test_a_mistake_is_a_failure(tree, file, change, warning):
    path = tree / file
    before, times = path.read_text("utf-8"), path.stat()
    assert change(before) != before
    try:
        path.write_text(change(before), "utf-8")
        status, text = manual.build(tree, tree / "build", anew=False)
    finally:
        path.write_text(before, "utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert status and warning in text, text


def test_the_copy_itself_is_without_a_mistake(copy, tree):
    """So that each warning above is about the mistake, also of what is built again."""
    assert copy[1] == (0, "")
    assert manual.build(tree, tree / "build", anew=False) == (0, "")
