# SPDX-License-Identifier: GPL-2.0-only
"""kernel/range.h in user space, under the sanitizers, and mutants of it that must be rejected."""

import re
from pathlib import Path

import pytest

from ..sanitized import compile_program, run_program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/tests-range"
RANGE = ROOT / "kernel/range.h"
SOURCE = HERE / "test_range.c"
NAMES = re.findall(r"cmocka_unit_test\((\w+)\)", SOURCE.read_text("utf-8"))

# Each is one small mistake: (what stands there, what stands there instead).
MUTANTS = {
    "empty_is_inside": ("return len && pos < size", "return pos < size"),
    "sum_wraps": ("pos < size && len <= size - pos", "pos < size && pos + len <= size"),
    "start_unchecked": ("return len && pos < size && len", "return len && len"),
    "clip_at_the_end": ("if (pos >= size)\n\t\treturn 0;", "if (pos > size)\n\t\treturn 1;"),
    "clip_wraps": ("return min(len, size - pos);",
                   "return pos + len < size ? len : size - pos;"),
    "piece_over_the_boundary": ("u64 room = step - (pos & (step - 1));", "u64 room = step - (pos & 1);"),
    "piece_too_long": ("return min(len, room);", "return max(len, room);"),
    "meet_of_neighbours": ("b - a < a_len && b_len", "b - a <= a_len && b_len"),
    "span_before_the_mapping": ("min(addr - start, pos)", "min(addr - 0 * start, pos)"),
    "span_before_the_region": ("min(addr - start, pos)", "addr - start"),
    "span_behind_the_mapping": ("min(end - addr, size - pos)", "min((end | -1ULL) - addr, size - pos)"),
    "span_behind_the_region": ("min(end - addr, size - pos)", "min(end - addr, (size | -1ULL) - pos)"),
    "span_of_the_next_block": ("NVLINK2_BLOCK - ahead;", "2 * NVLINK2_BLOCK - ahead;"),
    "span_from_the_page_on": ("	ahead = min(ahead,", "	ahead = min(0 * ahead,"),
    "meet_of_empty": ("a - b < b_len && a_len", "a - b < b_len"),
    "align_without_limit": ("hpa | len | (1ULL << 30)", "hpa | len"),
    "align_without_length": ("hpa | len |", "hpa | (len & 0) |"),
    "tgt_shifted": ("((hpa >> 45) & 3) << 43", "((hpa >> 45) & 3) << 42"),
    "tgt_keeps_high_bits": ("(hpa & ((1ULL << 43) - 1))", "(hpa & ((1ULL << 44) - 1))"),
    "window_at_zero": ("if (!hpa)", "if (0)"),
    "window_of_zero": ("if (!size)", "if (0)"),
    "window_wraps": ("if (hpa + size < hpa)", "if (0)"),
    "window_ends_at_zero": ("if (hpa + size < hpa)", "if (hpa + size - 1 < hpa)"),
    "window_of_any_size": ("if (size > NVLINK2_WINDOW_MAX)", "if (0)"),
    "window_of_any_address": ("if (hpa & (NVLINK2_WINDOW_ALIGN - 1))", "if (0)"),
    "window_of_any_length": ("if (size & (NVLINK2_WINDOW_ALIGN - 1))", "if (0)"),
}


def outcome(name, compiler="gcc", text=None):
    """Builds with range.h, or with another text in its place, and runs."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "range.h").write_text(text or RANGE.read_text("utf-8"), "utf-8")
    compile_program(folder / "program", compiler, [SOURCE],
                    ["-I", str(HERE), "-I", str(folder), "-I", str(ROOT / "generated/kernel")])
    return run_program(folder / "program", 60)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_range(compiler):
    verdicts, output, status = outcome(compiler, compiler)
    assert status == 0, output[-4000:]
    assert verdicts == dict.fromkeys(NAMES, True)
    assert "Sanitizer" not in output and "runtime error" not in output


@pytest.mark.parametrize("name", MUTANTS)
def test_range_mutant_is_rejected(name):
    old, new = MUTANTS[name]
    text = RANGE.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} is in range.h {text.count(old)} times"
    _, output, status = outcome(name, text=text.replace(old, new))
    assert status != 0, f"no test notices {name}\n{output}"
