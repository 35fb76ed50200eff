# SPDX-License-Identifier: GPL-2.0-only
"""The command line: help that teaches, and exit statuses that mean one thing each."""

import pytest

from lab import cli
from lab.errors import CheckFailed, LabError


def status_of(*arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    return stopped.value.code


def test_help_names_every_command_and_variable(capsys):
    assert status_of("--help") == 0
    text = capsys.readouterr().out
    for word in ("fetch", "build", "boot", "test", "demo", "bench", "lint", "clean",
                 "NVLINK2_CACHE", "NVLINK2_MIRROR", "exit status"):
        assert word in text


@pytest.mark.parametrize("arguments", [(), ("frob",), ("boot", "--flavour", "5.0"), ("test", "5.0")])
def test_wrong_usage_is_2(arguments):
    assert status_of(*arguments) == 2


@pytest.mark.parametrize("error,status", [
    (CheckFailed("a"), 1), (LabError("a"), 2), (OSError("a"), 2), (KeyboardInterrupt(), 130)])
def test_failure_is_one_line_and_its_status(monkeypatch, capsys, error, status):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli.flavours, "kernel", fail)
    assert cli.main(["fetch"]) == status
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text


def test_unknown_flavour_names_those_there_are(capsys):
    assert cli.main(["fetch", "5.0"]) == 2
    assert "6.12-64k" in capsys.readouterr().err
