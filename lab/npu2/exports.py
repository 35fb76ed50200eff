# SPDX-License-Identifier: GPL-2.0-only
"""
Measures the obstacles between kernel/powernv and a module for stock kernels.

kernel/powernv/npu2.c itself is built as a module against the headers of each stock kernel, by that
kernel's compiler, with the private and changed headers of the kernel taken from its source and our
patches: seconds, and no kernel is built. What the object leaves undefined is looked up in the
Module.symvers of the headers; modpost has to come to the same number. What the patches change in
files that are built into the kernel is read from the patches and the source.
"""

import difflib
import re
import subprocess
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.errors import LabError
from lab.kernels import build, flavours, source
from lab.kernels.kernelmake import CROSS, run
from lab.paths import BUILD, ROOT, locked, write_atomic
from lab.progress import note
from lab.unpack import remove_tree

PAGE = ROOT / "docs/npu2-module.md"
BEGIN = "<!-- made by `python3 -m lab npu2-exports --write` -->\n"
END = "<!-- end of what was made -->\n"
SOURCES = ROOT / "kernel/powernv"
_POWERNV = "arch/powerpc/platforms/powernv"
_CALLS = f"{_POWERNV}/opal-call.c"
# What the assembler and modpost see to: the base of a module's own data.
_NOT_SYMBOLS = {".TOC."}
# Headers that the patches change come first, so that the kernel's unchanged ones are passed over.
_KBUILD = """\
obj-m := npu2-study.o
npu2-study-y := npu2.o study.o
ccflags-y := -DCONFIG_PPC_POWERNV_NPU2=1 -include linux/types.h
"""
_STUDY = """\
#include <linux/module.h>
MODULE_DESCRIPTION("Never loaded: it is there for what modpost says about it");
MODULE_LICENSE("GPL");
"""
_KINDS = {"EXPORT_SYMBOL": "yes", "EXPORT_SYMBOL_GPL": "GPL"}
_NO, _NOT_THERE, _UNUSED = "**no**", "**not there**", "-"

# What a module could try, by hand: no compiler knows what might be of use.
WAYS = (
    ("opal_call", "make any call of firmware"),
    ("pnv_ocxl_map_lpar", "have OpenCAPI's function call OPAL_NPU_MAP_LPAR"),
    ("opal_xscom_write", "write the NPU2's registers past firmware"),
    ("pcibios_alloc_controller", "make a host bridge"),
    ("pcibios_scan_phb", "scan it"),
    ("pci_add_device_node_info", "give its functions what config cycles need"),
    ("ppc_iommu_register_device", "have an IOMMU for a host bridge that comes after boot"),
    ("pnv_pci_ops", "have the kernel's config cycles"),
    ("iommu_group_alloc", "make a group"),
    ("iommu_group_get_iommudata", "reach the windows of a GPU's PE through its group"),
    ("iommu_group_remove_device", "take a GPU out of its group"),
    ("iommu_add_device", "put it into another"),
    ("eeh_pe_reset", "reset a link"),
    ("register_kprobe", "stop in functions of the kernel, and find symbols"),
    ("kallsyms_lookup_name", "find symbols that are not exported"),
    ("klp_enable_patch", "replace functions of the kernel (livepatch)"),
)


class Measured(NamedTuple):
    """Of one stock kernel: what npu2.c needs, and what the kernel exports, {symbol: kind}."""
    needed: frozenset[str]
    exported: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """Returns the symbols that it needs and does not get."""
        return sorted(self.needed - self.exported.keys())


class Hook(NamedTuple):
    """A function that the patches change, or that what they add there uses; how it is kept."""
    name: str
    role: str
    storage: str


