# SPDX-License-Identifier: GPL-2.0-only
"""Conditions of versions are decided, and only those."""

import pytest

from tools.intree import resolve

HEADER = """\
/* What this is. */
#ifndef NVLINK2_COMPAT_H
#define NVLINK2_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "too old"
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) && \\
	LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#error "between"
#endif

/* NVLINK2_OPS: operations. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define NVLINK2_OPS \\
	.one = first, \\
	.two = second,
#else
#define NVLINK2_OPS	.one = first,
#endif
#endif /* NVLINK2_COMPAT_H */
"""
MAIN = '#include "compat.h"\n#include "own.h"\nstruct ops ops = {\n\tNVLINK2_OPS\n};\n'
WRAPPER = """\
#ifdef CONFIG_X
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
static inline int nvlink2_insert(void) { return 2; }
#else
static inline int nvlink2_insert(void) { return 1; }
#endif
#endif
#endif /* NVLINK2_COMPAT_H */
"""


@pytest.mark.parametrize("version, members", [
    ((6, 12, 5), "\t.one = first,\n"), ((7, 2, 0), "\t.one = first,\n\t.two = second,\n")])
def test_resolve_puts_members_where_they_are_used(version, members):
    files = resolve.resolve({"compat.h": HEADER, "main.c": MAIN}, version)
    assert files == {"main.c": f'#include "own.h"\nstruct ops ops = {{\n{members}}};\n'}


@pytest.mark.parametrize("version, number", [((6, 12, 5), 1), ((7, 2, 0), 2)])
def test_resolve_keeps_what_is_more_than_members(version, number):
    """A header that still has code stays, without versions; foreign conditions are its own."""
    header = HEADER.replace("#endif /* NVLINK2_COMPAT_H */\n", WRAPPER)
    files = resolve.resolve({"compat.h": header, "main.c": MAIN}, version)
    assert '#include "compat.h"' in files["main.c"]
    assert files["compat.h"].count("nvlink2_insert") == 1
    assert f"return {number};" in files["compat.h"]
    assert "VERSION" not in files["compat.h"].replace("NVLINK2_COMPAT_H", "")
    assert files["compat.h"].count("#if") == files["compat.h"].count("#endif") == 2


@pytest.mark.parametrize("version, said", [((6, 1, 0), "too old"), ((6, 18, 3), "between"),
                                           ((6, 12, 0), None), ((7, 2, 12), None)])
def test_decide_takes_one_branch(version, said):
    text = resolve.decide(HEADER, version)
    assert [word for word in ("too old", "between") if word in text] == ([said] if said else [])
    assert "LINUX_VERSION_CODE" not in text


@pytest.mark.parametrize("text, says", [
    ("#if LINUX_VERSION_CODE == KERNEL_VERSION(6, 12, 0)\n#endif\n", "is no comparison"),
    ("#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)\n", "has no #endif"),
    ("#else\n", "without #if")])
def test_decide_says_what_it_does_not_understand(text, says):
    with pytest.raises(resolve.ResolveError, match=says):
        resolve.decide(text, (6, 12, 0))


def test_the_drivers_own_header_leaves_nothing():
    """In a tree, no word of another version is left."""
    from tools.intree import tree as in_tree  # pylint: disable=import-outside-toplevel
    for version in ((6, 12, 0), (7, 2, 0)):
        for name, text in in_tree.files_for(version).items():
            assert "LINUX_VERSION_CODE" not in text and "compat.h" not in text, name


@pytest.mark.parametrize("version, call", [
    ((6, 12, 5), "zalloc(sizeof(*it), flags)"), ((7, 2, 0), "zalloc_obj(*it, flags)")])
def test_resolve_puts_a_call_in_the_place_of_another(version, call):
    """And only there: a longer name is another macro."""
    header = HEADER.replace("#define NVLINK2_OPS \\\n", "#define NVLINK2_NEW(obj, gfp) "
                            "zalloc_obj(obj, gfp)\n#define NVLINK2_OPS \\\n", 1)
    header = header.replace("#else\n", "#else\n#define NVLINK2_NEW(obj, gfp) "
                            "zalloc(sizeof(obj), gfp)\n", 1)
    main = MAIN + "it = NVLINK2_NEW(*it, flags);\nold = NVLINK2_NEWER(*it, flags);\n"
    files = resolve.resolve({"compat.h": header, "main.c": main}, version)
    assert files["main.c"].endswith(f"it = {call};\nold = NVLINK2_NEWER(*it, flags);\n")
    assert set(files) == {"main.c"}
