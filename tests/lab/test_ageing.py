# SPDX-License-Identifier: GPL-2.0-only
"""Old entries of the cache go, and nothing that a process uses; also when the removal is interrupted."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

import pytest

from lab import ageing, cli, limits
from lab.debian import privateroot
from lab.errors import LabError
from lab.kernels import flavours, source
from lab.machine import interactive
from lab.paths import ROOT

DAY = 86400
KEY = "6.12-6.12.95_1-b7f7642d8eab"


@pytest.fixture(name="home", autouse=True)
def home_fixture(monkeypatch, tmp_path):
    """A cache of the test's own, and a process that has used nothing yet."""
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(ageing.VARIABLE, raising=False)
    monkeypatch.setattr(ageing, "_held", {})
    yield tmp_path / "cache"
    release()


def release():
    """Ends this process' use of everything."""
    for descriptor in ageing._held.values():  # pylint: disable=protected-access
        os.close(descriptor)
    ageing._held.clear()  # pylint: disable=protected-access


def entry(home, name, idle=None, megabytes=1):
    """Makes an entry that was not used for so many days, or was never marked."""
    (home / name).mkdir(parents=True)
    (home / name / "file").write_bytes(b"x" * (megabytes << 20))
    if idle is not None:
        ageing.used(home / name)
        release()
        stamp = home / ".used" / urllib.parse.quote(name, safe="")
        os.utime(stamp, (time.time() - idle * DAY,) * 2)
    return home / name


def child(script, *arguments):
    """A process of the lab with a script; it says a line when it is ready."""
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stdin=subprocess.PIPE)


def test_old_entry_goes_and_its_room_is_reported(home, capsys):
    old = entry(home, "roots/trixie-python3-18411f62", 31, megabytes=3)
    new = entry(home, "roots/bookworm-qemu-1", 29)
    assert ageing.prune() == ["roots/trixie-python3-18411f62"]
    assert not old.exists() and new.exists() and not list((home / ".gone").iterdir())
    said = capsys.readouterr().err
    assert re.fullmatch(r"lab: cache: roots/trixie-python3-18411f62 not used for 30 days: removed, 0\.0 GB "
                        r"\(NVLINK2_CACHE_DAYS=0 keeps all\)\n", said)
    assert ageing.prune() == [] and capsys.readouterr().err == ""


@pytest.mark.parametrize("text, goes", [("0", False), ("100", False), ("40", True), ("0.5", True)])
def test_days_are_the_users(home, monkeypatch, text, goes):
    old = entry(home, "busybox", 50)
    monkeypatch.setenv(ageing.VARIABLE, text)
    assert ageing.prune() == (["busybox"] if goes else [])
    assert old.exists() != goes


@pytest.mark.parametrize("text", ["-1", "a month", "nan", "inf"])
def test_days_that_are_no_number_are_reported_and_nothing_goes(home, monkeypatch, capsys, text):
    old = entry(home, "busybox", 50)
    monkeypatch.setenv(ageing.VARIABLE, text)
    with pytest.raises(LabError, match=f"NVLINK2_CACHE_DAYS={text}: expected a number of days"):
        ageing.prune()
    assert cli.main(["cache", "--prune"]) == 2
    ageing.at_end()
    assert "expected a number of days" in capsys.readouterr().err and old.exists()


def test_use_makes_an_entry_new(home):
    old = entry(home, "headers/6.12.95+deb12", 31)
    assert ageing.used(old) == old
    release()
    assert ageing.prune() == [] and old.exists()


def test_time_of_an_entry_without_a_stamp_begins_now(home):
    unknown = entry(home, "source/6.12-1")
    assert ageing.prune() == [] and unknown.exists()
    os.utime(home / ".used/source%2F6.12-1", (time.time() - 31 * DAY,) * 2)
    assert ageing.prune() == ["source/6.12-1"]


def test_kernel_goes_with_its_archive_and_by_the_time_of_that(home):
    kernel = entry(home, f"debug-kernel/{KEY}", 31)
    archive = kernel.with_name(f"{KEY}.tar.xz")
    archive.write_bytes(b"archive")
    assert ageing.prune() == [] and archive.exists()
    os.utime(archive, (time.time() - 31 * DAY,) * 2)
    assert ageing.prune() == [f"debug-kernel/{KEY}"]
    assert not archive.exists() and not kernel.exists()


