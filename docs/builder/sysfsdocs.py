# SPDX-License-Identifier: GPL-2.0-only
"""
The files below docs/ABI, in the form of the kernel's Documentation/ABI, and what the modules
really have: parameters, files in sysfs and debugfs, tracepoints and their fields.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TAGS = ("What", "Date", "KernelVersion", "Contact", "Description", "Users")
_REQUIRED = {"What", "Date", "KernelVersion", "Contact", "Description"}
_MONTHS = ("January February March April May June July August September October November "
           "December").split()
FOLDERS = ("stable", "testing", "obsolete", "removed")
EVENTS = "/sys/kernel/tracing/events/"
DEBUGFS = "/sys/kernel/debug/"
# What a mode of a file lets do, as entries have it in front.
_ACCESS = {0o6: "RW", 0o4: "RO", 0o2: "WO"}


class SysfsDocsError(Exception):
    """A file is not in the form, or a source is not understood; the text says where."""


class Entry(NamedTuple):
    """One entry: its file, and the text of each tag without its indentation."""
    file: str
    tags: dict[str, str]

    @property
    def what(self) -> str:
        """The path it is about."""
        return self.tags["What"]


def read(folder: Path) -> list[tuple[Path, list[Entry]]]:
    """[(file, [entry…])] of a docs/ABI; SysfsDocsError when one is not in the form."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.parent.parent != folder or path.parent.name not in FOLDERS:
            raise SysfsDocsError(f"{path}: not in one of {', '.join(FOLDERS)}")
    return [(path, _entries(path)) for path in files]


def _entries(path: Path) -> list[Entry]:
    parts: list[dict[str, list[str]]] = []
    tags: dict[str, list[str]] = {}
    tag = ""
    first, *lines = path.read_text("utf-8").splitlines()
    if first != ".. SPDX-License-Identifier: GPL-2.0-only":
        raise SysfsDocsError(f"{path}:1: no licence in the first line")
    for number, line in enumerate(lines, 2):
        found = re.match(r"([A-Z]\w+):(?:\t+(.*))?$", line)
        if found:
            tag = found[1]
            if tag not in TAGS:
                raise SysfsDocsError(f"{path}:{number}: {tag} is no tag: {', '.join(TAGS)}")
            if tag == "What":
                tags = {}
                parts.append(tags)
            if not parts or tag in tags:
                raise SysfsDocsError(f"{path}:{number}: {tag} comes before What, or a second time")
            tags[tag] = [found[2] or ""]
        elif line.startswith("\t\t") and tag:
            tags[tag].append(line[2:])
        elif not line and tag:
            tags[tag].append("")
        elif line:
            raise SysfsDocsError(f"{path}:{number}: neither a tag nor indented by two tabs")
    entries = [Entry(path.name, {key: "\n".join(value).strip() for key, value in part.items()})
               for part in parts]
    for entry in entries:
        _check(path, entry)
    return entries


def _check(path: Path, entry: Entry) -> None:
    missing = [tag for tag in TAGS if tag in _REQUIRED and not entry.tags.get(tag)]
    if missing:
        raise SysfsDocsError(f"{path}: {entry.what} has no {', '.join(missing)}")
    if not re.fullmatch(rf"(?:{'|'.join(_MONTHS)}) \d{{4}}", entry.tags["Date"]):
        raise SysfsDocsError(f"{path}: {entry.what}: Date is a month and a year")
    if not re.match(r"\d+\.\d+", entry.tags["KernelVersion"]):
        raise SysfsDocsError(f"{path}: {entry.what}: KernelVersion begins with none")


def as_rst(entry: Entry) -> str:
    """An entry as a definition in reStructuredText."""
    lines = [f"``{entry.what}``"]
    for tag in TAGS[1:]:
        if tag in entry.tags:
            first, *more = entry.tags[tag].splitlines()
            lines += ["", f"   :{tag}:", *(f"      {line}".rstrip() for line in [first, *more])]
    return "\n".join(lines) + "\n"


class Face(NamedTuple):
    """An interface of modules: {path: access} of files, {path: (print, [field…])} of tracepoints."""
    files: dict[str, str | None]
    events: dict[str, tuple[str | None, list[str]]]


def documented(folder: Path) -> Face:
    """The Face that a docs/ABI describes."""
    face = Face({}, {})
    for path, entries in read(folder):
        for entry in entries:
            if entry.what in face.files or entry.what in face.events:
                raise SysfsDocsError(f"{path}: {entry.what} has two entries")
            text = entry.tags["Description"]
            if entry.what.startswith(EVENTS):
                fields = re.findall(r"^``([^`]+)``$", text, re.M)
                shown = re.findall(r"^Printed as ``(.+)``\.$", text, re.M)
                face.events[entry.what] = (shown[0] if shown else None, fields)
            else:
                access = re.match(r"\((RW|RO|WO)\) ", text)
                face.files[entry.what] = access[1] if access else None
    return face


