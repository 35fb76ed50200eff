# SPDX-License-Identifier: GPL-2.0-only
"""
No array of the driver is indexed by a number a user chose, unless array_index_nospec() clamps it.

The sources are searched for subscripts. One whose index is a constant is none; each other stands
in a table here, with the reason why no user chooses it. NVLINK2_TREE names other sources.
"""
# pylint: disable=invalid-name  # the number of a defect is written with a capital

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREE = Path(os.environ.get("NVLINK2_TREE") or ROOT)

# File, subscript, and why the index is nobody's choice.
REVIEWED = [
    ("generated/kernel/nvlink2_regions.h", "descs[id]",
     "an enum; every caller in the driver names a constant"),
    ("kernel/gpu_ram_fault.c", "nvlink2_around_names[READ_ONCE(fault_around)]",
     "what sysfs_match_string() found in that table"),
]
# A type and a name before the bracket: a declaration, whose bracket holds a size.
_DECLARATION = re.compile(r"^\s*(?:static |const |unsigned |struct )*\w+[\s*]+(?:const )?$")


def code(text):
    """The text without comments, strings and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    return re.sub(r"^\s*#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)


def subscripts(text):
    """Every `name[index]` with an index that is no constant."""
    found = []
    for match in re.finditer(r"([\w.>-]*\w)\s*\[([^][]+)\]", code(text)):
        name, index = match[1], match[2].strip()
        line = code(text)[:match.start()].rsplit("\n", 1)[-1]
        constant = re.fullmatch(r"\d+\w*|[A-Z][A-Z0-9_]*|ARRAY_SIZE\(\w+\)", index)
        if not constant and "array_index_nospec(" not in index and not _DECLARATION.match(line):
            found.append(f"{name}[{index}]")
    return found


def files():
    """The driver's own files: neither the simulator's nor the KUnit suites'."""
    paths = [path for folder in ("kernel", "generated/kernel") for path in (TREE / folder).glob("*.[ch]")
             if not path.name.endswith(("_kunit.c", ".mod.c"))]
    assert len(paths) > 15
    return paths


def test_no_index_is_a_users_choice():
    known = [(file, found) for file, found, _ in REVIEWED]
    strange = [f"{path.relative_to(TREE)}: {found}" for path in files()
               for found in subscripts(path.read_text("utf-8"))
               if (str(path.relative_to(TREE)), found) not in known]
    assert not strange, "clamp it with array_index_nospec(), or say here why nobody chooses it:\n" \
        + "\n".join(strange)


def test_reviewed_ones_are_still_there():
    for file, found, _ in REVIEWED:
        assert found in subscripts((TREE / file).read_text("utf-8")), f"{file}: {found}"


@pytest.mark.parametrize("text, found", [
    ("x = table[index];", ["table[index]"]),
    ("x = core->region[index - 9].ops;", ["core->region[index - 9]"]),
    ("x = table[array_index_nospec(index, 4)];", []),
    ("x = reg[0] + reg[SIZE];", []),
    ("u64 reg[count];\n\tstatic const char *names[count] = x;", []),
    ("/* table[index] */ s = \"table[index]\";", []),
    ("#define X(a) table[a]", []),
])
def test_subscripts_are_found(text, found):
    assert subscripts(text) == found
