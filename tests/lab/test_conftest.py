# SPDX-License-Identifier: GPL-2.0-only
"""The last line of a test run, and that nothing but success gives exit status 0."""

import os
import shutil
import subprocess
import sys

import pytest

from lab.paths import ROOT


def run(folder, text, *arguments):
    """Runs pytest on one file with the project's conftest: (exit status, last line)."""
    shutil.copy(ROOT / "conftest.py", folder)
    shutil.copy(ROOT / "pytest.ini", folder)
    (folder / "test_it.py").write_text(text)
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments, "test_it.py"], cwd=folder,
                          text=True, capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    (folder / "output").write_text(done.stdout, "utf-8")
    return done.returncode, done.stdout.splitlines()[-1]


PASS = "def test_pass(): pass\n"


def test_all_passed(tmp_path):
    assert run(tmp_path, PASS) == (0, "1 passed, 0 failed")


@pytest.mark.parametrize("text", [
    "def test_fail(): assert 0\n",
    "import pytest\ndef test_skip(): pytest.skip('no')\n",
    "import pytest\n@pytest.mark.xfail\ndef test_x(): assert 0\n",
    "import pytest\n@pytest.mark.xfail\ndef test_x(): pass\n",
    "import pytest\n@pytest.fixture\ndef f(): raise OSError\ndef test_f(f): pass\n",
], ids=["failure", "skip", "xfail", "xpass", "error"])
def test_what_did_not_pass_has_failed(tmp_path, text):
    status, last = run(tmp_path, PASS + text)
    assert status != 0
    assert last == "1 passed, 1 failed"


def test_file_that_cannot_be_read_has_failed(tmp_path):
    status, last = run(tmp_path, "import no_such_module\n")
    assert status != 0
    assert last == "0 passed, 1 failed"


def test_no_test_is_no_success(tmp_path):
    status, last = run(tmp_path, "")
    assert status != 0
    assert last == "0 passed, 0 failed"


def test_several_processes_count_as_one(tmp_path):
    text = PASS + "def test_more(): pass\ndef test_fail(): assert 0\n"
    status, last = run(tmp_path, text, "-n", "2", "--dist", "loadfile")
    assert status != 0
    assert last == "2 passed, 1 failed"


def test_process_that_dies_has_failed(tmp_path):
    text = PASS + "import os\ndef test_dies(): os._exit(0)\n"
    status, last = run(tmp_path, text, "-n", "1", "--dist", "loadfile", "--max-worker-restart", "0")
    assert status != 0
    assert last == "1 passed, 1 failed"


def test_full_disk_is_reported_with_the_file_and_the_room(tmp_path):
    text = "def test_full(): raise OSError(28, 'No space left on device', '/there/file')\n"
    run(tmp_path, text)
    output = (tmp_path / "output").read_text("utf-8")
    assert "no room on the disk for /there/file: a whole run needs about" in output
