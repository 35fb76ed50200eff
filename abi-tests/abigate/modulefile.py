# SPDX-License-Identifier: GPL-2.0-only
"""A built kernel module: its sections, and where the pointers in them lead."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from .errors import GateError

try:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection
except ImportError:
    raise GateError("pyelftools is missing; apt-get install python3-pyelftools") from None

if TYPE_CHECKING:
    from elftools.dwarf.dwarfinfo import DWARFInfo

# Relocations that are a plain 64-bit pointer.
_POINTERS = {"EM_PPC64": 38, "EM_X86_64": 1, "EM_AARCH64": 257}
# Relocations that are a number in debug information, with its size.
_NUMBERS = {"EM_PPC64": {38: "Q", 1: "I"}, "EM_X86_64": {1: "Q", 10: "I"},
            "EM_AARCH64": {257: "Q", 258: "I"}}
_BUILD = "`make abi-face` builds the modules it reads"


class Place(NamedTuple):
    """Where a pointer leads: into a section, or (section None) to a symbol elsewhere."""
    section: int | str | None       # a word of ELF's, like SHN_ABS, for what is in none
    offset: int
    name: str = ""

    def plus(self, distance: int) -> Place:
        """The place that many bytes further on."""
        return Place(self.section, self.offset + distance, self.name)


class Symbol(NamedTuple):
    """A named part of a section."""
    name: str
    place: Place
    size: int


class ModuleFile:
    """A module as the compiler and modpost left it, with or without debug information."""

    def __init__(self, path: Path):
        self.path = path
        try:
            # Kept open: sections are read when they are asked for.
            handle = open(path, "rb")  # pylint: disable=consider-using-with
        except OSError as err:
            raise GateError(f"{path}: {err.strerror}; {_BUILD}") from None
        try:
            self.elf = ELFFile(handle)
            self.kind = self.elf["e_type"]
        except ELFError:
            self.fail(f"is not an ELF file; {_BUILD}")
        self._load()

    def fail(self, why: str) -> NoReturn:
        """The ABI gate cannot work with this file."""
        raise GateError(f"{self.path}: {why}")

    def _load(self) -> None:
        if self.kind != "ET_REL" or self.elf.elfclass != 64:
            self.fail(f"is not a 64-bit kernel module; {_BUILD}")
        if self.elf["e_machine"] not in _POINTERS:
            self.fail(f"is for {self.elf['e_machine']}, whose pointers modulefile.py has to learn")
        try:
            self.sections = list(self.elf.iter_sections())
        except ELFError as err:
            self.fail(f"is cut off or damaged: {err}; {_BUILD}")
        self.index: dict[str, int] = {section.name: n for n, section in enumerate(self.sections)}
        for wanted in (".modinfo", ".symtab"):
            if wanted not in self.index:
                self.fail(f"has no {wanted} section, as a module that can be loaded has; {_BUILD}")
        self.symbols = [
            Symbol(symbol.name, Place(symbol["st_shndx"], symbol["st_value"]), symbol["st_size"])
            for symbol in self.sections[self.index[".symtab"]].iter_symbols()]
        self._pointers: dict[int | str | None, dict[int, Place]] = {}

    def data(self, name: str) -> bytes:
        """The bytes of a section; none when there is no such section."""
        return self._data(self.index[name]) if name in self.index else b""

    def _data(self, section: int | str | None) -> bytes:
        if not isinstance(section, int):
            self.fail(f"points to {section or 'another file'} where data of its own was in Linux "
                      "6.12; teach abigate/face.py the layout of this kernel's structures")
        found: bytes = self.sections[section].data()
        return found

    def info(self) -> list[tuple[str, str]]:
        """What modinfo lists: (key, value)."""
        words = [part.decode() for part in self.data(".modinfo").split(b"\0") if part]
        pairs = [(key, value) for key, _, value in (word.partition("=") for word in words)]
        if not {"license", "name"} <= {key for key, _ in pairs}:
            self.fail(f"names no licence and no module in .modinfo; {_BUILD}")
        return pairs

    def symbols_in(self, section: str, prefix: str) -> list[Symbol]:
        """The symbols of a section whose names begin so."""
        at = self.index.get(section)
        return [symbol for symbol in self.symbols
                if at is not None and symbol.place.section == at and symbol.name.startswith(prefix)]

    def symbol_at(self, place: Place, prefix: str) -> Symbol:
        """The symbol that is at a place, with a name that begins so."""
        for symbol in self.symbols:
            if symbol.place == place and symbol.name.startswith(prefix):
                return symbol
        return self.fail(f"has no symbol {prefix}* where one is pointed to; it was stripped of "
                         f"more than debug information; {_BUILD}")

    def dwarf(self) -> DWARFInfo:
        """The debug information, with its references between sections in place."""
        found = self.elf.get_dwarf_info(relocate_dwarf_sections=False)
        table = self.index.get(".rela.debug_info")
        if table is None or ".rela.debug_str_offsets" in self.index \
                or not self._place_numbers(self._data(table), found.debug_info_sec.stream):
            # Pyelftools places other kinds of relocations, or objects to them.
            return self.elf.get_dwarf_info()
        return found

    def _place_numbers(self, table: bytes, stream: io.BytesIO) -> bool:
        """
        Writes what these relocations say; False when one of them is of another kind.

        Pyelftools does the same for every debug section, and takes four seconds for a kernel's modules.
        """
        end = "<" if self.elf.little_endian else ">"
        kinds = {number: struct.Struct(end + form)
                 for number, form in _NUMBERS[self.elf["e_machine"]].items()}
        with stream.getbuffer() as data:
            for offset, info, addend in struct.iter_unpack(end + "QQq", table):
                kind = kinds.get(info & 0xffffffff)
                if kind is None:
                    return False
                value = self.symbols[info >> 32].place.offset + addend
                kind.pack_into(data, offset, value & (1 << 8 * kind.size) - 1)
        return True

    def pointers(self, section: int | str | None) -> dict[int, Place]:
        """{offset in the section: where the pointer there leads}."""
        if section not in self._pointers:
            self._pointers[section] = self._read_pointers(section)
        return self._pointers[section]

    def _read_pointers(self, section: int | str | None) -> dict[int, Place]:
        found: dict[int, Place] = {}
        for table in self.sections:
            if not isinstance(table, RelocationSection) or table["sh_info"] != section:
                continue
            for entry in table.iter_relocations():
                if entry["r_info_type"] != _POINTERS[self.elf["e_machine"]]:
                    continue
                symbol = self.symbols[entry["r_info_sym"]]
                addend = entry["r_addend"]
                if symbol.place.section == "SHN_UNDEF":
                    found[entry["r_offset"]] = Place(None, addend, symbol.name)
                else:
                    found[entry["r_offset"]] = symbol.place.plus(addend)
        return found

    def follow(self, place: Place, what: str) -> Place:
        """Where the pointer at a place leads."""
        target = self.pointers(place.section).get(place.offset)
        if target is None:
            self.fail(f"has no pointer where {what} was in Linux 6.12; teach abigate/face.py the "
                      "layout of this kernel's structures")
        return target

    def string(self, place: Place) -> str:
        """The string at a place."""
        data = self._data(place.section)
        return data[place.offset:data.index(b"\0", place.offset)].decode()

    def number(self, place: Place, size: int, signed: bool = False) -> int:
        """The number of `size` bytes at a place."""
        data = self._data(place.section)[place.offset:place.offset + size]
        return int.from_bytes(data, "little" if self.elf.little_endian else "big", signed=signed)