def test_headers_of_the_gate_go_by_the_lock_of_their_folder(home):
    entry(home, "libc-dev/6.1-1", 31)
    lock = home / "libc-dev/.lock"
    lock.touch()
    assert ageing.prune() == []
    os.utime(lock, (time.time() - 31 * DAY,) * 2)
    assert ageing.prune() == ["libc-dev/6.1-1"]


def test_what_is_no_entry_stays(home, monkeypatch):
    monkeypatch.setenv(ageing.VARIABLE, "0.0000001")
    kept = ["unknown/thing", "debug-kernel/build", "debug-kernel/keep", "roots/.hidden"]
    for name in kept:
        entry(home, name)
    for name in (".lock", "debug-kernel/.lock", "debug-kernel/source-6.12.json"):
        (home / name).touch()
    assert ageing.entries() == [] and ageing.prune() == []


def test_draft_that_an_interrupted_run_left_goes_with_its_entry(home):
    draft = entry(home, "roots/.a-1.draft")
    ageing.used(home / "roots/a-1")
    release()
    os.utime(home / ".used/roots%2Fa-1", (time.time() - 31 * DAY,) * 2)
    assert ageing.prune() == ["roots/a-1"] and not draft.exists()


def test_write_protected_folder_goes(home):
    old = entry(home, "roots/a-1", 31)
    (old / "usr").mkdir()
    (old / "usr/file").touch()
    (old / "usr").chmod(0o555)
    old.chmod(0o555)
    assert ageing.prune() == ["roots/a-1"] and not list((home / ".gone").iterdir())


USER = """\
import sys
from pathlib import Path
from lab import ageing
ageing.used(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
"""


def test_entry_that_another_process_uses_stays(home):
    old = entry(home, "roots/a-1", 31)
    with child(USER, old) as user:
        assert user.stdout.readline() == "ready\n"
        os.utime(home / ".used/roots%2Fa-1", (time.time() - 31 * DAY,) * 2)
        assert [entry.busy for entry in ageing.entries()] == [True]
        assert ageing.prune() == [] and old.exists()
        user.communicate("\n", limits.seconds(10))
    assert ageing.prune() == ["roots/a-1"]


# Takes an entry into use again and again, and makes it when it is not there.
WORKER = """\
import os, sys, time
from pathlib import Path
from lab import ageing, unpack
path, made = Path(sys.argv[1]), 0
print("ready", flush=True)
for number in range(300):
    ageing.used(path)
    if not path.exists():
        made += 1
        unpack.make_once(path, lambda draft: (draft / "file").write_text("whole"))
    for _ in range(5):
        assert (path / "file").read_text() == "whole", number
    os.close(ageing._held.pop(path))
    time.sleep(0.001)
print(made, flush=True)
"""


def test_two_processes_use_and_remove_at_once(home, monkeypatch):
    monkeypatch.setenv(ageing.VARIABLE, "0.00000001")
    path = home / "roots/a-1"
    removed = 0
    with child(WORKER, path) as worker:
        assert worker.stdout.readline() == "ready\n"
        while worker.poll() is None:
            removed += len(ageing.prune())
        assert worker.stdout.readline() != "", "it met an entry that was not whole"
    assert worker.returncode == 0 and removed > 10