def symvers(path: Path) -> dict[str, str]:
    """The symbols of a Module.symvers: {name: yes or GPL}; LabError when it cannot be the whole."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise LabError(f"{path} is missing: the headers package has it; `python3 -m lab "
                       "fetch --refresh` fetches it anew") from None
    except UnicodeDecodeError:
        raise _broken(path, "it is no text") from None
    if not text.endswith("\n"):
        raise _broken(path, "it has no end" if text else "it is empty")
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split("\t")
        if len(fields) not in (4, 5) or fields[3] not in _KINDS:
            raise _broken(path, f"line {number} is no symbol")
        found[fields[1]] = _KINDS[fields[3]]
    return found


def _broken(path: Path, why: str) -> LabError:
    return LabError(f"{path}: {why}: `python3 -m lab clean --cache` and `fetch` make it anew")


def undefined(path: Path) -> frozenset[str]:
    """Returns the symbols that an object leaves undefined."""
    lines = run([f"{CROSS}nm", "-u", path], f"{CROSS}nm").splitlines()
    found = {line.split()[-1] for line in lines if line.split()} - _NOT_SYMBOLS
    if not found:
        raise LabError(f"{path} needs nothing of the kernel: it cannot be npu2.c that was compiled")
    return frozenset(found)


def parts(text: str, suffix: str) -> list[tuple[str, str]]:
    """The parts of a patch that change files with this suffix, in order: [(file, part)]."""
    found = re.split(r"^(?=diff --git )", text, flags=re.M)[1:]
    named = [(re.findall(r"\Adiff --git a/(\S+) b/", part)[0], part) for part in found]
    return [(file, part) for file, part in named if file.endswith(suffix)]


def _patches(series: str) -> list[str]:
    found = sorted((SOURCES / "patches" / series).glob("*.patch"))
    if not found:
        raise LabError(f"kernel/powernv/patches/{series} has no patch: there is nothing to study")
    return [path.read_text("utf-8") for path in found]


def _kept(chosen: flavours.Flavour) -> Path:
    return source.kept(flavours.index(chosen.suite), chosen.series)


def _sources(chosen: flavours.Flavour, tree: Path) -> None:
    """Writes the module's folder: what is the same stays, for make looks at the times."""
    draft = tree / "draft"
    remove_tree(draft)
    changed = [part for text in _patches(chosen.series) for part in parts(text, ".h")]
    kept = _kept(chosen)
    for file in {file for file, _ in changed}:
        write_atomic(draft / file, (kept / file).read_bytes())
    write_atomic(tree / "headers.patch", "".join(part for _, part in changed))
    run(["patch", "-p1", "-s", "-d", draft, "--fuzz=0", "--no-backup-if-mismatch", "-i",
         tree / "headers.patch"], "patch")
    kbuild = _KBUILD
    files = {"npu2.c": (SOURCES / "npu2.c").read_bytes(), "study.c": _STUDY.encode()}
    for file in dict.fromkeys(file for file, _ in changed):
        private = file.startswith(_POWERNV)
        name = file.rpartition("/")[2] if private else file.replace("/", "_")
        files[name] = (draft / file).read_bytes()
        kbuild += "" if private else f"ccflags-y += -include $(src)/{name}\n"
    files["Kbuild"] = kbuild.encode()
    for name, content in files.items():
        path = tree / "module" / name
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)


def modpost_undefined(text: str) -> tuple[set[str], int]:
    """(names, number): what modpost says is undefined; it names ten and counts the others."""
    names = set(re.findall(r'^ERROR: modpost: "(\S+)" \[\S+\] undefined!$', text, re.M))
    more = re.search(r"modpost: suppressed (\d+) unresolved symbol", text)
    return names, len(names) + (int(more[1]) if more else 0)


def _modpost(name: str, tree: Path) -> tuple[Path, str]:
    """Builds the module; the object, and what modpost says, for which it ends with an error."""
    command = ["make", "-C", flavours.kernel(name).headers, f"M={tree / 'module'}", "ARCH=powerpc",
               f"CROSS_COMPILE={CROSS}", "modules"]
    target = tree / "module/npu2.o"
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, env=build.module_env(name))
    except FileNotFoundError:
        raise LabError(f"{command[0]} is missing: run `sh setup.sh test` to install what "
                       "the lab needs") from None
    said = done.stdout + done.stderr
    if done.returncode and ("MODPOST" not in said or not target.exists()):
        raise LabError(f"npu2.c does not compile against the headers of {name}, so that nothing "
                       "can be measured: mend it, or what exports.py includes:\n"
                       f"{said.strip()[-2000:]}")
    return target, said


def measure(name: str) -> Measured:
    """Builds npu2.c as a module for a stock kernel, and compares what it needs with the exports."""
    exported = symvers(flavours.kernel(name).headers / "Module.symvers")
    tree = BUILD / f"npu2-exports-{name}"
    with locked(tree):
        note(f"building npu2.c as a module for {name}")
        _sources(flavours.flavour(name), tree)
        target, said = _modpost(name, tree)
        measured = Measured(undefined(target), exported)
    agree(name, measured, *modpost_undefined(said))
    return measured


