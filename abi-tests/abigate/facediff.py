# SPDX-License-Identifier: GPL-2.0-only
"""What differs between two faces of the modules, by rule, and who notices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Finding = tuple[str, str, str]

NO_DEBUG = "no debug information: prototypes and structures are not known"
_TYPES = ("struct", "union", "enum", "typedef")
# What a thing is like follows its name and a colon.
_TOLD = ("info", "export", "parameter")

_REMOVED = {
    "export": ("FACE_EXPORT_REMOVED", "a module that uses it no longer loads: unknown symbol"),
    "alias": ("FACE_ALIAS_REMOVED", "udev and libvirt, which look a device up in modules.alias, no "
              "longer find this module for it"),
    "parameter": ("FACE_PARAM_REMOVED", "a modprobe.d file that sets it has no effect any more, "
                  "and its file in /sys/module is gone"),
    "event": ("FACE_TRACE_REMOVED", "a trace script that enables it fails: no such event"),
    "type": ("FACE_TYPE_REMOVED", "a module that exchanges it with this one no longer compiles"),
}
_ADDED = {
    "export": "once other modules use it, it has to stay",
    "alias": "udev and libvirt take this module for more devices than before",
    "parameter": "once a modprobe.d file sets it, it has to stay",
    "event": "once trace scripts enable it, it has to stay",
    "type": "other modules now depend on its members",
}


@dataclass
class Item:
    """One thing a module shows: what it is like, and the lines below it."""
    shown: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


Key = tuple[str, str]       # kind and name
Items = dict[Key, Item]
Face = dict[str, Items]


def parse(text: str) -> Face:
    """{module: {(kind, name): item}}; comments and empty lines are dropped, and nothing else."""
    face: Face = {}
    name, item = "", Item()
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("\t\t"):
            item.below.append(line[2:])
        elif line.startswith("\t"):
            key, shown = _key(line[1:])
            item = face.setdefault(name, {}).setdefault(key, Item())
            item.shown.append(shown)
        else:
            name = line.removeprefix("module ")
            item = face.setdefault(name, {}).setdefault(("other", ""), Item())
            item.shown.append(line)
    return face


def _key(line: str) -> tuple[Key, str]:
    word, _, rest = line.partition(" ")
    if word in _TOLD:
        name, _, shown = rest.partition(": ")
        return (word, name), shown
    if word in ("alias", "event"):
        return (word, rest), ""
    return ("type" if word in _TYPES else "other", line), ""


def compare(old: str, new: str) -> list[Finding]:
    """(rule, subject, message) for each difference; none is dropped."""
    before, after = parse(old), parse(new)
    findings: list[Finding] = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            findings.append(("FACE_MODULE_REMOVED", name,
                             "the module is gone: what loads it fails"))
        elif name not in before:
            findings.append(("FACE_ADDED", name, "a module that was not there before"))
        else:
            _without_debug(before[name], after[name])
            findings += _module(name, before[name], after[name])
    if not findings and _flat(before) != _flat(after):
        was, now = next(pair for pair in zip(_flat(before), _flat(after)) if pair[0] != pair[1])
        findings.append(("FACE_OTHER", was[0], f"the order of the lines differs: {_shown(was)} "
                         f"where now {_shown(now)} is; nobody notices, but the file has to be "
                         "written anew"))
    return findings


def _flat(face: Face) -> list[tuple[str, Key, list[str], list[str]]]:
    return [(name, key, item.shown, item.below)
            for name, items in face.items() for key, item in items.items()]


def _shown(entry: tuple[str, Key, list[str], list[str]]) -> str:
    return " ".join(entry[1]).strip() or "the module's name"


def _without_debug(before: Items, after: Items) -> None:
    """Leaves out what a build without debug information cannot show."""
    if ("other", NO_DEBUG) in before or ("other", NO_DEBUG) not in after:
        return
    del after["other", NO_DEBUG]
    for key in [key for key in before if key[0] == "type"]:
        del before[key]
    for (kind, _), item in before.items():
        if kind == "export":
            item.below.clear()


def _module(module: str, before: Items, after: Items) -> Iterator[Finding]:
    for key, was in before.items():
        kind, name = key
        subject = f"{module}: {name}" if name else module
        if key not in after:
            rule, who = _REMOVED.get(kind, ("FACE_OTHER", ""))
            yield rule, subject, f"{kind} removed: {who}" if who else f"gone: {_line(key, was)}"
        elif was != after[key]:
            findings = list(_CHANGED.get(kind, _other)(subject, was, after[key]))
            # A difference that no rule is about is one all the same.
            yield from findings or _other(subject, was, after[key])
    for key, now in after.items():
        if key not in before:
            kind, name = key
            who = _ADDED.get(kind, "")
            yield ("FACE_ADDED", f"{module}: {name}",
                   f"new {kind}: {who}" if who else f"new: {_line(key, now)}")


def _line(key: Key, item: Item) -> str:
    shown = ", ".join(text for text in item.shown if text)
    return " ".join(filter(None, (key[0] if key[0] != "other" else "", key[1], shown)))


def _became(was: list[str], now: list[str]) -> str:
    return f"`{'; '.join(was) or 'nothing'}` became `{'; '.join(now) or 'nothing'}`"


def _other(subject: str, was: Item, now: Item) -> Iterator[Finding]:
    yield ("FACE_OTHER", subject, _became(was.shown + was.below, now.shown + now.below))


def _export(subject: str, was: Item, now: Item) -> Iterator[Finding]:
    if was.shown != now.shown:
        yield ("FACE_EXPORT_CHANGED", subject, f"{_became(was.shown, now.shown)}: a module that the "
               "new terms leave out no longer loads")
    if was.below != now.below:
        yield ("FACE_EXPORT_CHANGED", subject, f"{_became(was.below, now.below)}: a module built "
               "against the old prototype is refused, or calls it wrongly")


def _type(subject: str, was: Item, now: Item) -> Iterator[Finding]:
    yield ("FACE_TYPE_CHANGED", subject, f"{_became(was.below, now.below)}: a module built against "
           "the old one passes or reads the wrong bytes")


def _parameter(subject: str, was: Item, now: Item) -> Iterator[Finding]:
    if was.shown != now.shown:
        yield ("FACE_PARAM_CHANGED", subject, f"{_became(was.shown, now.shown)}: values that "
               "modprobe.d sets, or scripts that write its file in /sys/module, may be refused")
    if was.below != now.below:
        yield ("FACE_PARAM_CHANGED", subject, f"{_became(was.below, now.below)}: modinfo promises "
               "something else; what modprobe.d sets may mean something else")


def _fields(item: Item) -> dict[str, str]:
    """{name: the whole field}, in order."""
    matches = (re.match(r"field .*?(\w+);", line) for line in item.below)
    return {match[1]: match.string for match in matches if match}


def _event(subject: str, was: Item, now: Item) -> Iterator[Finding]:
    old, new = _fields(was), _fields(now)
    kept_old = [name for name in old if name in new]
    kept_new = [name for name in new if name in old]
    for name, text in old.items():
        place = f"{subject}.{name}"
        if name not in new:
            yield ("FACE_TRACE_FIELD_REMOVED", place, f"`{text}` is gone: a trace script that "
                   "names the field fails")
            continue
        if text != new[name]:
            yield ("FACE_TRACE_FIELD_CHANGED", place, f"{_became([text], [new[name]])}: a trace "
                   "script that filters on it, or reads records by their bytes, goes wrong")
        if kept_old.index(name) != kept_new.index(name):
            yield ("FACE_TRACE_FIELD_MOVED", place, f"field {kept_old.index(name) + 1} became "
                   f"field {kept_new.index(name) + 1}: what reads records by their bytes "
                   "goes wrong")
    last = max((list(new).index(name) for name in kept_new), default=-1)
    for at, name in enumerate(new):
        if name not in old:
            yield ("FACE_ADDED", f"{subject}.{name}", f"new field `{new[name]}`" + (
                ": records grow" if at > last else " before others: they move, and what reads "
                "records by their bytes goes wrong"))
    rest_old, rest_new = ([line for line in item.below if line not in fields.values()]
                          for item, fields in ((was, old), (now, new)))
    if rest_old != rest_new:
        yield ("FACE_TRACE_PRINT_CHANGED", subject, f"{_became(rest_old, rest_new)}: a script that "
               "reads the text of the trace goes wrong")


_CHANGED = {"export": _export, "type": _type, "parameter": _parameter, "event": _event}
