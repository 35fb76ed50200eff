# SPDX-License-Identifier: GPL-2.0-only
"""Helpers of the tests of the driver in a kernel's tree."""

from tools.intree import cli


def state(tree):
    """Every file of a tree and every folder."""
    return {path.relative_to(tree).as_posix(): path.read_text() if path.is_file() else None
            for path in tree.rglob("*")}


def command(capsys, *arguments):
    """(exit status, what it says)"""
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err
