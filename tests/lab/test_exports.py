# SPDX-License-Identifier: GPL-2.0-only
"""The files that say which symbols a module would lack are read whole, or not at all."""

import re
import shutil

import pytest

from lab import cli
from lab.errors import LabError
from lab.npu2 import exports, probe
from lab.npu2.exports import Hook, Measured

SYMVERS = ("0x72608c0e\tof_node_get\tvmlinux\tEXPORT_SYMBOL\t\n"
           "0x00000000\tiommu_add_device\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n"
           "0x00000000\tkvm_thing\tarch/powerpc/kvm/kvm\tEXPORT_SYMBOL_GPL\n")
C_FILE = """\
static int early(int a);

static int __init setup(int a,
			int b)
{
	call(a);
	return late(b);
}

void shown(struct pci_dev *dev)
{
	if (dev)
		quiet();
}
EXPORT_SYMBOL_GPL(shown);

static const struct ops table = {
	.late		= late,
};

static struct thing *late(int b)
{
	return b;
}
"""
PART = """\
diff --git a/x/pci.c b/x/pci.c
index 1..2 100644
--- a/x/pci.c
+++ b/x/pci.c
@@ -10,5 +10,5 @@ static int __init setup(int a,
 void shown(struct pci_dev *dev)
 {
-	if (dev)
+	if (dev && other(dev))
 		quiet();
 }
@@ -15,3 +15,6 @@ void shown(struct pci_dev *dev)
 EXPORT_SYMBOL_GPL(shown);
 
+/* Between functions: it is in none. */
+static const struct ops more = { .late = late };
+
 static const struct ops table = {
"""
HEADER = PART.replace("pci.c", "pci.h")
KERNELS = {"6.12-64k": Measured(frozenset({"a", "lost", "new"}), {"a": "yes", "shown": "GPL"}),
           "7.2-64k": Measured(frozenset({"a", "b", "lost"}), {"a": "GPL", "b": "yes"})}