def _read(pattern: str, line: str) -> re.Match[str]:
    found = re.fullmatch(pattern, line)
    if not found:
        raise SysfsDocsError(f"abi-tests/module-face.txt: `{line}` is not understood")
    return found


def real(tree: Path) -> Face:
    """The Face of the modules in a source tree; the modules' own list has parameters and events."""
    face = Face({}, {})
    module = event = ""
    for line in (tree / "abi-tests/module-face.txt").read_text("utf-8").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "module":
            module = rest
        elif word == "parameter":
            found = _read(r"(\w+): .*, mode (\d+)", rest)
            face.files[_parameter(module, found[1])] = _access(found[2])
        elif word == "event":
            event = EVENTS + rest.replace(":", "/")
            face.events[event] = (None, [])
        elif word == "field":
            face.events[event][1].append(rest.partition(";")[0])
        elif word == "print":
            face.events[event] = (_read(r'"([^"]*)".*', rest)[1], face.events[event][1])
    face.files.update(_debugfs(tree))
    face.files.update(_attributes(tree))
    return face


def _parameter(module: str, name: str) -> str:
    return f"/sys/module/{module.replace('-', '_')}/parameters/{name}"


def _access(mode: str) -> str:
    return _ACCESS[int(mode, 8) >> 6 & 0o6]


def _sources(tree: Path) -> Iterator[tuple[Path, str]]:
    # What is for 5.10 alone is no part of a kernel that has this driver's entries.
    for path in sorted((tree / "kernel").rglob("*.[ch]")):
        if not path.name.endswith(".mod.c") and "v5_10" not in path.relative_to(tree).parts:
            yield path, path.read_text("utf-8")


def parameters(tree: Path) -> dict[str, str]:
    """{path: access} of the parameters, from the sources."""
    modules = {}
    for kbuild in (tree / "kernel/Kbuild", tree / "kernel/sim/Kbuild"):
        text = kbuild.read_text("utf-8").replace("\\\n", " ")
        for name, objects in re.findall(r"^([\w-]+)-(?:y|\$\(\w+\)) [:+]= (.*)$", text, re.M):
            for part in objects.split():
                modules[kbuild.parent / part.replace(".o", ".c")] = name
    found = {}
    for path, text in _sources(tree):
        calls = re.findall(r"^module_param\w*\(", text, re.M)
        known = re.findall(r"^module_param(?:_array|_cb)?\((\w+), [^;]*?(0\d+)\);", text, re.M)
        if len(calls) != len(known):
            raise SysfsDocsError(f"{path}: a kind of module_param that is not understood")
        for name, mode in known:
            found[_parameter(modules[path], name)] = _access(mode)
    return found


def _debugfs(tree: Path) -> dict[str, str]:
    """Files in debugfs. A folder is known by the last word of where it is kept."""
    folders: dict[str, str] = {}
    files: dict[str, str] = {}
    for path, text in _sources(tree):
        folders |= dict(re.findall(r'(\w+) = debugfs_create_dir\("([^"]+)", NULL\)', text))
    for path, text in _sources(tree):
        calls = re.findall(r"debugfs_create_(?!dir)\w+\(", text)
        known = re.findall(r"debugfs_create_file(?:_unsafe)?\(\"([^\"]+)\", (0\d+),\s*"
                           r"(?:\w+(?:->|\.))?(\w+),", text)
        if len(calls) != len(known):
            raise SysfsDocsError(f"{path}: a kind of debugfs_create that is not understood")
        for name, mode, keeper in known:
            # `debugfs` is a member of the struct they all have.
            files[f"{DEBUGFS}{folders[keeper]}/{name}"] = _access(mode)
    return files


def _attributes(tree: Path) -> dict[str, str]:
    """Attributes in sysfs. There is none; the first one has to be understood here."""
    for path, text in _sources(tree):
        found = re.search(r"\b\w*_ATTR(?:_\w+)?\(|\bsysfs_create_\w+|\bdevice_create_file\(", text)
        if found:
            raise SysfsDocsError(f"{path}: {found[0]}: an attribute in sysfs that no code here reads")
    return {}


def differences(tree: Path) -> list[str]:
    """Sentences about what has no entry, or an entry and does not exist, or is another thing."""
    documents, true = documented(tree / "docs/ABI"), real(tree)
    found = []
    pairs: tuple[tuple[Mapping[str, object], Mapping[str, object]], ...] = (
        (documents.files, true.files), (documents.events, true.events))
    for ours, theirs in pairs:
        found += [f"{what}: no entry in docs/ABI" for what in sorted(theirs.keys() - ours.keys())]
        found += [f"{what}: an entry, and no such thing" for what in
                  sorted(ours.keys() - theirs.keys())]
        found += [f"{what}: described as {ours[what]}, is {theirs[what]}"
                  for what in sorted(ours.keys() & theirs.keys()) if ours[what] != theirs[what]]
    listed = {what: access for what, access in true.files.items() if "/parameters/" in what}
    if listed != parameters(tree):
        found.append("abi-tests/module-face.txt has other parameters than the sources: run "
                     "`make abi-face`")
    return found
