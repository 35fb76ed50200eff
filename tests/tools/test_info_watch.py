# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info --watch, on saved traces and where tracing cannot be had; live: test_watch.c."""

from .support import GOLDEN, need, run

TRACE = """\
# tracer: nop
#
          nvtest-157     [000] .....     5.753650: vfio_pci_nvgpu_mmap: 0000:01:00.0: 80000000 -> 7fff81cf0000 size=4000000 ret=0
 CPU 0/KVM [x]-9       [001] .....     5.754905: vfio_pci_nvgpu_mmap_fault: 0000:01:00.0: 80010000 -> 7fff81d00000 ret=256
          nvtest-157     [000] .....     5.755000: vfio_pci_nvgpu_mmap_fault: 0000:01:00.0: 80020000 -> 7fff81d10000 ret=2
          nvtest-157     [000] .....     6.076413: vfio_pci_npu2_mmap: 0000:01:00.1: c0000000 -> 7fff85ce0000 size=10000 ret=-11
CPU:1 [LOST 12 EVENTS]
          other-1        [000] .....     6.100000: sched_switch: prev=1
          nvtest-157     [000] .....     6.200000: vfio_pci_nvgpu_mmap_fault: damaged
"""
LINES = [
    "    5.753650  nvtest-157            0000:01:00.0  mmap GPU RAM  0x80000000 -> 0x7fff81cf0000  "
    "64 MiB",
    "    5.754905  CPU 0/KVM [x]-9       0000:01:00.0  fault         0x80010000 -> 0x7fff81d00000",
    "    5.755000  nvtest-157            0000:01:00.0  fault         0x80020000 -> 0x7fff81d10000  "
    "refused (SIGBUS)",
    "    6.076413  nvtest-157            0000:01:00.1  mmap ATSD     0xc0000000 -> 0x7fff85ce0000  "
    "64 KiB  failed (Resource temporarily unavailable)",
]
SUMS = ["0000:01:00.0  1 mapping, 2 faults, 1 of them refused",
        "0000:01:00.1  1 mapping, 0 faults, 1 of them refused"]
LOST = "12 events were lost: the buffer was too small for them"


def watch(info, tmp_path, *arguments, text=TRACE):
    (tmp_path / "trace").write_text(text)
    return info("--watch", f"--from={tmp_path}/trace", *arguments)


def test_watch_reads_a_saved_trace(info, tmp_path):
    done = watch(info, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*LINES, *SUMS, LOST]


def test_watch_of_one_device(info, tmp_path):
    done = watch(info, tmp_path, "01:00.1")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [LINES[3], SUMS[1], LOST]


def test_watch_of_nothing_says_so(info, tmp_path):
    assert watch(info, tmp_path, text="# tracer: nop\n").stdout == "no mapping and no fault\n"


def test_watch_of_two_files_adds_up(info, tmp_path):
    (tmp_path / "more").write_text(TRACE)
    done = watch(info, tmp_path, f"--from={tmp_path}/more")
    assert "0000:01:00.0  2 mappings, 4 faults, 2 of them refused" in done.stdout
    assert "24 events were lost" in done.stdout


def test_watch_without_the_file(info, tmp_path):
    done = info("--watch", f"--from={tmp_path}/none")
    assert done.returncode == 1 and "none: No such file or directory" in done.stderr


def test_watch_where_there_is_no_tracefs(info, tmp_path):
    done = info("--watch", f"--sysfs={tmp_path}")
    assert done.returncode == 1
    assert "mount -t tracefs tracefs" in done.stderr and str(tmp_path) in done.stderr


def test_watch_where_the_driver_is_not_loaded(info, tmp_path):
    """A folder that cannot have events: and nothing is left in it."""
    instances = tmp_path / "kernel/tracing/instances"
    instances.mkdir(parents=True)
    done = info("--watch", f"--sysfs={tmp_path}")
    assert done.returncode == 1 and "modprobe nvlink2-vfio-pci" in done.stderr
    assert not list(instances.iterdir())


def test_watch_goes_alone(info, tmp_path):
    for more in ("--json", "--all", "--dot", f"--save={tmp_path}"):
        done = watch(info, tmp_path, more)
        assert (done.returncode, done.stdout) == (2, "") and "--watch goes without" in done.stderr


def test_watch_of_a_blob_finds_nothing(info):
    """A file that is no trace harms nobody."""
    assert info("--watch", f"--from={GOLDEN}/atsd.bin").returncode == 0


def test_watch_ends_when_nobody_reads(tool, tmp_path):
    """As with `| head`: it does not go on, and says that not all was written."""
    (tmp_path / "trace").write_text(TRACE * 100000)
    done = run(need("bash"), "-c", f"{tool} --watch --from={tmp_path}/trace | head -n 1; "
                                   "echo status ${PIPESTATUS[0]}")
    assert done.stdout.splitlines() == [LINES[0], "status 2"]
    assert "Broken pipe" in done.stderr
