# SPDX-License-Identifier: GPL-2.0-only
"""A full disk: the lab says of which file, how much room a run needs, and how much there is."""

import errno
import os
import re
from pathlib import Path

import pytest

from lab import cli, paths, unpack
from lab.errors import LabError
from lab.kernels import build, kernelmake

SENTENCE = (r"no room on the disk{} a whole run needs about \d+ GB below \S+ and \S+ together; "
            r"\d+\.\d GB are free in .*\. Free some, or set NVLINK2_CACHE to a folder on another disk")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
# A program that meets a full disk, and says so as others do.
DD = ["dd", "if=/dev/zero", "of=/dev/full", "bs=1", "count=1"]


def fail(*_):
    """As a write fails: Python does not know of which file."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_python_names_no_file_and_the_lab_does():
    with pytest.raises(OSError) as caught, paths.writing(Path("/some/file")):
        with open("/dev/full", "w", encoding="ascii") as full:
            full.write("x")
            full.flush()
    assert re.fullmatch(SENTENCE.format(" for /some/file:"), paths.disk_full(caught.value))


def test_file_that_cannot_be_written_is_named_and_leaves_no_draft(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "write_bytes", lambda self, _: self.touch() or fail())
    with pytest.raises(OSError) as caught:
        paths.write_atomic(tmp_path / "state", "text")
    assert re.fullmatch(SENTENCE.format(f" for {tmp_path}/state:"), paths.disk_full(caught.value))
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(OSError) as caught:
        unpack.make_once(tmp_path / "kernel", fail)
    assert f"for {tmp_path}/kernel:" in paths.disk_full(caught.value)
    assert not (tmp_path / "kernel").exists()


def test_room_covers_folders_that_are_not_there_yet(monkeypatch, tmp_path):
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path / "not/yet"))
    said = paths.disk_full(FULL)
    assert re.fullmatch(SENTENCE.format(":"), said) and f"free in {tmp_path}/not/yet" in said


@pytest.mark.parametrize("run", [build.run, kernelmake.run])
def test_program_that_meets_a_full_disk_is_understood(run):
    with pytest.raises(LabError, match="something (cannot be built|failed):[ \n]no room on the disk: a "):
        run(DD, "something")


@pytest.mark.parametrize("other", [OSError(errno.EACCES, "no"), OSError("a"), ValueError("b"), "c"])
def test_other_errors_are_other_errors(other):
    assert paths.disk_full(other) is None


def test_command_says_it_in_one_line(monkeypatch, capsys):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/where/it/was")

    def full(*_):
        raise error

    monkeypatch.setattr(cli.flavours, "kernel", full)
    assert cli.main(["fetch"]) == 2
    assert re.fullmatch("lab: " + SENTENCE.format(" for /where/it/was:") + "\n", capsys.readouterr().err)
