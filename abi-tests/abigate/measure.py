# SPDX-License-Identifier: GPL-2.0-only
"""
One header, seen through one compiler: a probe is compiled, and tools look at the object.

The probe has a variable for every struct, and for every fact an enum of its own with a variable:
so what a tool would not see (a macro, packed, an alignment) is a type it does see.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from . import inventory
from .errors import GateError
from .facts import KINDS, Fact, expression, facts
from .inventory import Broken, Inventory, Taken, order
from .keep import Keep
from .run import must, run
from .sides import Header
from .toolchain import Toolchain

_FLAGS = ("-std=gnu11", "-ffreestanding", "-O0", "-fno-common")
# Without these the types that no variable has are left out, and every comparison is 0.
_DEBUG = ("-g", "-gdwarf-5", "-fno-eliminate-unused-debug-types")
_SECTION = ".gate"


@dataclass(frozen=True)
class Configuration:
    """A compiler, and whether the system's NVLink2 definitions are there."""

    toolchain: Toolchain
    origin: str                     # "system" or "own"
    before: tuple[Path, ...] = ()   # directories that come before the system's

    @property
    def name(self) -> str:
        return f"{self.toolchain.name}, {ORIGINS[self.origin]}"

    def flags(self, header: Header, folder: Path) -> list[str]:
        # What stands in for a system's header has to be found before that.
        include = [*self.before, folder, *header.includes]
        return [word for path in include for word in ("-I", str(path))]


ORIGINS = {"system": "definitions of the system", "own": "definitions of the header"}


@dataclass
class Measured:
    """What is known of a header in one configuration."""

    header: Header
    configuration: Configuration
    folder: Path
    inventory: Inventory
    numbers: dict[Fact, int] = field(default_factory=dict)
    pahole: str = ""
    abi: Path = Path()
    standards: list[str] | None = None      # the languages it serves, once that is known
    seen: str = ""                          # the same where clang sees the same of two headers
    keep: Keep = field(default_factory=Keep, repr=False)

    @property
    def include(self) -> str:
        return f'#include <{self.header.path}>\n'

    def compile(self, text: str, *flags: str, clang: bool = False, language: str = "c") -> str:
        """
        The compiler's complaints about a program that includes the header.

        The program goes there without a file: comparisons that run side by side share this.
        """
        chain = self.configuration.toolchain
        command = (*(chain.clang if clang else chain.command), *flags, "-ffreestanding")

        def compiled() -> str:
            done = run([*command, *self.configuration.flags(self.header, self.folder), "-fsyntax-only",
                        "-x", language, "-"], f"{self.configuration.name}: a program", "clang",
                       text_in=text)
            return "" if done.returncode == 0 else done.stderr or f"status {done.returncode}"
        return self.keep.get(("program", command, language, text, self.header.content,
                              self.configuration.before), compiled)

    def alike(self, other: Measured) -> bool:
        """
        Whether the compiler saw the very same in both headers, as GNU C.

        Only of clang this is known: its preprocessor showed it.
        """
        chain = self.configuration.toolchain
        return chain == other.configuration.toolchain and chain.compiler == "clang" \
            and self.seen == other.seen and self.header.path == other.header.path

    def plain(self, subject: str) -> str:
        """The type of a struct's member without typedefs, and the byte order it announces."""
        struct, _, name = subject.partition("::")
        return next((f"{m.plain} {order(m.type)} {m.bits}" for m in self.inventory.structs[struct].members
                     if m.name == name), "")

    def missing_rule(self, fact: Fact) -> tuple[str, str]:
        """(rule, subject) for a fact of the old header that is none in this one."""
        owner, _, member = fact.subject.partition("::")
        if not member:
            rule = KINDS[fact.kind].missing_rule
            if rule == "MACRO_REMOVED" and fact.subject in self.inventory.macros:
                rule = "MACRO_TEXT_CHANGED"
            return rule, fact.subject
        struct = self.inventory.structs.get(owner)
        if struct is None:
            return "STRUCT_REMOVED", owner
        there = any(m.name == member for m in struct.members)
        return "FIELD_TYPE_CHANGED" if there else "FIELD_REMOVED", fact.subject

    def variables(self) -> dict[str, Fact | str]:
        """What each variable of the probe stands for."""
        stands: dict[str, Fact | str] = {fact.identifier: fact for fact in self.numbers}
        stands.update({_variable(name): name for name in self.inventory.structs})
        stands.update({_variable(name): name for name in self.inventory.enums})
        stands.update({_variable(name): name for name in self.inventory.typedefs})
        return stands


def _variable(name: str) -> str:
    return "gate__type__" + name.replace(" ", "__")


def errors(text: str) -> dict[int, str]:
    """{line: first message} of the errors in a program, and under 0 the first one elsewhere."""
    found: dict[int, str] = {}
    for file, line, message in re.findall(r"^(.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", text,
                                          flags=re.M):
        if file == "<stdin>":
            found.setdefault(int(line), message)
        else:
            found.setdefault(0, f"{Path(file).name}:{line}: {message}")
    return found


