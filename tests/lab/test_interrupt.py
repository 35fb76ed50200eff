# SPDX-License-Identifier: GPL-2.0-only
"""
Ctrl-C, and a signal that ends a run, leave no process, no lock and no temporary file.

A run is a real one, in a copy of the tests. Only what costs time is played: an emulator and a
kernel's build are programs that sleep. Their processes have a mark in the environment.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from lab import leftovers, limits
from lab.paths import ROOT

MARK = "NVLINK2_INTERRUPTED"
SLEEP = "1234567"
# A shell in the background has its programs ignore Ctrl-C; one of ours would go on ignoring it.
HEEDS = ("env", "--default-signal=INT,TERM")
# These texts are added to modules of the copy.
PLAYED = {
    "machine/qemu.py": f"""
def emulator(refresh=False):
    return None

def tree(root, extra, append, initrd_size):
    return b"tree"

def environment(root):
    return dict(os.environ)

def command(root, kernel, initrd, dtb, extra=()):
    return ["sh", "-c", "echo 'Linux version 6'; exec sleep {SLEEP}"]
""",
    "kernels/flavours.py": """
def kernel(name, refresh=False):
    if flavour(name).recipe:
        with locked(cache() / "debug-kernel"):
            debugkernel.run_long(["make", "-j2", "-f", Path(__file__).with_name("played.mk")])
    return Kernel("6", Path("/dev/null"), [], Path("/"))
""",
    "kernels/build.py": """
def modules(name, kunit=False):
    return {}
""",
    "machine/machine.py": """
def initramfs(kernel, argv, nonce, files=(), console=False):
    return b"archive"
""",
    "suites/suites.py": """
def names(name):
    return ["played"]
""",
    "suites/suite.py": """
def payload(flavour, with_tool=False):
    return []
""",
    "kernels/played.mk": f"""
all: one two
one two:
	@sh -c 'sleep {SLEEP}; true'
"""}
# Another process of the run, which works in a folder and waits for a program.
BUSY = f"""
import tempfile
from lab.kernels import build
from lab.paths import BUILD, locked

def test_busy():
    with locked(BUILD / "busy"), tempfile.TemporaryDirectory(dir=BUILD / "busy"):
        build.run(["sleep", "{SLEEP}"], "it")
"""


@pytest.fixture(name="copy")
def copy_fixture(tmp_path):
    """A copy of the tests in which an emulator and a build only sleep."""
    copy = tmp_path / "copy"
    for part in ("lab", "tests", "tools", "generated/user"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.bin"))
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy(ROOT / name, copy / name)
    for name, text in PLAYED.items():
        with open(copy / "lab" / name, "a", encoding="utf-8") as file:
            file.write(text)
    (copy / "tests/test_busy.py").write_text(BUSY, "utf-8")
    return copy


def marked(mark):
    """The processes with a mark, {pid: command line}."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
                found[int(folder.name)] = " ".join(word.decode(errors="replace") for word in words)
        except (OSError, ValueError):
            # It has ended meanwhile.
            continue
    return found


