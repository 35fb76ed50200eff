# SPDX-License-Identifier: GPL-2.0-only
"""
Takes the versions of other kernels out of the sources, for a tree whose version is known.

Out of tree, compat.h chooses by LINUX_VERSION_CODE. In a tree there is nothing to choose: its
conditions are decided, what they define for struct members or calls is put where it is used, and
when nothing is left of compat.h it goes.
"""

from __future__ import annotations

import re

HEADER = "compat.h"
_VERSION = re.compile(r"LINUX_VERSION_CODE\s*(>=|<)\s*KERNEL_VERSION\((\d+),\s*(\d+),\s*(\d+)\)")
_DEFINE = re.compile(r"^#define (NVLINK2_\w+)[ \t]*((?:.*\\\n)*.*)\n", re.M)
_CALL = re.compile(r"^#define (NVLINK2_\w+)\(([\w, ]+)\)[ \t]+(.*[^\\\n])\n", re.M)
_GUARD = re.compile(r"#(?:ifndef|define|endif)\b.*NVLINK2_COMPAT_H")
_COMMENT = re.compile(r"/\*.*?\*/\n*", re.S)


class ResolveError(Exception):
    """compat.h says something that is not understood here."""


def _decide(condition: str, version: tuple[int, int, int]) -> bool:
    """An #if of versions, joined by &&."""
    terms = [term.strip() for term in condition.replace("\\\n", " ").split("&&")]
    truth = []
    for term in terms:
        match = _VERSION.fullmatch(term)
        if not match:
            raise ResolveError(f"{HEADER}: '{term}' is no comparison of LINUX_VERSION_CODE")
        limit = tuple(int(part) for part in match.groups()[1:])
        truth.append(version >= limit if match[1] == ">=" else version < limit)
    return all(truth)


def decide(text: str, version: tuple[int, int, int]) -> str:
    """A header with every condition of versions decided; others, the guard say, stay."""
    lines, kept = iter(re.findall(r"(?:.*\\\n)*.*\n", text)), []
    # For each #if that is open: None for a foreign one, else (a branch was taken, this one is).
    stack: list[tuple[bool, bool] | None] = []
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word in ("#if", "#ifdef", "#ifndef"):
            if word == "#if" and "LINUX_VERSION_CODE" in rest:
                taken = _decide(rest, version)
                stack.append((taken, taken))
                continue
            stack.append(None)
        elif word in ("#elif", "#else", "#endif") and not stack:
            raise ResolveError(f"{HEADER}: {word} without #if")
        elif word == "#elif" and stack[-1]:
            done = stack[-1][0]
            taken = not done and _decide(rest, version)
            stack[-1] = (done or taken, taken)
            continue
        elif word == "#else" and stack[-1]:
            stack[-1] = (True, not stack[-1][0])
            continue
        elif word == "#endif" and stack.pop():
            continue
        if all(entry is None or entry[1] for entry in stack):
            kept.append(line)
    if stack:
        raise ResolveError(f"{HEADER}: an #if has no #endif")
    return "".join(kept)


def _members(body: str) -> str:
    """Returns the expansion of a macro, as lines of a struct's initializer."""
    words = [part.strip() for part in body.replace("\\\n", "\n").splitlines()]
    return "".join(f"\t{word}\n" for word in words if word)


def _inserted(text: str, use: re.Pattern[str], body: str) -> str:
    """A file with a macro's expansion in the place of its uses."""
    return use.sub(lambda used: f"{_members(body)[:-1]}{used[1]}\n", text)


def _called(text: str, macro: re.Match[str]) -> str:
    """A file with what a macro with arguments stands for in the place of its calls."""
    names = [name.strip() for name in macro[2].split(",")]

    def expanded(call: re.Match[str]) -> str:
        given = dict(zip(names, (part.strip() for part in call[1].split(",")), strict=True))
        return re.sub("|".join(rf"\b{name}\b" for name in names),
                      lambda word: given[word[0]], macro[3])

    return re.sub(rf"\b{macro[1]}\(([^()]*)\)", expanded, text)


def resolve(files: dict[str, str], version: tuple[int, int, int]) -> dict[str, str]:
    """The sources (name: text) as a tree of that version has them."""
    files = dict(files)
    header = decide(files.pop(HEADER), version).replace("#include <linux/version.h>\n", "")
    for match in list(_DEFINE.finditer(header)):
        use = re.compile(rf"^\t{match[1]}(,?)\n", re.M)
        users = [name for name, text in files.items() if use.search(text)]
        if users:
            header = header.replace(match[0], "")
            for name in users:
                files[name] = _inserted(files[name], use, match[2])
    for macro in list(_CALL.finditer(header)):
        header = header.replace(macro[0], "")
        files = {name: _called(text, macro) for name, text in files.items()}
    unguarded = "".join(line for line in header.splitlines(keepends=True)
                        if not _GUARD.match(line))
    if _COMMENT.sub("", unguarded).strip():
        return {HEADER: header, **files}
    return {name: text.replace(f'#include "{HEADER}"\n', "") for name, text in files.items()}
