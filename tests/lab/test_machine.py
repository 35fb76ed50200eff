# SPDX-License-Identifier: GPL-2.0-only
"""The listener stops for the right reason, whatever the machine does. No emulator is started."""

import contextlib
import os
import subprocess
import time

import pytest

from lab.errors import LabError
from lab.kernels import build
from lab.kernels.flavours import Kernel
from lab.machine import machine
from lab.machine.cpio import Archive


def listen(script, timeout=30):
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as process:
        try:
            return machine.ended(
                process, machine.Listener(process, "5eed", timeout, None, None).listen())
        finally:
            process.kill()


def test_end_marker_stops_at_once():
    started = time.monotonic()
    outcome = listen("echo 'Linux version 6'; echo '[ 1.0] nvlab: end 5eed status=0'; sleep 60")
    assert outcome.reason == "end"
    assert time.monotonic() - started < 10


def test_marker_without_the_nonce_is_none():
    assert listen("echo '[ 1.0] nvlab: end beef status=0'").reason == "exit"


def test_hang_runs_into_the_time_limit():
    assert listen("echo 'Linux version 6'; sleep 60", timeout=1).reason == "timeout"


def test_endless_output_runs_into_the_time_limit():
    assert listen("echo 'Linux version 6'; while :; do echo noise; done", timeout=1).reason == "timeout"


def test_time_without_a_processor_does_not_count(monkeypatch):
    """A machine with much else to do: the process is ready, and gets none of its time."""
    monkeypatch.setattr(machine, "_ASK_EVERY", 0)
    started = time.monotonic()
    monkeypatch.setattr(machine, "waited_seconds", lambda _: min(3, time.monotonic() - started))
    outcome = listen("echo 'Linux version 6'; sleep 2; echo '[ 1.0] nvlab: end 5eed status=0'", timeout=1)
    assert outcome.reason == "end"
    assert listen("echo 'Linux version 6'; sleep 60", timeout=1).reason == "timeout"
    assert time.monotonic() - started > 3


def test_wait_for_a_processor_is_measured():
    """Two that want the same one wait half of the time each; one that sleeps does not wait."""
    def pin():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    commands = ["while :; do :; done"] * 2 + ["sleep 60"]
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            ["sh", "-c", command], preexec_fn=pin)) for command in commands]
        for process in busy:
            stack.callback(process.kill)
        time.sleep(2)
        first, second, sleeper = (machine.waited_seconds(process.pid) for process in busy)
    assert first > 0.3 and second > 0.3
    assert sleeper < first
    assert machine.waited_seconds(busy[0].pid) == 0


def test_silent_firmware_is_known_from_a_hang(monkeypatch):
    monkeypatch.setattr(machine, "FIRMWARE_SILENCE", 1)
    assert listen("echo OPAL; sleep 60").reason == "firmware"
    assert listen("echo OPAL; echo 'Linux version 6'; sleep 60", timeout=4).reason == "timeout"


def test_firmware_that_spins_is_known_by_its_processor_time(monkeypatch):
    monkeypatch.setattr(machine, "FIRMWARE_WORK", 1)
    outcome = listen("echo OPAL; while :; do :; done")
    assert outcome.reason == "firmware"
    assert outcome.cpu >= 1


def test_slow_machine_waits_longer_for_firmware(monkeypatch):
    monkeypatch.setattr(machine, "FIRMWARE_SILENCE", 1)
    monkeypatch.setattr(machine.limits, "slowness", lambda: 100.0)
    assert listen("echo OPAL; sleep 60", timeout=4).reason == "timeout"


def test_processor_time_is_that_of_the_child():
    assert listen("echo 'Linux version 6'; sleep 1").cpu < 0.5
    assert listen("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").cpu > 0.05


def test_panic_shortens_the_wait():
    started = time.monotonic()
    outcome = listen("echo 'Linux version 6'; echo 'Kernel panic - not syncing: x'; sleep 60")
    assert outcome.reason == "panic"
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("script, reason", [
    ("echo 'Linux version 6'; kill -SEGV $$", "emulator"),
    ("echo 'Linux version 6'; exit 1", "exit"),
    # Our own end of it is none of its own.
    ("echo '[ 1.0] nvlab: end 5eed status=0'; kill -SEGV $$", "end"),
])
def test_emulator_that_crashes_is_known_from_one_that_ends(script, reason):
    assert listen(script).reason == reason


@pytest.mark.parametrize("why", ["firmware", "emulator"])
def test_start_that_prints_nothing_is_retried_and_given_up(monkeypatch, why):
    tries = []

    def hang(*_):
        tries.append(1)
        return machine.Outcome(["OPAL"], "5eed", why, 1.0, 0)

    monkeypatch.setattr(machine, "_attempt", hang)
    monkeypatch.setattr(machine.flavours, "kernel", lambda name: Kernel("6", None, [], None))
    monkeypatch.setattr(machine.qemu, "emulator", lambda: None)
    monkeypatch.setattr(machine, "initramfs", lambda *_: b"")
    with pytest.raises(LabError, match="hung in firmware"):
        machine.boot("6.12-64k", ["/bin/true"])
    assert len(tries) == machine.ATTEMPTS


def test_archive_is_what_cpio_reads():
    archive = Archive()
    archive.file("a/b/c", b"xyz", 0o755)
    archive.symlink("l", "a/b/c")
    data = archive.data()
    assert data == archive.data()
    assert len(data) % 4 == 0
    assert data.count(b"070701") == 5
    assert data.endswith(b"TRAILER!!!\0" + b"\0" * (len(data) - data.rindex(b"TRAILER!!!") - 11))


def test_copy_of_the_sources_follows_them(tmp_path):
    source, target = tmp_path / "s", tmp_path / "t"
    source.mkdir()
    (source / "a.c").write_text("1")
    (source / "b.h").write_text("1")
    build.synchronize(source, target)
    before = (target / "b.h").stat().st_mtime_ns
    (source / "a.c").unlink()
    build.synchronize(source, target)
    assert not (target / "a.c").exists()
    assert (target / "b.h").stat().st_mtime_ns == before
