# SPDX-License-Identifier: GPL-2.0-only
"""Files that are no whole module are refused with a reason; what ours do not use is read too."""

import shutil
import subprocess

import pytest

from abigate import face
from abigate.errors import GateError
from lab import limits

# A module as modpost leaves it, as far as the face goes: an export for any licence, one with a
# namespace, a parameter that taints the kernel, and one with operations of its own.
SOURCE = r"""
struct param { const char *name; void *mod; const void *ops; unsigned short mode; signed char level;
	unsigned char flags; void *arg; };
extern const char param_ops_uint, __this_module;
static const char own_ops, name_uint[] = "count", name_own[] = "special";
static unsigned int count;
#define PARAM __attribute__((used, section("__param"), aligned(8)))
#ifndef NO_PARAM
PARAM static const struct param a = { name_uint, (void *)&__this_module, &param_ops_uint, 0200, -1,
	1, &count };
PARAM static const struct param b = { name_own, (void *)&__this_module, &own_ops, 0444, -1, 0, 0 };
#endif
#ifdef HALF_PARAM
__attribute__((used, section("__param"))) static const int half = 1;
#endif
#ifdef EMPTY_PARAM
__attribute__((used, section("__param"), aligned(8))) static const struct param c;
#endif
#ifndef NO_INFO
__attribute__((used, section(".modinfo"), aligned(1))) static const char info[] =
	"license=Dual MIT/GPL\0name=made_up\0softdep=pre: vfio\0vermagic=1.2 SMP\0depends=vfio,nvlink2_a\0"
	"parm=count:how many\0parmtype=count:uint" MORE_INFO;
#endif
#ifdef OTHER_INFO
__attribute__((used, section(".modinfo"), aligned(1))) static const char info[] = "license=GPL";
#endif
int open_call(int a, ...) { return a; }
const char *const *closed_call(void (*done)(int), const unsigned int words[4]) {
	done((int)words[0]); return 0; }
#define EXPORT(sym, kind, space) asm( \
	".section \"__ksymtab_strings\",\"aMS\",%progbits,1\n" \
	"__kstrtab_" #sym ": .asciz \"" #sym "\"\n" \
	NAMESPACE "__kstrtabns_" #sym ": .asciz \"" space "\"\n.previous\n" \
	".section \"__ksymtab" kind "\",\"a\"\n.balign 8\n__ksymtab_" #sym ": .quad " #sym "\n.previous")
EXPORT(open_call, "", "");
#ifdef FLAGS
EXPORT(closed_call, "", "MADE_UP");
__attribute__((used, section("__kflagstab"))) static const char flags[] = { FLAGS };
#else
EXPORT(closed_call, "_gpl", "MADE_UP");
#endif
"""
SHOWN = """\
module made-up
\tinfo license: Dual MIT/GPL
\tinfo softdep: pre: vfio
\tdepends: nvlink2_a
\texport closed_call: GPL only, namespace MADE_UP
\t\tconst char *const *closed_call(void (*done)(int), const unsigned int *words)
\texport open_call: any licence, no namespace
\t\tint open_call(int a, ...)
\tparameter count: uint, unsafe, mode 0200
\t\thow many
\tparameter special: operations of its own, mode 0444
\t\t(no description)
"""


@pytest.fixture(name="module")
def module_fixture(tmp_path):
    """A function that compiles SOURCE with macros, as a module."""
    if not shutil.which("gcc") or not shutil.which("strip"):
        pytest.fail("gcc or strip is missing; apt-get install gcc libc6-dev")

    def compiled(*macros, debug="-g"):
        (tmp_path / "made.c").write_text(SOURCE, "ascii")
        defines = {"MORE_INFO": '""', "NAMESPACE": '""', **dict(macros)}
        subprocess.run(["gcc", "-c", "-O1", "-w", "-fno-pic", debug,
                        *(f"-D{key}={value}" for key, value in defines.items()),
                        "-o", tmp_path / "made.ko", tmp_path / "made.c"], check=True,
                       timeout=limits.seconds(60))
        return tmp_path / "made.ko"
    return compiled


def objection(path):
    with pytest.raises(GateError) as caught:
        face.read([path])
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text


def test_what_a_module_shows(module):
    assert face.read([module()]) == SHOWN


def test_exports_of_a_kernel_with_flags(module):
    """Since Linux 7, who may use an export is a flag, in the order of the exports."""
    assert face.read([module(("FLAGS", "0,1"))]) == SHOWN
    other = face.read([module(("FLAGS", "1,0"))])
    assert "export open_call: GPL only" in other and "export closed_call: any licence" in other


def test_module_without_debug_information(module):
    text = face.read([module(debug="-g0")])
    assert text.splitlines()[1] == f"\t{face.NO_DEBUG}"
    assert "open_call: any licence" in text and "int open_call" not in text
    assert face.compare(SHOWN, text) == []


@pytest.mark.parametrize("macros, words", [
    ([("NO_INFO", "")], r"has no .modinfo section.*`make abi-face`"),
    ([("NO_INFO", ""), ("OTHER_INFO", "")], r"names no licence and no module"),
    ([("NO_PARAM", "")], r"describes a parameter count that its __param section does not have"),
    ([("HALF_PARAM", "")], r"no whole number of entries; teach abigate/face.py"),
    ([("EMPTY_PARAM", "")], r"no pointer where a parameter's name was in Linux 6.12; teach"),
    ([("MORE_INFO", r'"\0parm=cuont:a misspelt one"')], r"describes a parameter cuont"),
    ([("FLAGS", "0,1,1")], r"has 3 flags for 2 exports; teach"),
    ([("NAMESPACE", '"not"')], r"no namespace string for (open|closed)_call; teach"),
])
def test_module_that_lacks_something(module, macros, words):
    path = module(*macros)
    with pytest.raises(GateError, match=words):
        face.read([path])


@pytest.mark.parametrize("option, words", [
    ("-s", "has no .symtab section"),
    ("--strip-unneeded", "without the symbols that name its entries"),
])
def test_module_stripped_of_too_much(module, option, words):
    path = module()
    # strip leaves the symbols of an object file alone that relocations need.
    subprocess.run(["objcopy", "--remove-section=.rela__*", path], check=True, timeout=limits.seconds(60))
    subprocess.run(["strip", *([option] if option != "-s" else ["-s", "-R", ".symtab"]), path],
                   check=True, timeout=limits.seconds(60))
    assert words in objection(path)


def test_files_that_are_no_modules(module, tmp_path):
    assert "No such file or directory; `make abi-face`" in objection(tmp_path / "none.ko")
    path = module()
    whole = path.read_bytes()
    path.write_bytes(b"#!/bin/sh\n")
    assert "is not an ELF file" in objection(path)
    path.write_bytes(b"")
    assert "is not an ELF file" in objection(path)
    path.write_bytes(whole[:len(whole) // 2])
    assert "cut off or damaged" in objection(path)
    program = tmp_path / "program"
    shutil.copy(shutil.which("true"), program)
    assert "is not a 64-bit kernel module" in objection(program)