def wait(condition, quiet):
    """Waits so long, on a quiet machine, for something to become true; whether it did."""
    deadline = time.monotonic() + limits.seconds(quiet)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def locks_held(folder):
    """The locks that somebody has below a folder."""
    held = []
    for path in [*folder.rglob(".lock"), *folder.glob("**/.used/*")]:
        with open(path, "rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(str(path))
    return held


GUEST = ("-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "tests/test_guest.py", "tests/test_busy.py",
         "-k", "6.12-64k-basic or 6.12-debug-basic or busy")
MACHINES = ("-m", "pytest", "-q", "tests/test_guest.py", "-k", "6.12-64k-basic or 6.12-debug-basic")
# The runs, and how many programs sleep when it is under way: an emulator, a build's two, the other's.
RUNS = {"pytest": (GUEST, 4), "machines": (MACHINES, 3),
        "suite": (("-m", "lab", "test", "6.12-64k", "basic"), 1),
        "kernel": (("-m", "lab", "kernel", "6.12-debug"), 2)}


# A terminal sends Ctrl-C to all processes of a run; who ends a run by its number, to one.
@pytest.mark.parametrize("number, everybody", [(signal.SIGINT, True), (signal.SIGTERM, False)],
                         ids=["ctrl-c", "term"])
@pytest.mark.parametrize("what", RUNS)
def test_interrupted_run_leaves_nothing(what, number, everybody, copy, tmp_path):
    arguments, sleepers = RUNS[what]
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "NVLINK2_CACHE": str(tmp_path / "cache"),
                   "PYTHONDONTWRITEBYTECODE": "1"}
    # As a shell would, the run gets a group of its own, in a session without a terminal.
    with open(tmp_path / "said", "wb") as said, \
         subprocess.Popen([*HEEDS, sys.executable, *arguments], cwd=copy, env=environment,
                          stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True) as run:
        try:
            assert wait(lambda: list(marked(mark).values()).count(f"sleep {SLEEP}") >= sleepers, 30), (
                f"it does not begin: {marked(mark)} {(tmp_path / 'said').read_text('utf-8')}")
            # An emulator alone works under no lock.
            assert locks_held(tmp_path) or sleepers == 1
            (os.killpg if everybody else os.kill)(run.pid, number)
            gone = wait(lambda: not marked(mark), 15)
            text = (tmp_path / "said").read_text("utf-8")
            assert gone, f"{sorted(marked(mark).items())}\n{text}"
            assert run.wait(limits.seconds(2)) != 0
        finally:
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)
    assert not locks_held(tmp_path)
    files = [str(path) for place in ("run", "busy") for path in (copy / "build" / place).rglob("*")
             if path.name != ".lock"]
    assert not files, text


def test_files_of_a_killed_run_go_with_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(leftovers, "BUILD", tmp_path)
    leftovers.sweep()
    place = tmp_path / "run"
    (place / "npu2-left").mkdir(parents=True)
    for name in ("tmpleft.cpio", "npu2-left/ram0", "npu2-named", "other"):
        (place / name).touch()
    with tempfile.NamedTemporaryFile(dir=place, suffix=".cpio") as used, \
         subprocess.Popen(["tail", "-f", str(place / "npu2-named")],
                          stdout=subprocess.DEVNULL) as reader:
        assert wait(lambda: leftovers._is_used(str(place / "npu2-named")), 5)  # pylint: disable=protected-access
        leftovers.sweep()
        assert {path.name for path in place.iterdir()} == {Path(used.name).name, "npu2-named", "other"}
        reader.kill()
    leftovers.sweep()
    assert {path.name for path in place.iterdir()} == {"other"}


def test_what_children_leave_behind_is_ended():
    """Also what has a parent no more, and what does not heed the first signal."""
    script = ("import subprocess, sys\nfrom lab import leftovers\n"
              "with leftovers.ending_all():\n"
              "    subprocess.run(['sh', '-c', \"trap '' TERM; sleep 1234 & sleep 1234 & exit\"],\n"
              "                   check=True)\n"
              "    child = subprocess.Popen(['sh', '-c', \"trap '' TERM; sleep 1234; sleep 1234\"])\n"
              "    print('ready', flush=True)\n"
              "    child.wait()\n")
    mark = uuid.uuid4().hex
    with subprocess.Popen([*HEEDS, sys.executable, "-c", script], cwd=ROOT, text=True,
                          env={**os.environ, MARK: mark}, stdout=subprocess.PIPE) as run:
        ready = run.stdout.readline() == "ready\n" and wait(lambda: len(marked(mark)) >= 4, 10)
        run.send_signal(signal.SIGTERM)
        gone = wait(lambda: not marked(mark), 10)
        # Nothing may keep this test waiting, whatever has failed.
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)
    assert ready and gone and run.returncode == 143