def agree(name: str, measured: Measured, names: set[str], number: int) -> None:
    """Raises when modpost found something else than we did."""
    if number != len(measured.missing) or not names <= set(measured.missing):
        raise LabError(f"{name}: modpost finds {number} symbols undefined, and Module.symvers "
                       f"lacks {len(measured.missing)}: exports.py reads one of them wrongly "
                       f"(modpost: {', '.join(sorted(names))}; "
                       f"Module.symvers: {', '.join(measured.missing)})")


_HEAD = re.compile(r"^(?!return\b|typedef\b)(?P<before>[a-z][\w \t*]*?)\b(?P<name>[a-z]\w*)\("
                   r"(?!.*;$)")


def heads(text: str) -> dict[str, str]:
    """The functions that a C file defines: {name: how it is kept}."""
    found = (_HEAD.match(line) for line in text.splitlines())
    return {match["name"]: _storage(match["before"]) for match in found if match}


def _storage(before: str) -> str:
    words = before.split()
    return " ".join(word for word in ("static", "__init") if word in words)


def _enclosing(lines: Sequence[str], number: int) -> str | None:
    """The function that a line (from 1) of a C file is in; None between functions."""
    for line in reversed(lines[:number]):
        match = _HEAD.match(line)
        if match:
            return match["name"]
        if line.startswith("}"):
            return None
    return None


def changed_functions(part: str, text: str) -> list[str]:
    """The functions of a C file, before a patch of it, in which the patch adds or removes lines."""
    found: list[str | None] = []
    lines, number = text.splitlines(), 0
    for line in part.splitlines():
        hunk = re.match(r"@@ -(\d+)", line)
        if hunk:
            number = int(hunk[1])
        elif number and line[:1] in "+-":
            found.append(_enclosing(lines, number - (line[0] == "+")))
            number += line[0] == "-"
        elif number:
            number += 1
    return [name for name in dict.fromkeys(found) if name]


def hooks(files: Sequence[tuple[str, str]], others: Iterable[str] = ()) -> list[Hook]:
    """
    Returns the places that patches change in C files, and use: [Hook]. `files` are (part of a patch,
    the file's text), `others` the texts of files that have functions to use.
    """
    texts = (*others, *(text for _, text in files))
    known = {name: how for text in texts for name, how in heads(text).items()}
    found = {name: Hook(name, "changed", known[name])
             for part, text in files for name in changed_functions(part, text)}
    for part, _ in files:
        added = "\n".join(line[1:] for line in part.splitlines() if re.match(r"\+(?!\+\+ )", line))
        for name in re.findall(r"\b[a-z]\w+\b", added):
            if name in known:
                found.setdefault(name, Hook(name, "used", known[name]))
    return sorted(found.values(), key=lambda hook: (hook.role, hook.name))


def _hooks(chosen: flavours.Flavour) -> list[Hook]:
    kept = _kept(chosen)
    others = [path.read_text("utf-8") for path in sorted((kept / _POWERNV).glob("*.c"))]
    return hooks([(part, (kept / file).read_text("utf-8")) for text in _patches(chosen.series)
                  for file, part in parts(text, ".c") if file != _CALLS], others)


def new_calls(series: str) -> set[str]:
    """The calls of firmware that the patches have to add: no export can give them."""
    return {name for text in _patches(series)
            for name in re.findall(r"^\+OPAL_CALL\((\w+),", text, re.M)}


def _firmware(chosen: flavours.Flavour) -> set[str]:
    """The calls of firmware that the kernel has."""
    text = (_kept(chosen) / _CALLS).read_text("utf-8")
    found = set(re.findall(r"^OPAL_CALL\((\w+),", text, re.M))
    if not found:
        raise LabError(f"{_CALLS} of {chosen.series} has no OPAL_CALL: where the calls of firmware "
                       "are (exports.py) has to follow the source")
    return found


