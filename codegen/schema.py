# SPDX-License-Identifier: GPL-2.0-only
"""Validation against spec/schema.yaml.

The messages are made here and not taken from jsonschema: its wording and the order of its
errors change between releases, and it does not say what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, cast

import jsonschema

from . import loader
from .errors import Finding, Place, SpecError
from .loader import Document, Entry

_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a number",
          "boolean": "true or false"}


class _Departure(Protocol):
    """A complaint of jsonschema's; its stubs are wrong about the keyword."""

    validator: str              # the keyword that is broken
    validator_value: Any        # what the schema has for it: each keyword has a kind of its own
    instance: Any               # what the document has: anything, for it is wrong
    schema: Entry
    absolute_path: Iterable[str | int]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'"


def _name(path: Place) -> str:
    """`capabilities[0].fields[1].offset`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + str(part)
    return text or "the spec"



def _unknown_keys(document: Document, err: _Departure, path: Place) -> list[Finding]:
    known = sorted(err.schema.get("properties", {}))
    patterns = err.schema.get("patternProperties", {})
    findings = []
    for key in err.instance:
        if key in known or any(re.search(p, key) for p in patterns):
            continue
        close = difflib.get_close_matches(key, known, n=1)
        cure = (f"did you mean '{close[0]}'?" if close
                else f"known here: {', '.join(known)}" if known
                else "names start with a small letter")
        findings.append(document.finding(path + (key,), "schema",
                                         f"unknown key '{key}' in {_name(path)}; {cure}"))
    return findings


def _missing_keys(document: Document, err: _Departure, path: Place) -> list[Finding]:
    return [document.finding(path, "schema", f"'{key}' is missing in {_name(path)}; add it")
            for key in err.validator_value if key not in err.instance]


def _phrase(err: _Departure) -> str:  # pylint: disable=too-many-return-statements  # one a keyword
    """Says why one value is wrong, and which would be right."""
    kind, wanted, given = err.validator, err.validator_value, _shown(err.instance)
    if kind == "type":
        names = " or ".join(_TYPES[t] for t in ([wanted] if isinstance(wanted, str) else wanted))
        return f"is {given}, but has to be {names}"
    if kind == "enum":
        return f"is {given}, but has to be one of: {', '.join(map(str, wanted))}"
    if kind == "const":
        return f"is {given}, but has to be {_shown(wanted)}"
    if kind == "pattern":
        return f"is {given}, but has to match {wanted}"
    if kind == "minimum":
        return f"is {given}, but has to be at least {wanted}"
    if kind == "maximum":
        return f"is {given}, but has to be at most {wanted} (0x{wanted:x})"
    if kind == "minLength":
        return f"is {given}; write at least {wanted} characters"
    if kind in ("minItems", "maxItems"):
        bound = "at least" if kind == "minItems" else "at most"
        return f"has {len(err.instance)} entries, but needs {bound} {wanted}"
    if kind == "uniqueItems":
        return "names something twice; keep one of them"
    if kind == "not":
        return ("holds a character that cannot stand in a C comment (not ASCII, a line break, "
                "a backslash, or a comment mark); write it in other words")
    return f"breaks '{kind}' of the schema; see spec/schema.yaml"


def _findings(document: Document, err: _Departure) -> list[Finding]:
    path = tuple(err.absolute_path)
    if err.validator == "additionalProperties":
        return _unknown_keys(document, err, path)
    if err.validator == "required":
        return _missing_keys(document, err, path)
    return [document.finding(path, "schema", f"{_name(path)} {_phrase(err)}")]


def load_schema(path: Path) -> Entry:
    """The schema itself; a fault in it is ours, not the spec author's."""
    # What is no mapping is no schema, as the next line says.
    schema = cast(Entry, loader.load(path).data)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def validate(document: Document, schema: Entry) -> None:
    """Raise SpecError with every departure from the schema."""
    validator = jsonschema.Draft202012Validator(schema)
    findings = [finding for err in validator.iter_errors(document.data)
                for finding in _findings(document, err)]
    if findings:
        raise SpecError(findings)
