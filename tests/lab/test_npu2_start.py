# SPDX-License-Identifier: GPL-2.0-only
"""How a machine with an NPU2 is started. A script plays the emulator."""

import sys

import libfdt
import pytest

from lab.errors import LabError
from lab.kernels.flavours import Flavour, Kernel
from lab.machine import machine as lab_machine
from lab.npu2 import machine

from .test_npu2 import emulators_tree


@pytest.fixture(name="fake_start")
def fake_start_fixture(monkeypatch, tmp_path):
    """Starts a script in place of the emulator; the folder that takes the place of build/."""
    def use(script):
        monkeypatch.setattr(machine.qemu, "command", lambda *_: [sys.executable, "-c", script])

    monkeypatch.setattr(machine, "BUILD", tmp_path)
    monkeypatch.setattr(machine, "shim", lambda: tmp_path / "shim.so")
    monkeypatch.setattr(machine.flavours, "kernel", lambda _: Kernel("6", None, [], None))
    monkeypatch.setattr(machine.flavours, "flavour", lambda name: Flavour(name, "6", "x"))
    monkeypatch.setattr(machine.qemu, "emulator", lambda: None)
    monkeypatch.setattr(machine.qemu, "environment", lambda _: {"QEMU_MODULE_DIR": "x"})
    monkeypatch.setattr(machine.qemu, "tree", lambda *_: emulators_tree_with_chosen())
    monkeypatch.setattr(machine, "initramfs", lambda *_: b"archive")
    monkeypatch.setattr(machine.secrets, "token_hex", lambda _: "5eed")
    monkeypatch.setattr(lab_machine, "FIRMWARE_SILENCE", 0.2)
    return use, tmp_path


def emulators_tree_with_chosen():
    fdt = libfdt.Fdt(emulators_tree())
    fdt.add_subnode(0, "chosen")
    return bytes(fdt.as_bytearray())


_START = """
import os
print(sorted(os.environ.items()))
folder = os.environ['NPU2_RAM']
print(*(f'{n} {os.stat(os.path.join(folder, n)).st_size}' for n in sorted(os.listdir(folder))),
      sep='\\n', flush=True)
open(os.environ['NPU2_LOG'], 'w').write('SCOM wr ring 710020 XTS = 4200000000000000\\nSCOM')
print('Linux version 6')
print('nvlab: end 5eed status=0', flush=True)
"""


def test_start_gives_the_shim_its_files_and_leaves_none(fake_start):
    use, folder = fake_start
    use(_START)
    outcome, log = machine.boot("x", ["/bin/true"], gpus=2, log=folder / "logs/x.log")
    assert (outcome.reason, outcome.firmware_hangs) == ("end", 0)
    printed = "\n".join(outcome.console)
    assert f"('LD_PRELOAD', '{folder}/shim.so')" in printed
    assert "QEMU_MODULE_DIR" in printed
    for line in (f"ram0 {machine.GPU_RAM}", f"ram2 {machine.GPU_RAM}", "initrd 7"):
        assert line in outcome.console
    assert not any(line.startswith("ram1") for line in outcome.console)
    assert [str(access) for access in log] == ["SCOM wr ring 710020 XTS = 4200000000000000"]
    assert (folder / "logs/x.registers").read_text().startswith(str(log[0]))
    assert "end 5eed" in (folder / "logs/x.log").read_text()
    assert not list((folder / "run").iterdir())


def test_start_that_hangs_in_firmware_is_repeated(fake_start):
    use, folder = fake_start
    use(f"import os, time; path = {str(folder / 'started')!r}; again = os.path.exists(path);"
        "open(path, 'a').write('x'); print('OPAL', flush=True);"
        "again or time.sleep(30);"
        "print('Linux version 6'); print('nvlab: end 5eed status=0', flush=True)")
    outcome, log = machine.boot("x", ["/bin/true"])
    assert (outcome.reason, outcome.firmware_hangs, log) == ("end", 1, [])
    assert not list((folder / "run").iterdir())


def test_starts_that_all_hang_are_given_up(fake_start):
    use, folder = fake_start
    use(f"import time; open({str(folder / 'started')!r}, 'a').write('x'); time.sleep(30)")
    with pytest.raises(LabError, match="4 starts of x with an NPU2 hung in firmware"):
        machine.boot("x", ["/bin/true"])
    assert (folder / "started").read_text() == "x" * lab_machine.ATTEMPTS


def test_gpus_that_cannot_be_are_refused_before_anything_starts(fake_start):
    fake_start[0]("raise SystemExit")
    with pytest.raises(LabError, match="cannot have 3 GPUs with 3 links"):
        machine.boot("x", ["/bin/true"], gpus=3, links=3)
    assert not (fake_start[1] / "run").exists()


def test_all_memory_is_the_kernels():
    words = machine.command_line("disable_radix").split()
    assert "console=hvc0" in words and words[-1] == "disable_radix"
    assert not any(word.startswith("mem=") for word in words)