def _probe(measured: Measured, wanted: list[Fact]) -> str:
    lines = [measured.include]
    for name in (*measured.inventory.structs, *measured.inventory.enums,
                 *measured.inventory.typedefs):
        # A typedef of a function or of void makes no variable, but a pointer to it does.
        star = "*" if name in measured.inventory.typedefs else ""
        lines.append(f"{name} {star}{_variable(name)};")
    for fact in wanted:
        name = fact.identifier
        lines.append(f"enum {name}__enum {{ {name}__is = {expression(fact)} }};")
        lines.append(f"enum {name}__enum {name};")
    lines.append(f'static const long long gate_facts[] __attribute__((section("{_SECTION}"), '
                 "used)) = {")
    lines += [f"\t(long long)({expression(fact)})," for fact in wanted]
    return "\n".join([*lines, "\t0x47415445", "};", ""])


def _numbers(path: Path, count: int, chain: Toolchain) -> list[int]:
    """The numbers the compiler has put into the object, which has to be one of its architecture."""
    try:
        with open(path, "rb") as handle:
            elf = ELFFile(handle)
            section = elf.get_section_by_name(_SECTION)
            data = section.data() if section else b""
            made = (elf.header.e_machine, elf.little_endian)
            order: Literal["little", "big"] = "little" if elf.little_endian else "big"
    except (ELFError, OSError) as err:
        raise GateError(f"{path.name} is no object file: {err}") from err
    if made != chain.elf:
        raise GateError(f"{chain.name} makes code for another machine, {made[0]}: {chain.command[0]} "
                        "is not the compiler it was taken for")
    found = [int.from_bytes(data[at:at + 8], order, signed=True) for at in range(0, len(data), 8)]
    if len(found) != count + 1 or found[-1] != 0x47415445:
        raise GateError(f"the probe of {path} has {len(found)} numbers instead of {count + 1}")
    return found[:-1]


def _place(header: Header, folder: Path) -> Path:
    place = folder / header.path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(header.text, encoding="utf-8")
    return place


def _take(header: Header, configuration: Configuration, folder: Path, surface: set[str] | None,
          keep: Keep) -> Taken:
    """The inventory of a header. Every compiler of an architecture has the same: clang takes it."""
    place, source = _place(header, folder), folder / "probe.c"
    clang = configuration.toolchain.clang

    def take() -> Taken:
        source.write_text(f"#include <{header.path}>\n", encoding="utf-8")
        return inventory.take([*clang, *_FLAGS, *configuration.flags(header, folder)], source, place,
                              surface, keep)
    return keep.get(("taken", clang, header.content, configuration.before,
                     frozenset(surface or ())), take)


def measure(header: Header, configuration: Configuration, folder: Path,
            surface: set[str] | None = None, like: Measured | None = None,
            keep: Keep | None = None) -> Measured:
    """
    Compile the probe of a header and look at it with every tool.

    `surface` are names that count even when the system's header defines them. `like` is a header
    measured before: where the compiler sees the same in this one, it measures the same, too.
    Raises Broken when the header does not compile, GateError when a tool does not see what is there.
    """
    keep = keep or Keep()
    taken = _take(header, configuration, folder, surface, keep)
    measured = Measured(header, configuration, folder, taken.inventory, seen=taken.seen, keep=keep)
    chain = configuration.toolchain
    if not measured.inventory.names():
        raise GateError(f"{header.shown} defines nothing on {chain.arch}: is it the right file?")
    if like and measured.alike(like):
        return replace(like, header=header, folder=folder, standards=None)
    flags = [*_FLAGS, *configuration.flags(header, folder)]
    source = folder / "probe.c"
    wanted = facts(measured.inventory, taken.constants)
    source.write_text(_probe(measured, wanted), encoding="utf-8")
    done = run([*chain.command, *flags, *_DEBUG, "-c", "-o", folder / "probe.o", source],
               configuration.name, chain.command[0])
    if done.returncode:
        raise Broken(done.stderr.strip())
    measured.numbers = dict(zip(wanted, _numbers(folder / "probe.o", len(wanted), chain)))
    _look(measured)
    return measured


def _look(measured: Measured) -> None:
    """Pahole's and libabigail's view, both of which have to show everything that is there."""
    where = f"{measured.header.shown}, {measured.configuration.name}"
    structs = measured.inventory.structs
    if structs:
        tags = [name.split()[-1] for name in structs]
        measured.pahole = must(["pahole", "-C", ",".join(tags), measured.folder / "probe.o"],
                               where, "dwarves")
        unseen = [tag for tag in tags if not re.search(rf"\b{tag}\b", measured.pahole)]
        if unseen:
            raise GateError(f"{where}: pahole does not see {', '.join(unseen)}; is the compiler's "
                            "debug information newer than pahole?")
    measured.abi = measured.folder / "probe.abi"
    must_write(["abidw", "--no-show-locs", "--no-comp-dir-path", "--no-corpus-path", "--out-file",
                measured.abi, measured.folder / "probe.o"], measured.abi, where)
    text = measured.abi.read_text(encoding="utf-8", errors="replace")
    seen = set(re.findall(r"<var-decl name='(gate__\w+)' type-id='(?!')", text))
    unseen = sorted(set(measured.variables()) - seen)
    if unseen:
        raise GateError(f"{where}: libabigail does not see {', '.join(unseen[:5])}; its view would "
                        "show no change at all")


def must_write(command: Sequence[object], path: Path, where: str) -> None:
    """Run abidw, which has to leave a file that is not empty."""
    done = run(command, where, "abigail-tools")
    if done.returncode or not path.is_file() or not path.stat().st_size:
        raise GateError(f"{where}: abidw ended with status {done.returncode} and left nothing: "
                        f"{done.stderr.strip()}")