def _rows(rows: Sequence[Sequence[str]]) -> str:
    rows = [*rows[:1], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def needs_table(measured: Mapping[str, Measured], added: Collection[str]) -> str:
    """Returns a table of the symbols that npu2.c needs, missing ones first; the patches define `added`."""
    def cell(symbol: str, of_kernel: Measured) -> str:
        if symbol not in of_kernel.needed:
            return _UNUSED
        return of_kernel.exported.get(symbol, _NOT_THERE if symbol in added else _NO)

    names = {symbol for of_kernel in measured.values() for symbol in of_kernel.needed}
    table = {symbol: [cell(symbol, of_kernel) for of_kernel in measured.values()] for symbol in names}
    lost = {symbol for symbol, cells in table.items() if {_NO, _NOT_THERE} & set(cells)}
    return _rows([["npu2.c needs", *measured],
                  ["not exported, of all", *(f"{len(of_kernel.missing)} of {len(of_kernel.needed)}"
                                             for of_kernel in measured.values())],
                  *([f"`{symbol}`", *table[symbol]]
                    for symbol in sorted(table, key=lambda symbol: (symbol not in lost, symbol)))])


def hooks_table(of_series: Mapping[str, Sequence[Hook]], measured: Mapping[str, Measured]) -> str:
    """The built-in functions that the patches change and use; `of_series`: {series: [Hook]}."""
    kept = {series: {hook.name: hook for hook in found} for series, found in of_series.items()}
    every = {hook.name: hook for found in of_series.values() for hook in found}

    def cell(series: str, name: str) -> str:
        if name not in kept[series]:
            return _UNUSED
        exported = {of_kernel.exported.get(name) for flavour, of_kernel in measured.items()
                    if flavours.flavour(flavour).series == series}
        if exported == {None}:
            return kept[series][name].storage or "global, not exported"
        return " or ".join(sorted(kind or "not exported" for kind in exported))

    return _rows([["built-in function", "the patches", *of_series],
                  *([f"`{name}`", "change it" if hook.role == "changed" else "use it",
                     *(cell(series, name) for series in of_series)]
                    for name, hook in sorted(every.items(),
                                             key=lambda item: (item[1].role, item[0])))])


def ways_table(measured: Mapping[str, Measured]) -> str:
    """Returns a table of the symbols that a module could try with."""
    return _rows([["symbol", "would let a module", *measured],
                  *([f"`{name}`", what, *(of_kernel.exported.get(name, _NO)
                                          for of_kernel in measured.values())]
                    for name, what in WAYS)])


def firmware_text(calls: Mapping[str, set[str]], measured: Mapping[str, Measured]) -> str:
    """Which calls of firmware are exported; `calls`: {series: what the kernel has}."""
    found: list[tuple[list[str], str]] = []
    for name, of_kernel in measured.items():
        of_series = calls[flavours.flavour(name).series]
        exported = sorted(of_series & of_kernel.exported.keys())
        said = (f"of {len(of_series)} calls of firmware {len(exported)} are exported: "
                f"{', '.join(f'`{call}`' for call in exported)}.")
        if not found or found[-1][1] != said:
            found.append(([name], said))
        else:
            found[-1][0].append(name)
    return "\n".join(textwrap.fill(f"* {', '.join(names)}: {said}", 100, subsequent_indent="  ",
                                   break_on_hyphens=False) for names, said in found) + "\n"


def render() -> str:
    """Measures all stock kernels, and makes what the page has of it."""
    measured = {name: measure(name) for name in flavours.FLAVOURS}
    chosen = {flavour.series: flavour for flavour in flavours.FLAVOURS.values()}
    added = {call for series in chosen for call in new_calls(series)}
    return "\n".join([needs_table(measured, added),
                      hooks_table({series: _hooks(one) for series, one in chosen.items()}, measured),
                      ways_table(measured),
                      firmware_text({series: _firmware(one) for series, one in chosen.items()},
                                    measured)])


def on_page() -> str:
    """Returns the tables that the page has."""
    text = PAGE.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise LabError(f"{PAGE.name} has no place for the tables: {BEGIN.strip()} and {END.strip()}")
    return text.partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Puts what is measured into the page."""
    text, old = PAGE.read_text("utf-8"), on_page()
    write_atomic(PAGE, text.replace(BEGIN + old + END, BEGIN + render() + END))


def check() -> list[str]:
    """Where the page differs from what is measured, as lines of a diff; none when it is right."""
    return list(difflib.unified_diff(on_page().splitlines(), render().splitlines(), PAGE.name,
                                     "measured", n=0, lineterm=""))
