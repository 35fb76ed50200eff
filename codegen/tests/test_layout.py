# SPDX-License-Identifier: GPL-2.0-only
"""The layout model against real compilers."""

import random
from types import SimpleNamespace

import pytest

from codegen.layout import ILP32, LP64, lay_out

from .compilers import compile_c

TYPES = {"u8": "unsigned char", "u16": "unsigned short", "u32": "unsigned int",
         "u64": "unsigned long long", "header": "struct vfio_info_cap_header",
         "aligned_u64": "__attribute__((aligned(8))) unsigned long long"}

COMPILERS = {
    "native": ("gcc", (), LP64),
    "i386": ("gcc", ("-m32",), ILP32),
    "ppc64le": ("powerpc64le-linux-gnu-gcc", (), LP64),
}

HEADER = "struct vfio_info_cap_header { unsigned short id, version; unsigned int next; };\n"


def random_structs(count):
    draw = random.Random(20181221)
    for _ in range(count):
        yield [SimpleNamespace(name=f"f{n}", type=draw.choice(list(TYPES)),
                               count=draw.choice((None, None, None, 1, 2, 3, 7)))
               for n in range(draw.randint(1, 9))]


def assertions(structs, abi):
    """C that compiles only where the compiler lays out as the model does."""
    lines = [HEADER]
    for number, fields in enumerate(structs):
        layout = lay_out(fields, abi)
        lines.append(f"struct s{number} {{")
        lines += [f"\t{TYPES[f.type]} {f.name}{f'[{f.count}]' if f.count else ''};" for f in fields]
        lines.append("};")
        lines.append(f"_Static_assert(sizeof(struct s{number}) == {layout.size}, \"size\");")
        lines.append(f"_Static_assert(_Alignof(struct s{number}) == {layout.align}, \"align\");")
        lines += [f"_Static_assert(__builtin_offsetof(struct s{number}, {f.name}) == {offset}, "
                  f"\"{f.name}\");" for f, offset in zip(fields, layout.offsets)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", COMPILERS)
def test_layout_model_equals_compiler(name):
    compiler, flags, abi = COMPILERS[name]
    text = assertions(random_structs(300), abi)
    assert compile_c(text, "-ffreestanding", *flags, compiler=compiler) == ""


@pytest.mark.parametrize("name, wrong", [("native", ILP32), ("i386", LP64)])
def test_layout_comparison_can_fail(name, wrong):
    compiler, flags, _ = COMPILERS[name]
    text = assertions(random_structs(300), wrong)
    assert "static assertion failed" in compile_c(text, "-ffreestanding", *flags, compiler=compiler)


def field(type_name, count=None):
    return SimpleNamespace(name="f", type=type_name, count=count)


@pytest.mark.parametrize("types, lp64, ilp32", [
    (["u8"], (1, 1, (0,)), (1, 1, (0,))),
    (["u8", "u64"], (16, 8, (0, 8)), (12, 4, (0, 4))),
    (["u8", "aligned_u64"], (16, 8, (0, 8)), (16, 8, (0, 8))),
    (["header", "u64"], (16, 8, (0, 8)), (16, 4, (0, 8))),
    (["header", "aligned_u64"], (16, 8, (0, 8)), (16, 8, (0, 8))),
    (["u16", "u8", "u32", "u8"], (12, 4, (0, 2, 4, 8)), (12, 4, (0, 2, 4, 8))),
])
def test_layout_by_hand(types, lp64, ilp32):
    fields = [field(t) for t in types]
    for abi, wanted in ((LP64, lp64), (ILP32, ilp32)):
        layout = lay_out(fields, abi)
        assert (layout.size, layout.align, layout.offsets) == wanted
