# SPDX-License-Identifier: GPL-2.0-only
"""
A Sphinx extension of two directives, of which the manual is built beside its pages.

    .. kernel-doc:: kernel/range.h      the comments of a C file, by the kernel's own script
    .. kernel-abi:: docs/ABI            the entries of a folder in the form of Documentation/ABI
"""

import os
import re
import subprocess
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.util.nodes import nested_parse_with_titles

from docs.builder import sysfsdocs

LOG = getLogger(__name__)
# Links that are good where pages are read as files, and what has the same in the manual.
_PAGES = {"](../abi-tests/MATRIX.md)": "](abi-matrix.md)",
          "](../generated/docs/vfio-nvlink2.rst)": "](interface.rst)"}
# Functions of this project: a mention that leads to none is a warning.
_MENTION = re.compile(r"(?<![\w`*])((?:vfio_)?nvlink2_\w+)\(\)(?!`)")


class _Generated(Directive):
    """A directive that stands for reStructuredText made of files."""

    required_arguments = 1
    final_argument_whitespace = False
    has_content = False

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        tree = Path(env.srcdir).parent
        source = tree / self.arguments[0]
        for path in [source, *sorted(source.rglob("*"))]:
            env.note_dependency(str(path))
        text = self.text(tree, source)
        lines = StringList()
        for number, line in enumerate(text.splitlines()):
            lines.append(line, str(source), number)
        node: nodes.Element = nodes.section()
        node.document = self.state.document
        nested_parse_with_titles(self.state, lines, node)
        return node.children

    def warn(self, text: str) -> None:
        """A warning of Sphinx, which is a failure of the build."""
        LOG.warning(text, location=(self.state.document.settings.env.docname, self.lineno))

    def text(self, tree: Path, source: Path) -> str:
        """Returns the nodes that the directive stands for."""
        raise NotImplementedError


class KernelDoc(_Generated):
    """The kernel-doc comments of one file; a warning of the script is one of Sphinx."""

    def text(self, tree: Path, source: Path) -> str:
        done = subprocess.run(
            ["perl", os.environ["NVLINK2_KERNEL_DOC"], "-rst", "-Wall", "-sphinx-version",
             "5.3.0", str(source.relative_to(tree))],
            cwd=tree, capture_output=True, text=True, check=False)
        for line in done.stderr.splitlines():
            self.warn(f"kernel-doc: {line}")
        if done.returncode and not done.stderr:
            self.warn(f"kernel-doc failed for {source}")
        return _own_namespace(_MENTION.sub(r":c:func:`\1`", done.stdout))


def _own_namespace(text: str) -> str:
    """C lets a struct and a function have one name, Sphinx does not: the function moves."""
    for name in re.findall(r"^\.\. c:(?:struct|enum):: (\w+)$", text, re.M):
        text = re.sub(rf"^(\.\. c:function:: .*\b{name} \(.*\n(?:(?!\.\. c:).*\n)*)",
                      ".. c:namespace-push:: functions\n\n\\1\n.. c:namespace-pop::\n\n", text,
                      flags=re.M)
    return text


def _pages_of_the_manual(_app: Sphinx, _docname: str, source: list[str]) -> None:
    for link, page in _PAGES.items():
        source[0] = source[0].replace(link, page)


class KernelAbi(_Generated):
    """All entries of a folder of ABI files, as definitions below the name of their file."""

    def text(self, tree: Path, source: Path) -> str:
        parts = []
        try:
            for file, entries in sysfsdocs.read(source):
                title = file.relative_to(source).as_posix()
                parts += [title, "-" * len(title), "", *map(sysfsdocs.as_rst, entries)]
        except sysfsdocs.SysfsDocsError as error:
            self.warn(str(error))
        return "\n".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("kernel-doc", KernelDoc)
    app.add_directive("kernel-abi", KernelAbi)
    app.connect("source-read", _pages_of_the_manual)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
