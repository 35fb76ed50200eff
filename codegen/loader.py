# SPDX-License-Identifier: GPL-2.0-only
"""YAML text -> plain data, with the line of every key and item.

Only the part of YAML that reads the same for everybody is accepted: no anchors, no tags,
no duplicate keys, and of the plain scalars only `true`, `false`, decimal and 0x numbers
are anything but text.  `no`, `010`, `1_000` and `12:30` mean surprising things to a YAML
1.1 parser; here they stay text, and the schema then says what is wrong with them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from .errors import Finding, Place, SpecError, UsageError

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")

#: A mapping of a document. Any, for what its keys and values are the schema has checked.
Entry = dict[str, Any]

_Node = yaml.MappingNode | yaml.SequenceNode | yaml.ScalarNode


class Document:
    """Plain data and where each part of it stands."""

    def __init__(self, file: str):
        self.file = file
        self.data: object = {}
        self._lines: dict[Place, int] = {}

    def mark(self, path: Place, line: int) -> None:
        self._lines[path] = line

    def line(self, path: Place) -> int:
        """Line of a key or item; of what encloses it when there is no such key."""
        path = tuple(path)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def finding(self, path: Place, rule: str, message: str) -> Finding:
        return Finding(self.file, self.line(path), message, rule)


class _Builder:
    def __init__(self, document: Document):
        self.document = document
        self.findings: list[Finding] = []
        self._seen: set[int] = set()

    def complain(self, node: yaml.Node, rule: str, message: str) -> None:
        line = node.start_mark.line + 1
        self.findings.append(Finding(self.document.file, line, message, rule))

    def build(self, node: _Node, path: Place) -> object:
        # An alias is the very node it refers to, and may be inside of that.
        if id(node) in self._seen:
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, path + (n,)) for n, item in enumerate(node.value)]
        return self._scalar(node)

    def _item(self, node: _Node, path: Place) -> object:
        self.document.mark(path, node.start_mark.line + 1)
        return self.build(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, object]:
        result: dict[str, object] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, "yaml-key", "a key has to be a word; write one")
                continue
            name, line = key.value, key.start_mark.line + 1
            if name in result:
                self.complain(key, "yaml-duplicate-key",
                              f"key '{name}' is given a second time, first in line "
                              f"{first[name]}; keep one of them")
                continue
            first[name] = line
            self.document.mark(path + (name,), line)
            result[name] = self.build(value, path + (name,))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> object:
        text = node.value
        if any(ord(char) < 32 for char in text):
            self.complain(node, "yaml-text", "a text has to be one line; fold a long one with >-")
        if node.style is not None:
            return text
        if text in ("true", "false"):
            return text == "true"
        if _DECIMAL.match(text):
            return int(text)
        if _HEX.match(text):
            return int(text, 16)
        if text in ("", "~", "null"):
            self.complain(node, "yaml-empty", "no value is given; give one, or remove the key")
        return text


def _read(path: Path, shown: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read {shown}: {err.strerror}; "
                         "name the spec with --spec FILE") from err
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        raise SpecError([Finding(shown, line, "this is not UTF-8 text; save the file as UTF-8",
                                 "yaml-syntax")]) from err


def _yaml_problem(err: yaml.YAMLError, text: str, shown: str) -> Finding:
    mark = getattr(err, "problem_mark", None) or getattr(err, "context_mark", None)
    if mark is not None:
        # An unexpected end is reported one line behind the file.
        line = min(mark.line + 1, max(1, len(text.splitlines())))
    else:
        line = text.count("\n", 0, getattr(err, "position", 0)) + 1
    problem = getattr(err, "problem", None) or getattr(err, "reason", None) or "cannot be read"
    context = getattr(err, "context", None)
    what = f"{context}: {problem}" if context else problem
    return Finding(shown, line, f"not valid YAML: {what}; correct the syntax here or just above",
                   "yaml-syntax")


def _unwanted(text: str, shown: str) -> list[Finding]:
    # The nodes of a composed document no longer show where an alias stood, nor whether a
    # tag was written or worked out.
    found = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            found.append(Finding(shown, line, f"alias *{event.anchor} repeats what stands "
                                 "elsewhere; write it out here", "yaml-alias"))
        elif getattr(event, "tag", None) is not None:
            found.append(Finding(shown, line, f"tag {event.tag} has no meaning here; leave it out",
                                 "yaml-tag"))
    return found


def load(path: Path, shown: str | None = None) -> Document:
    """Read one YAML file; `shown` is its name in messages."""
    shown = shown or str(path)
    text = _read(path, shown)
    document = Document(shown)
    builder = _Builder(document)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node:
            document.data = builder.build(node, ())
    except yaml.YAMLError as err:
        raise SpecError([_yaml_problem(err, text, shown)]) from err
    except RecursionError:
        raise SpecError([Finding(shown, 1, "nested too deeply to be a spec; remove brackets",
                                 "yaml-syntax")]) from None
    if node is None:
        raise SpecError([Finding(shown, 1, "the file is empty; a spec starts with `abi:`",
                                 "yaml-empty")])
    found = builder.findings + _unwanted(text, shown)
    if found:
        raise SpecError(found)
    return document
