# SPDX-License-Identifier: GPL-2.0-only
"""
What a header defines: macros, structs, enums and typedefs, each with its line.

Clang says so, for one architecture: its preprocessor the macros, its syntax tree the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import GateError
from .keep import Keep
from .run import run

_MARKER = re.compile(r'# (\d+) "((?:[^"\\]|\\.)*)"')
_DEFINE = re.compile(r"#define (\w+)(\([^)]*\))?(?: (.*))?")
_GUARD = re.compile(r"_*[A-Z0-9_]+_H_*")
_TAGGED = re.compile(r"\b_*([lb]e)(?:16|32|64)\b")
_INTEGER = re.compile(r"(?:un)?signed [a-z ]+|(?:long |short )*(?:int|long|short)|char|_Bool")

#: Whether what a file defines under a name is the header's.
Wanted = Callable[[str, str], bool]
#: A part of clang's syntax tree. Any, for its form is clang's: what is not as expected is a KeyError.
Node = dict[str, Any]


def order(spelled: str) -> str:
    """The byte order a type announces: le, be, or native."""
    match = _TAGGED.search(spelled)
    return match[1] if match else "native"


class Broken(Exception):
    """A header that does not compile; the text is the compiler's."""


@dataclass(frozen=True)
class Macro:
    name: str
    parameters: str | None
    body: str
    line: int


@dataclass(frozen=True)
class Member:
    """A member of a struct; `bits` for a bit-field."""

    name: str
    type: str               # as it is spelled
    plain: str              # without typedefs
    line: int
    bits: bool = False

    @property
    def integer(self) -> bool:
        return bool(_INTEGER.fullmatch(self.plain)) and not self.bits

    @property
    def sized(self) -> bool:
        return not self.bits and "[]" not in self.type and not self.plain.endswith("[0]")


@dataclass
class Struct:
    name: str               # as C wants it: struct x, union x, or a typedef's name
    line: int
    members: list[Member] = field(default_factory=list)