def test_two_removals_at_once_do_not_wait(home, capsys):
    old = entry(home, "roots/a-1", 31)
    with open(home / ".used/.lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert ageing.prune() == [] and old.exists()
    assert "another process removes" in capsys.readouterr().err
    assert ageing.prune() == ["roots/a-1"]


def test_interrupted_removal_is_ended_by_the_next(home, monkeypatch, capsys):
    old = entry(home, "roots/a-1", 31, megabytes=2)

    def interrupted(_):
        raise KeyboardInterrupt

    remove = ageing.remove
    monkeypatch.setattr(ageing, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ageing.prune()
    # It is whole or not there: who comes now makes it anew.
    assert not old.exists() and list((home / ".gone").iterdir())
    entry(home, "roots/a-1")
    monkeypatch.setattr(ageing, "remove", remove)
    assert ageing.prune() == [] and old.exists() and not list((home / ".gone").iterdir())
    assert "the rest of an interrupted removal is gone" in capsys.readouterr().err


KILLED = """\
import time
import urllib.parse
from lab import ageing
ageing.remove = lambda path: (print("ready", flush=True), time.sleep(1000))
ageing.prune()
"""


def test_removal_that_is_killed_leaves_no_lock(home):
    entry(home, "roots/a-1", 31)
    with child(KILLED) as process:
        assert process.stdout.readline() == "ready\n"
        # While it deletes, the entry is nobody's.
        ageing.used(home / "roots/a-1")
        process.kill()
    assert ageing.prune() == [] and not list((home / ".gone").iterdir())


def test_command_shows_entries_and_ages_them(home, capsys):
    entry(home, "roots/old-1", 31, megabytes=3)
    ageing.used(entry(home, "busybox", 1, megabytes=2))
    assert cli.main(["cache"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r" +2\.\d MB  \d{4}-\d\d-\d\d  in use  busybox", first)
    assert re.fullmatch(r" +3\.\d MB  \d{4}-\d\d-\d\d +roots/old-1", second)
    assert re.fullmatch(rf" +5\.\d MB in {home}; what is not used for 30 days goes", last)
    assert cli.main(["cache", "--prune"]) == 0
    assert "old-1" not in capsys.readouterr().out
    assert cli.main(["cache", "--prune"]) == 0
    assert "nothing is old enough to go" in capsys.readouterr().out


def test_empty_cache_is_no_error(home, capsys):
    assert cli.main(["cache", "--prune"]) == 0 and not home.exists()
    assert " 0.0 MB in " in capsys.readouterr().out


def test_run_of_tests_ages_the_cache_at_its_end(home):
    entry(home, "roots/a-1", 31)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/lab/test_limits.py"], cwd=ROOT,
                          text=True, capture_output=True, check=False, timeout=limits.seconds(60))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cache: roots/a-1 not used for 30 days" in done.stderr
    assert re.fullmatch(r"\d+ passed, 0 failed", done.stdout.splitlines()[-1])


# Each place that takes something out of the cache marks it.


def in_use():
    return [entry.name for entry in ageing.entries() if entry.busy]


def test_private_root_is_marked(home, monkeypatch):
    monkeypatch.setattr(privateroot, "_fill", lambda target, *_: target.mkdir(parents=True))
    root = privateroot.packages("trixie", ["a"], arch="amd64")
    assert in_use() == [f"roots/{root.path.name}"] and root.path.parent == home / "roots"


def test_source_is_marked(home):
    entry(home, "source/6.12-1", 31)
    assert source.have("6.12") == home / "source/6.12-1" and source.have("7.2") is None
    assert in_use() == ["source/6.12-1"]


def test_busybox_is_marked(home):
    (entry(home, "busybox", 31) / "bin").mkdir()
    (home / "busybox/bin/busybox").touch()
    interactive.busybox()
    assert in_use() == ["busybox"]


def test_kernel_and_headers_are_marked_and_fetched_when_one_is_gone(home, monkeypatch):
    fetched = []

    def fetch(_, folder, record, *__):
        fetched.append(folder.name)
        (folder / "6.12.1-a").mkdir(parents=True, exist_ok=True)
        (home / "headers/6.12.1").mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"wanted": flavours.STOCK_MODULES, "release": "6.12.1-a",
                                      "package_release": "6.12.1", "modules": []}), "utf-8")

    monkeypatch.setattr(flavours, "_fetch", fetch)
    flavours.kernel("6.12-4k")
    flavours.kernel("6.12-4k")
    assert sorted(in_use()) == ["headers/6.12.1", "kernels/6.12-4k"] and fetched == ["6.12-4k"]
    (home / "headers/6.12.1").rmdir()
    flavours.kernel("6.12-4k")
    assert fetched == ["6.12-4k"] * 2


def test_kernel_that_the_lab_builds_is_marked_and_made_again_when_it_went(home, monkeypatch):
    made = []

    def kernel(*_):
        made.append(1)
        folder = home / "debug-kernel" / KEY
        if len(made) > 1:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "order").write_text("", "utf-8")
        return "6.12.1", folder

    monkeypatch.setattr(flavours.debugkernel, "kernel", kernel)
    flavours.kernel("6.12-debug")
    assert len(made) == 2 and in_use() == [f"debug-kernel/{KEY}"]