def written(tmp_path, content):
    """A Module.symvers."""
    path = tmp_path / "Module.symvers"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(table):
    """The cells of a table's rows, by the first."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert len({len(line) for line in lines}) == 1
    return {line[0]: line[1:] for line in lines}


def test_symvers_has_the_kind_of_export(tmp_path):
    assert exports.symvers(written(tmp_path, SYMVERS)) == {
        "of_node_get": "yes", "iommu_add_device": "GPL", "kvm_thing": "GPL"}


@pytest.mark.parametrize("content, why", [
    ("", "it is empty"),
    (SYMVERS[:-1], "it has no end"),
    (SYMVERS[:-30] + "\n", "line 3 is no symbol"),
    (SYMVERS + "0x1\tname\tvmlinux\tEXPORT_SYMBOL_OF_OLD\t\n", "line 4 is no symbol"),
    (SYMVERS.replace("\t", " "), "line 1 is no symbol"),
    (b"\x7fELF\xff\n", "it is no text"),
])
def test_broken_symvers_is_reported(tmp_path, content, why):
    with pytest.raises(LabError, match=f"Module.symvers: {why}: `python3 -m lab clean --cache`"):
        exports.symvers(written(tmp_path, content))


def test_missing_symvers_is_reported(tmp_path):
    with pytest.raises(LabError, match="is missing: .*fetch --refresh"):
        exports.symvers(tmp_path / "Module.symvers")


def test_missing_symvers_ends_the_command(monkeypatch, tmp_path, capsys):
    kernel = exports.flavours.Kernel("6.12", tmp_path, [], tmp_path)
    monkeypatch.setattr(exports.flavours, "kernel", lambda name: kernel)
    assert cli.main(["npu2-exports"]) == 2
    said = capsys.readouterr()
    assert not said.out and "Module.symvers is missing" in said.err


def test_missing_nm_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="powerpc64le-linux-gnu-nm is missing: run `sh setup.sh"):
        exports.undefined(tmp_path / "npu2.o")


def test_undefined_symbols_of_an_object(monkeypatch):
    monkeypatch.setattr(exports, "run", lambda *_: "                 U .TOC.\n   U hose_list\n   w weak\n")
    assert exports.undefined("npu2.o") == {"hose_list", "weak"}
    monkeypatch.setattr(exports, "run", lambda *_: "   U .TOC.\n")
    with pytest.raises(LabError, match="needs nothing of the kernel"):
        exports.undefined("npu2.o")


def test_object_that_nm_cannot_read_is_reported(tmp_path):
    assert shutil.which(f"{exports.CROSS}nm"), "run `sh setup.sh test`"
    broken = tmp_path / "npu2.o"
    broken.write_bytes(b"no object")
    with pytest.raises(LabError, match="nm failed"):
        exports.undefined(broken)


def test_modpost_is_understood():
    said = ('  MODPOST Module.symvers\nERROR: modpost: "hose_list" [/a/npu2-study.ko] undefined!\n'
            'ERROR: modpost: "eeh_ops" [/a/npu2-study.ko] undefined!\n')
    assert exports.modpost_undefined(said) == ({"hose_list", "eeh_ops"}, 2)
    more = "WARNING: modpost: suppressed 10 unresolved symbol warnings because there were too many)\n"
    assert exports.modpost_undefined(said + more) == ({"hose_list", "eeh_ops"}, 12)
    assert exports.modpost_undefined("") == (set(), 0)


def test_modpost_has_to_agree():
    kernel = KERNELS["6.12-64k"]
    exports.agree("6.12-64k", kernel, {"lost"}, 2)
    with pytest.raises(LabError, match="modpost finds 3 symbols undefined, and Module.symvers lacks 2"):
        exports.agree("6.12-64k", kernel, {"lost"}, 3)
    with pytest.raises(LabError, match=r"modpost: a; Module.symvers: lost, new"):
        exports.agree("6.12-64k", kernel, {"a"}, 2)


def test_source_that_does_not_compile_is_reported(monkeypatch, tmp_path):
    kernel = exports.flavours.Kernel("6.12", tmp_path, [], tmp_path)
    monkeypatch.setattr(exports.flavours, "kernel", lambda name: kernel)
    with pytest.raises(LabError, match="npu2.c does not compile against the headers of 6.12-64k"):
        # pylint: disable-next=protected-access
        exports._modpost("6.12-64k", tmp_path)


def test_patch_is_taken_apart_by_files():
    assert exports.parts("From x\n" + PART + HEADER, ".h") == [("x/pci.h", HEADER)]
    assert exports.parts("From x\n" + PART + HEADER, ".c") == [("x/pci.c", PART)]
    assert not exports.parts("From x\n", ".c")


def test_functions_of_a_file():
    assert exports.heads(C_FILE) == {"setup": "static __init", "shown": "", "late": "static"}


def test_hooks_of_a_patch():
    assert exports.changed_functions(PART, C_FILE) == ["shown"]
    other = "bool other(struct pci_dev *dev)\n{\n}\n"
    assert exports.hooks([(PART, C_FILE)], [other]) == [
        Hook("shown", "changed", ""), Hook("late", "used", "static"), Hook("other", "used", "")]


def test_table_of_needs():
    table = rows(exports.needs_table(KERNELS, {"new"}))
    assert list(table) == ["npu2.c needs", "---", "not exported, of all", "`lost`", "`new`", "`a`",
                           "`b`"]
    assert table["not exported, of all"] == ["2 of 3", "1 of 3"]
    assert table["`lost`"] == ["**no**", "**no**"] and table["`new`"] == ["**not there**", "-"]
    assert table["`a`"] == ["yes", "GPL"] and table["`b`"] == ["-", "yes"]


def test_table_of_hooks():
    table = rows(exports.hooks_table({"6.12": [Hook("shown", "changed", ""), Hook("late", "used", "static")],
                                      "7.2": [Hook("shown", "changed", "")]}, KERNELS))
    assert table["`shown`"] == ["change it", "GPL", "global, not exported"]
    assert table["`late`"] == ["use it", "static", "-"]


def test_table_of_ways_and_calls_of_firmware():
    known = {"opal_xscom_write": "GPL", "opal_a": "yes"}
    measured = {name: Measured(frozenset(), known) for name in KERNELS}
    table = rows(exports.ways_table(measured))
    assert table["`opal_xscom_write`"][1:] == ["GPL", "GPL"]
    assert table["`opal_call`"][1:] == ["**no**", "**no**"]
    calls = {"6.12": {"opal_a", "opal_b"}, "7.2": {"opal_a", "opal_b"}}
    assert exports.firmware_text(calls, measured) == (
        "* 6.12-64k, 7.2-64k: of 2 calls of firmware 1 are exported: `opal_a`.\n")


def test_page_is_compared(monkeypatch, tmp_path):
    page = tmp_path / "npu2-module.md"
    page.write_text(f"# Page\n\n{exports.BEGIN}| a |\n{exports.END}\nmore\n")
    monkeypatch.setattr(exports, "PAGE", page)
    monkeypatch.setattr(exports, "render", lambda: "| b |\n")
    assert exports.check()[-2:] == ["-| a |", "+| b |"]
    exports.write()
    assert not exports.check() and page.read_text().endswith("\nmore\n")
    page.write_text("# Page\n")
    with pytest.raises(LabError, match="npu2-module.md has no place for the tables"):
        exports.check()


def test_page_names_what_this_source_calls():
    """Without a build: a call that is new in npu2.c, or gone, is seen."""
    text = (exports.SOURCES / "npu2.c").read_text("ascii")
    own = re.compile(r"(?:opal|pnv_ioda|pnv_pci)_\w+")
    called = {name for name in re.findall(r"\b\w+\b", text) if own.fullmatch(name)
              and re.search(rf"(?<!struct )\b{name}(?:\(|,$)", text, re.M)}
    listed = {name.strip("`") for name in rows(exports.on_page().split("\n\n", maxsplit=1)[0])}
    assert called == {name for name in listed if own.fullmatch(name)} and len(called) > 10


def test_story_of_a_probe():
    console = ["[    1.9] pci 0000:01:00.0: Adding to iommu group 0",
               "[    2.0] probe: loading out-of-tree module taints kernel.",
               "[    2.1] pci 0000:01:00.0: probe: answer 0, in group 2",
               "[    2.2] probe: scanning /pciex@6, private_data is NULL",
               "[    2.3] BUG: Kernel NULL pointer dereference on read at 0x00000008",
               "[    2.4] NIP:  c0000000000d2694 LR: c000000000a40510",
               "[    2.4] NIP [c0000000000d2694] guilty+0x4c/0x64",
               "[    2.5] NIP [c0000000000d2694] later+0x4c/0x64"]
    assert probe.story(console) == [
        "pci 0000:01:00.0: probe: answer 0, in group 2",
        "probe: scanning /pciex@6, private_data is NULL",
        "BUG: Kernel NULL pointer dereference on read at 0x00000008 in guilty()"]
    assert not probe.story(console[:2])