@dataclass
class Inventory:
    """Everything a header defines, by name; the numbers are lines."""

    macros: dict[str, Macro] = field(default_factory=dict)
    structs: dict[str, Struct] = field(default_factory=dict)
    enums: dict[str, int] = field(default_factory=dict)
    enumerators: dict[str, int] = field(default_factory=dict)
    typedefs: dict[str, tuple[str, int]] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Every name at file scope, structs and enums with their keyword."""
        return {*self.macros, *self.structs, *self.enums, *self.enumerators, *self.typedefs}

    def line(self, subject: str) -> int | None:
        """Where a subject of a finding stands."""
        owner, _, member = subject.partition("::")
        struct = self.structs.get(owner)
        if member and struct:
            return next((m.line for m in struct.members if m.name == member), struct.line)
        if struct:
            return struct.line
        if subject in self.macros:
            return self.macros[subject].line
        if subject in self.typedefs:
            return self.typedefs[subject][1]
        return self.enumerators.get(subject, self.enums.get(subject))


def _macros(text: str, wanted: Wanted) -> dict[str, Macro]:
    found: dict[str, Macro] = {}
    file, line = "", 0
    for row in text.splitlines():
        marker = _MARKER.match(row)
        if marker:
            line, file = int(marker[1]), marker[2]
            continue
        define = _DEFINE.fullmatch(row)
        if define and wanted(file, define[1]):
            body = (define[3] or "").strip()
            if body or define[2] or not _GUARD.fullmatch(define[1]):
                found[define[1]] = Macro(define[1], define[2], body, line)
        elif row.startswith("#undef "):
            found.pop(row.split()[1], None)
        line += 1
    return found


class _Tree:
    """Walks a syntax tree in the order it was written in: a place leaves out what did not change."""

    def __init__(self, wanted: Wanted):
        self.wanted = wanted
        self.file, self.line = "", 0
        self.found = Inventory()
        self.records: dict[str, Struct] = {}
        self.unnamed: list[Member] = []

    def _place(self, node: Node) -> tuple[str, int]:
        """The file and line of a declaration; every place in it moves the present one."""
        own = None
        for place in self._places(node):
            self.file = place.get("file", self.file)
            self.line = place.get("line", self.line)
            if own is None:
                own = (self.file, self.line)
        return own or (self.file, self.line)

    @staticmethod
    def _places(node: Node) -> Iterator[Node]:
        for key in ("loc", "range"):
            part = node.get(key) or {}
            for place in ((part,) if key == "loc" else (part.get("begin"), part.get("end"))):
                if not place:
                    continue
                if "spellingLoc" in place or "expansionLoc" in place:
                    yield place.get("spellingLoc") or {}
                    yield place.get("expansionLoc") or {}
                else:
                    yield place

    def walk(self, node: Node, struct: Struct | None = None) -> None:
        """Takes what a declaration, and whatever is in it, defines."""
        file, line = self._place(node)
        kind = node.get("kind")
        if kind == "RecordDecl":
            self._record(node, file, line, struct)
            return
        if kind == "EnumDecl":
            if "name" in node and self.wanted(file, f"enum {node['name']}"):
                self.found.enums[f"enum {node['name']}"] = line
        elif kind == "EnumConstantDecl" and self.wanted(file, node["name"]):
            self.found.enumerators[node["name"]] = line
        elif kind == "TypedefDecl" and self.wanted(file, node["name"]):
            self._typedef(node, line)
        elif kind == "FieldDecl" and struct is not None and "name" in node:
            self.unnamed = []
            spelled = node["type"]["qualType"]
            struct.members.append(Member(node["name"], spelled,
                                         node["type"].get("desugaredQualType", spelled), line,
                                         node.get("isBitfield", False)))
        elif kind == "FieldDecl" and struct is not None:
            # The members of an anonymous struct are the members of what it stands in.
            struct.members += self.unnamed
            self.unnamed = []
        for inner in node.get("inner", ()):
            self.walk(inner, struct)

    def _record(self, node: Node, file: str, line: int, outer: Struct | None) -> None:
        name = f"{node.get('tagUsed', 'struct')} {node['name']}" if "name" in node else ""
        struct = Struct(name, line)
        if not name and outer is None:
            self.records[node["id"]] = struct
        for inner in node.get("inner", ()):
            self.walk(inner, struct)
        self.unnamed = [] if name else struct.members
        if name and node.get("completeDefinition") and self.wanted(file, name):
            self.found.structs[name] = struct

    def _typedef(self, node: Node, line: int) -> None:
        inner = (node.get("inner") or [{}])[0]
        owned = inner.get("ownedTagDecl", {}).get("id")
        record = self.records.get(owned) if owned else None
        if record is not None:
            self.found.structs[node["name"]] = Struct(node["name"], record.line, record.members)
        else:
            self.found.typedefs[node["name"]] = (node["type"]["qualType"], line)


@dataclass(frozen=True)
class Taken:
    """An inventory, the macros in it that are integer constants, and what it was taken of."""

    inventory: Inventory
    constants: frozenset[str]
    seen: str               # the same for two headers of which the compiler sees the same


def _rows(text: str, header: Path, source: Path) -> list[tuple[str, int, str]]:
    """(file, line, text) of everything that is left after preprocessing, wherever the files are."""
    own = {str(header): "the header", str(source): "the program"}
    found = []
    file, line = "", 0
    for row in text.splitlines():
        marker = _MARKER.match(row)
        if marker:
            line, file = int(marker[1]), own.get(marker[2], marker[2]) + row[marker.end():]
            continue
        if row.strip():
            found.append((file, line, row))
        line += 1
    return found


def _seen(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


def take(clang: Sequence[str], source: Path, header: Path, more: set[str] | None = None,
         keep: Keep | None = None) -> Taken:
    """
    The inventory of a header, which `source` is made to include, as this clang command compiles it.

    `more` are names that count wherever they are defined. Raises Broken when it does not compile.
    The syntax tree comes from preprocessed text alone, so the same text makes no second one.
    """
    def wanted(file: str, name: str) -> bool:
        return file == str(header) or more is not None and name in more

    keep = keep or Keep()
    text = run([*clang, "-E", "-dD", source], "the macros", "clang")
    if text.returncode:
        raise Broken(text.stderr.strip())
    macros = _macros(text.stdout, wanted)
    rows = _rows(text.stdout, header, source)
    described = (tuple(clang[:3]), tuple(sorted(more or ())))
    seen = _seen(described, rows)
    plain = _seen(described, [row for row in rows if not row[2].startswith(("#define ", "#undef "))])

    def declared() -> tuple[Inventory, tuple[str, frozenset[str]]]:
        tree, constants = _try(clang, source, macros, "-Xclang", "-ast-dump=json")
        return _declared(tree, wanted), (seen, constants)

    found, (of, constants) = keep.get(("declared", plain), declared)
    if of != seen:
        constants = keep.get(("constants", seen), lambda: _try(clang, source, macros)[1])
    # A macro of the same name only announces an enumerator.
    macros = {name: macro for name, macro in macros.items() if name not in found.enumerators}
    return Taken(replace(found, macros=macros), constants, seen)


def _try(clang: Sequence[str], source: Path, macros: dict[str, Macro],
         *flags: str) -> tuple[str, frozenset[str]]:
    """Clang's view of the header, and the macros that are integer constants, by trying each."""
    names = [m.name for m in macros.values() if not m.parameters and m.body]
    lines = [source.read_text(encoding="utf-8").splitlines()[0]]
    lines += [f"enum {{ gate_try_{n} = ({name}) }};" for n, name in enumerate(names)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run([*clang, "-fsyntax-only", "-w", "-Xclang", "-ferror-limit", "-Xclang", "0", *flags,
                source], "the names", "clang")
    wrong = _wrong_lines(done.stderr, source)
    if done.returncode and (not wrong or min(wrong) < 2):
        raise Broken(done.stderr.strip())
    return done.stdout, frozenset(name for n, name in enumerate(names, 2) if n not in wrong)


def _wrong_lines(text: str, source: Path) -> set[int]:
    """Lines of a program that have errors; 0 for one in another file."""
    return {int(line) if file == str(source) else 0 for file, line in
            re.findall(r"^(.*?):(\d+):(?:\d+:)? (?:fatal )?error: ", text, flags=re.M)}


def _declared(tree: str, wanted: Wanted) -> Inventory:
    walker = _Tree(wanted)
    try:
        for node in json.loads(tree)["inner"]:
            walker.walk(node)
    except (ValueError, KeyError) as err:
        raise GateError(f"clang's syntax tree has an unknown form ({err!r}); its version is not "
                        "one the ABI gate knows: apt-get install clang on Debian 12") from err
    return walker.found
