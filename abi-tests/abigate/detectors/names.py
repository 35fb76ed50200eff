# SPDX-License-Identifier: GPL-2.0-only
"""Names: a program that uses everything the old header has is compiled with the new one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import GateError
from ..inventory import Member
from ..measure import Measured, errors

#: (language, options): what a header that serves everybody has to compile as.
STANDARDS = {"gnu11": ("c", "-std=gnu11"), "c90": ("c", "-std=c90"),
             "c++11": ("c++", "-std=c++11")}
_STRICT = ("-w", "-Werror=incompatible-pointer-types", "-Werror=pointer-sign",
           "-Werror=implicit-function-declaration", "-ferror-limit=0")
# A type that a pointer's declaration can be written in front of.
_SIMPLE = re.compile(r"((?:struct |union |enum )?\w+(?: \w+)*?) ?((?:\[\d+\])*)")


def _member(struct: str, member: Member, n: int) -> str:
    simple = _SIMPLE.fullmatch(member.type)
    if member.bits or not simple:
        return f"void gate_use_{n}({struct} *p) {{ (void)sizeof(p->{member.name}, 0); }}"
    return (f"void gate_use_{n}({struct} *p) {{ {simple[1]} (*q){simple[2]} = &p->{member.name}; "
            "(void)q; }")


def uses(measured: Measured) -> list[tuple[str, str, str]]:
    """(line of a program, subject, rule when the line does not compile)."""
    found = []

    def add(text: str, subject: str, rule: str) -> None:
        found.append((text, subject, rule))

    numbers = {fact.subject for fact in measured.numbers if fact.kind == "value"}
    inventory = measured.inventory
    for n, name in enumerate(inventory.macros):
        if name in numbers:
            add(f"unsigned long gate_macro_{n}(void) {{ return (unsigned long)({name}); }}", name,
                "MACRO_REMOVED")
        else:
            # A line of its own each: a missing one is found by its number.
            add(f"#ifndef {name}\n#error {name} is not defined\n#endif", name, "MACRO_REMOVED")
    for n, name in enumerate(inventory.enumerators):
        add(f"unsigned long gate_enumerator_{n}(void) {{ return (unsigned long){name}; }}", name,
            "ENUMERATOR_REMOVED")
    for n, name in enumerate([*inventory.enums, *inventory.typedefs]):
        add(f"{name} *gate_type_{n}({name} *p) {{ return p; }}", name, "TYPE_REMOVED")
    for n, struct in enumerate(inventory.structs.values()):
        add(f"unsigned long gate_struct_{n}({struct.name} *p) {{ return sizeof(*p); }}",
            struct.name, "STRUCT_REMOVED")
        for place, member in enumerate(struct.members):
            add(_member(struct.name, member, n * 1000 + place), f"{struct.name}::{member.name}",
                "FIELD_REMOVED")
    return found


def _still_there(measured: Measured, subject: str, rule: str) -> str:
    """The rule for a name that cannot be used as before, though it is there."""
    struct, _, member = subject.partition("::")
    members = measured.inventory.structs[struct].members if struct in measured.inventory.structs else ()
    if rule == "FIELD_REMOVED" and any(m.name == member for m in members):
        return "FIELD_TYPE_CHANGED"
    if rule == "MACRO_REMOVED" and subject in measured.inventory.macros:
        return "MACRO_TEXT_CHANGED"
    return rule


def _complaints(measured: Measured, program: list[tuple[str, str, str]],
                standard: str) -> Iterator[tuple[str, str, str]]:
    language, option = STANDARDS[standard]
    lines, at = [measured.include.strip()], {}
    for text, subject, rule in program:
        for row in text.splitlines():
            lines.append(row)
            at[len(lines)] = (subject, rule)
    complaint = measured.compile("\n".join(lines) + "\n", option, *_STRICT, clang=True,
                                 language=language)
    found = errors(complaint)
    if complaint and not found:
        raise GateError(f"{measured.configuration.name}: clang complains in an unknown way: "
                        f"{complaint[:500]}")
    for line, message in found.items():
        if line not in at:
            yield "HEADER_BROKEN", measured.header.path, f"as {standard}: {message}"
            continue
        subject, rule = at[line]
        if rule == "FIELD_REMOVED" and "different sign" in message:
            yield "FIELD_SIGN_CHANGED", subject, message
        else:
            yield _still_there(measured, subject, rule), subject, message


def _served(measured: Measured, program: list[tuple[str, str, str]]) -> list[str]:
    """The languages a header serves; one that it never served it need not begin to serve now."""
    own = {standard: list(_complaints(measured, program, standard)) for standard in STANDARDS}
    if own["gnu11"]:
        raise GateError(f"{measured.header.shown}, {measured.configuration.name}: the program that "
                        f"uses its names does not compile with it: {own['gnu11'][0]}")
    return [standard for standard, complaints in own.items() if not complaints]


def detect(old: Measured, new: Measured, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(rule, subject, what); new names start with the prefix, a regular expression, if given."""
    program = uses(old)
    seen = set()
    if old.standards is None:
        old.standards = _served(old, program)
    for standard in old.standards:
        if standard == "gnu11" and new.alike(old):
            # The very same text has just served this language.
            continue
        for rule, subject, what in _complaints(new, program, standard):
            if (rule, subject) not in seen:
                seen.add((rule, subject))
                yield rule, subject, what
    for name in sorted(new.inventory.names() - old.inventory.names()) if prefix else ():
        if not re.match(prefix, name.split()[-1]):
            yield "NAME_FOREIGN", name, "the name is new, and anybody may have one like it"
