# SPDX-License-Identifier: GPL-2.0-only
"""
Every message that the driver prints or a build of it ends with, and those that
docs/troubleshooting.md explains. What is filled in is `<>` here, `<what>` on the page.
"""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = "docs/troubleshooting.md"
_LEVELS = "emerg|alert|crit|err|error|warn|warning|notice|info|dbg|debug|cont"
_CALL = re.compile(rf"\b(?:(?:pci|dev|pr)_(?:{_LEVELS})(?:_once|_ratelimited)?"
                   r"|printk(?:_once|_ratelimited)?|_?dev_printk|pci_printk|dev_err_probe"
                   r"|panic|WARN|WARN_ONCE|WARN_RATELIMIT|WARN_TAINT)\(")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?(?:hh?|ll?|z|t)?(?:pOF\w*|p[A-Z]*|[diouxXcs])")
# What an entry of the page has to say.
PARTS = ("Means", "Cause", "Cure")


class SourceError(Exception):
    """A place that prints something which cannot be read from the source."""


class Message(NamedTuple):
    """A message and the file that has it."""
    text: str
    file: str


def _code(path):
    """C without comments, which may well quote a message."""
    text = path.read_text("utf-8")
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|/\*.*?\*/|//[^\n]*', lambda found: found[1] or " ", text,
                  flags=re.S)


def _arguments(text, at):
    """The arguments of a call whose parenthesis was opened right before `at`."""
    depth, parts, quoted = 1, [""], False
    while depth:
        c = text[at]
        if quoted:
            if c == "\\":
                parts[-1] += c
                at += 1
                c = text[at]
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        if c == "," and depth == 1 and not quoted:
            parts.append("")
        elif depth:
            parts[-1] += text[at]
        at += 1
    return [part.strip() for part in parts]


def _literal(expression, macros):
    """The text of literals side by side and macros that are literals; None for anything else."""
    expression = re.sub(r"\b[A-Z]\w+\b(?=(?:[^\"]|\"[^\"]*\")*$)",
                        lambda found: f'"{macros[found[0]]}"' if found[0] in macros else found[0],
                        expression)
    if not expression or _STRING.sub("", expression).strip():
        return None
    return "".join(_STRING.findall(expression))


def _plain(text):
    return _CONVERSION.sub("<>", text.replace("\\n", "")).replace("%%", "%").replace('\\"', '"')


def of_driver(tree):
    """Messages of the driver itself; not of its KUnit suites and of the simulator."""
    macros = dict(re.findall(r'^#define (\w+)\s+"([^"]*)"$', (
        tree / "generated/kernel/nvlink2_contract.h").read_text("utf-8"), re.M))
    paths = [path for path in sorted((tree / "kernel").glob("*.[ch]"))
             if not path.name.endswith(("_kunit.c", ".mod.c"))]
    found, flaws, sentence = [], [], None
    for path in paths:
        code = _code(path)
        flaws += _flaws(path, code, macros)
        for call in _CALL.finditer(code):
            texts = [text for text in (_literal(part, macros)
                                       for part in _arguments(code, call.end())) if text]
            if not texts:
                raise SourceError(f"{path.name}: {call[0]}...: its format is no literal")
            before = code[:call.start()]
            if before.rfind("static int nvlink2_bad(") > before.rfind("\n}\n"):
                sentence = _plain(texts[0])
            else:
                found.append(Message(_plain(texts[0]), path.name))
    if flaws and not sentence:
        raise SourceError("flaws of the device tree, and no nvlink2_bad() that prints them")
    # The last thing that sentence is given is the flaw.
    found += [Message(f"{sentence.removesuffix('<>')}{text}", file) for text, file in flaws]
    return found


def _flaws(path, code, macros):
    """Returns the faults of a device tree: words that nvlink2_bad() puts into its sentence."""
    for call in re.finditer(r"(?<!static int )\bnvlink2_bad\(", code):
        last = _arguments(code, call.end())[-1]
        text = _literal(last, macros)
        if text:
            yield text, path.name
        elif last != "flaw":
            raise SourceError(f"{path.name}: nvlink2_bad(..., {last}): neither words nor `flaw`")
    for body in re.findall(r"\bconst char \*nvlink2_\w*_flaw\(.*?\n}\n", code, re.S):
        for expression in re.findall(r"(?:\bflaw =|\breturn) ([^;]*);", body):
            text = _literal(expression, macros)
            if text:
                yield text, path.name


def of_build(tree):
    """Returns the messages with which an impossible build ends."""
    found = []
    path = tree / "kernel/check-kernel.sh"
    script = re.sub(r"\\\n", " ", path.read_text("utf-8"))
    for words in re.findall(r"\bno((?:\s+\"(?:[^\"\\]|\\.)*\")+)", script):
        text = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words))
        # A list whose words each have a blank in front.
        text = text.replace("$missing", " <>")
        text = re.sub(r"\$\{\w+:\+[^}]*\}", "<>", text.replace("\\`", "`"))
        found.append(Message(re.sub(r"\$\w+(?:\.\$\w+)?", "<>", text), path.name))
    if len(found) != len(re.findall(r"\bno (?=[\"$'])", script)):
        raise SourceError(f"{path.name}: a sentence that is not understood")
    path = tree / "kernel/compat.h"
    found += [Message(text, path.name) for text in
              re.findall(r'^#error "(.*)"$', path.read_text("utf-8"), re.M)]
    path = tree / "kernel/Makefile"
    found += [Message(re.sub(r"\$\(\w+\)", "<>", text), path.name) for text in
              re.findall(r"\$\(error (.*)\)$", path.read_text("utf-8").replace("\\\n", ""), re.M)]
    return found


def of_sources(tree):
    """All of them."""
    return of_driver(Path(tree)) + of_build(Path(tree))


def of_page(tree):
    """[(message, text of its entry)]: the lines of each block `text`, and what follows it."""
    page = (Path(tree) / PAGE).read_text("utf-8")
    found = []
    for block, entry in re.findall(r"^```text\n(.*?)^```\n(.*?)(?=^```text|^#|\Z)", page,
                                   re.M | re.S):
        found += [(re.sub(r"<[^<>]+>", "<>", line), entry) for line in block.splitlines()]
    return found


def differences(tree):
    """Sentences about messages without an entry, entries without a message, and half ones."""
    sources, page = of_sources(tree), of_page(tree)
    true = {message.text: message.file for message in sources}
    listed = [text for text, _ in page]
    found = [f"{true[text]}: {text!r} has no entry in {PAGE}" for text in true if text not in listed]
    found += [f"{PAGE}: nothing prints {text!r}" for text in listed if text not in true]
    found += [f"{PAGE}: {text!r} has two entries" for text in set(listed) if listed.count(text) > 1]
    found += [f"{PAGE}: {text!r}: its entry has no {part}" for text, entry in page
              for part in PARTS if not re.search(rf"^\*\*{part}:\*\* \S", entry, re.M)]
    return found
