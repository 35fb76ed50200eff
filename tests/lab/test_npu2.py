# SPDX-License-Identifier: GPL-2.0-only
"""
The machine with an NPU2 made by firmware: its device tree, the shim and the register log. No
emulator is started: a small program plays it, with the functions that the shim calls.
"""

import itertools
import os
import signal
import struct
import subprocess
import sys

import libfdt
import pytest
from elftools.elf.elffile import ELFFile

from lab import limits
from lab.errors import LabError
from lab.kernels import build
from lab.kernels.flavours import Flavour, Kernel
from lab.machine import machine as lab_machine
from lab.npu2 import machine, tree

XSCOM = "/xscom@603fc00000000"
NPU = f"{XSCOM}/npu@5011000"
EMULATORS_PHANDLE = 0x8000
# (GPUs, links, switch), and the group of each GPU.
BOARDS = {(1, 3, False): (0,), (2, 3, False): (0, 2), (3, 2, True): (0, 1, 2)}
POSSIBLE = {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)}


def emulators_tree(xscom=XSCOM):
    """The part of the emulator's tree that counts here."""
    fdt = libfdt.Fdt.create_empty_tree(8192)
    fdt.setprop(0, "compatible", b"qemu,powernv9\0ibm,powernv\0")
    fdt.add_subnode(0, "qemu")
    fdt.setprop_u32(fdt.add_subnode(0, "lpc"), "phandle", EMULATORS_PHANDLE)
    node = fdt.add_subnode(0, xscom[1:])
    fdt.add_subnode(node, "psihb@5012900")
    for engine in (1, 4):
        master = fdt.add_subnode(fdt.path_offset(xscom), f"i2cm@a{engine - 1}000")
        fdt.setprop_u32(master, "chip-engine#", engine)
        for port in (0, 12):
            bus = fdt.add_subnode(fdt.path_offset(f"{xscom}/i2cm@a{engine - 1}000"),
                                  f"i2c-bus@{port:x}")
            fdt.setprop_str(bus, "ibm,port-name", f"p8_00000000_e{engine}p{port}")
    return bytes(fdt.as_bytearray())


class Tree:
    """A tree to ask questions."""

    def __init__(self, data):
        self.fdt = libfdt.Fdt(data)

    def has(self, path):
        return self.fdt.path_offset(path, [libfdt.NOTFOUND]) >= 0

    def raw(self, path, name):
        return bytes(self.fdt.getprop(self.fdt.path_offset(path), name))

    def cells(self, path, name):
        data = self.raw(path, name)
        return list(struct.unpack(f">{len(data) // 4}I", data))

    def string(self, path, name):
        return self.raw(path, name).decode().rstrip("\0").split("\0")

    def by_phandle(self, phandle):
        """The path of a node: names up to the root."""
        node, names = self.fdt.node_offset_by_phandle(phandle), []
        while node:
            names.append(self.fdt.get_name(node))
            node = self.fdt.parent_offset(node)
        return "/" + "/".join(reversed(names))


def made(gpus, links, switch):
    return Tree(tree.for_firmware(emulators_tree(), tree.layout(gpus, links, switch)))


@pytest.mark.parametrize("board", BOARDS)
def test_links_are_the_boards(board):
    gpus, links, _ = board
    result = made(*board)
    assert result.string(NPU, "compatible") == ["ibm,power9-npu"]
    assert result.cells(NPU, "ibm,npu-links") == [gpus * links]
    assert result.cells(NPU, "#address-cells") == [1]
    for brick in range(gpus * links):
        link = f"{NPU}/link@{brick}"
        for name in ("reg", "ibm,npu-link-index", "ibm,npu-brick-id", "ibm,workbook-link-id"):
            assert result.cells(link, name) == [brick]
        assert result.cells(link, "ibm,npu-phy") == [0x80000000,
                                                     0x9010c3f if brick < 3 else 0xc010c3f]
        assert result.cells(link, "ibm,npu-lane-mask") == [0xff << 8 * (brick % 3)]
        assert result.cells(link, "ibm,npu-group-id") == [BOARDS[board][brick // links]]
        assert result.cells(link, "nvidia,link-speed") == [8]
    assert not result.has(f"{NPU}/link@{gpus * links}")


@pytest.mark.parametrize("board", BOARDS)
def test_link_and_gpu_meet_in_one_slot(board):
    gpus, links, switch = board
    result = made(*board)
    for brick in range(gpus * links):
        gpu = brick // links
        link = f"{NPU}/link@{brick}"
        slot = result.by_phandle(result.cells(link, "ibm,pcie-slot")[0])
        above = (f"/root-complex@0,0/builtin/down-port@{gpu}" if switch
                 else f"/root-complex@0,{gpu}")
        assert slot == f"/ibm,pcie-slots{above}/pluggable"
        for path in (link, slot, slot.rpartition("/")[0]):
            assert result.string(path, "ibm,slot-label") == [f"GPU{gpu}"]
    root = "/ibm,pcie-slots/root-complex@0,0"
    assert result.string(root, "compatible") == ["ibm,pcie-port", "ibm,pcie-root-port"]
    assert result.cells(root, "reg") == [0, 0]
    assert result.has(f"{root}/builtin") == switch


@pytest.mark.parametrize("board", BOARDS)
def test_phandles_are_far_above_the_emulators(board):
    result = made(*board)
    slots = {result.cells(f"{NPU}/link@{brick}", "ibm,pcie-slot")[0]
             for brick in range(board[0] * board[1])}
    assert len(slots) == board[0]
    # The firmware gives one to each node, and reads the slots after some of them.
    assert min(slots) >= EMULATORS_PHANDLE + 1000


def test_emulators_tree_becomes_the_boards():
    result = made(1, 3, False)
    assert result.string("/", "compatible") == ["ibm,powernv", "ibm,p9-openbmc", "ibm,witherspoon"]
    assert result.has("/qemu")
    assert result.has(f"{XSCOM}/psihb@5012900")


def test_i2c_engines_are_counted_from_0():
    result = made(1, 3, False)
    for engine, port in itertools.product((0, 3), (0, 12)):
        master = f"{XSCOM}/i2cm@a{engine}000"
        assert result.cells(master, "chip-engine#") == [engine]
        assert result.string(f"{master}/i2c-bus@{port:x}", "ibm,port-name") == [
            f"p8_00000000_e{engine}p{port}"]


def test_emulator_with_another_tree_is_an_error():
    with pytest.raises(LabError, match="has no /xscom@603fc00000000"):
        tree.for_firmware(emulators_tree("/xscom@1"), tree.layout())


def test_layouts_are_those_that_were_booted():
    found = set()
    for gpus, links in itertools.product(range(-1, 8), repeat=2):
        try:
            tree.layout(gpus, links)
            found.add((gpus, links))
        except LabError as error:
            assert f"{gpus} GPUs with {links} links each: possible are 1, 2 or 3" in str(error)
    assert found == POSSIBLE


@pytest.mark.parametrize("gpus, groups", [(1, [1]), (2, [0, 1]), (2, [2, 0]), (2, [0]), (1, []),
                                          (2, [0, 0]), (1, [3]), (3, [0, 1, 3])])
def test_groups_that_cannot_be_are_refused(gpus, groups):
    with pytest.raises(LabError, match=r"groups .*: possible is one .* rising, of 0, 1 and 2"):
        tree.layout(gpus, 1, groups=groups)


@pytest.mark.parametrize("gpus, groups", [(1, (2,)), (2, (1, 2)), (2, (0, 2))])
def test_groups_can_be_chosen(gpus, groups):
    assert tree.layout(gpus, 1, groups=list(groups)).groups == groups


def test_gpus_stand_where_their_slots_are():
    alone = tree.devices(tree.layout(2, 3))
    assert [word for word in alone if word != "-device"] == [
        "nvme,serial=gpu0,id=gpu0,bus=pcie.0,addr=0.0",
        "nvme,serial=gpu1,id=gpu1,bus=pcie.1,addr=0.0"]
    behind = tree.devices(tree.layout(3, 2, switch=True))
    assert behind[::2] == ["-device"] * 7
    assert behind[1] == "x3130-upstream,id=up,bus=pcie.0,addr=0.0"
    for gpu in range(3):
        port, function = behind[3 + 4 * gpu], behind[5 + 4 * gpu]
        assert f"id=down{gpu},bus=up,addr={gpu}.0" in port
        assert f"id=gpu{gpu},bus=down{gpu},addr=0.0" in function


# The register log.

LOG = """\
SCOM wr ring 710020 XTS = 4200000000000000
SCOM wr ring 714008 XTS_BDF_MAP = c800010001800001
MMIO wr 0800008/8 ATSD_AVA = 8877665544332211
MMIO rd 0800010/8 ATSD_STATUS = 0000000000000000
"""


def test_log_is_read_and_written_alike():
    found = machine.accesses(LOG)
    assert found[1] == ("SCOM", "wr", 0x714008, 0, "XTS_BDF_MAP", 0xc800010001800001)
    assert found[2] == ("MMIO", "wr", 0x800008, 8, "ATSD_AVA", 0x8877665544332211)
    assert found[3].kind == "rd"
    assert "".join(f"{access}\n" for access in found) == LOG


def test_line_that_was_cut_by_the_end_is_left_out():
    assert len(machine.accesses(LOG + "SCOM wr ring 7100")) == 4
    assert not machine.accesses("")


@pytest.mark.parametrize("line", [
    "", "SCOM wr ring 710020 XTS", "SCOM wr 710020/8 XTS = 0000000000000000", "npu2 shim: x",
    "MMIO wr 0800000 ATSD_LAUNCH = 0000000000000000", "SCOM wr ring 710020 XTS = 42"])
def test_other_line_in_the_log_is_an_error(line):
    with pytest.raises(LabError, match="a line that shim.c does not write"):
        machine.accesses(f"{LOG}{line}\n")


# The shim, in a program that has what it calls.

FAKE_EMULATOR = r"""
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct notifier { void (*notify)(struct notifier *, void *); void *next, **previous; };
struct ops {
	uint64_t (*read)(void *, uint64_t, unsigned int);
	void (*write)(void *, uint64_t, uint64_t, unsigned int);
};
struct region {
	const struct ops *ops;
	void *opaque, *memory, *parent;
	uint64_t size, at;
};
/* The state of a function: the pointer to its configuration space is not the first that fits. */
struct gpu { void *nothing[4], *nowhere; uint8_t *decoy, *config; };

static int scom, memory, count, regions_made;
static struct notifier *notifier;
static struct region *regions[64];
static struct gpu gpus[3];
static uint8_t configs[3][64];

void qemu_add_machine_init_done_notifier(struct notifier *added) { notifier = added; }
void *get_system_memory(void) { return &memory; }

void *object_resolve_path(const char *path, bool *ambiguous)
{
	int number;

	(void)ambiguous;
	if (!strcmp(path, "/machine/chip[0]/xscom-0[1]") && !getenv("FAKE_NO_SCOM"))
		return &scom;
	if (sscanf(path, "/machine/peripheral/gpu%d", &number) == 1 && number < count)
		return &gpus[number];
	return NULL;
}

void memory_region_init_io(void *made, void *owner, const struct ops *ops, void *opaque,
			   const char *name, uint64_t size)
{
	(void)owner, (void)name;
	*(struct region *)made = (struct region){ .ops = ops, .opaque = opaque, .size = size };
}

void memory_region_init_ram_ptr(void *made, void *owner, const char *name, uint64_t size, void *ram)
{
	(void)owner, (void)name;
	*(struct region *)made = (struct region){ .memory = ram, .size = size };
}

void memory_region_add_subregion_overlap(void *parent, uint64_t at, void *made, int priority)
{
	struct region *region = made;

	region->parent = priority > 0 ? parent : NULL;
	region->at = at;
	regions[regions_made++] = region;
}

uint32_t pci_default_read_config(void *device, uint32_t at, int size)
{
	uint32_t value = 0;

	memcpy(&value, configs[(struct gpu *)device - gpus] + at, size);
	return value;
}

static struct region *find(char where, uint64_t at)
{
	for (int i = 0; i < regions_made; i++)
		if (regions[i]->parent == (where == 's' ? &scom : &memory) &&
		    at >= regions[i]->at && at - regions[i]->at < regions[i]->size)
			return regions[i];
	return NULL;
}

int main(void)
{
	static uint8_t decoys[3][64];
	unsigned long at, value;
	unsigned int size;
	char kind, where;

	count = atoi(getenv("FAKE_GPUS"));
	for (int i = 0; i < 3; i++) {
		memcpy(configs[i], "\x36\x1b\x10\x00", 4);
		memcpy(decoys[i], "\x36\x1b\x10\x00", 4);
		gpus[i] = (struct gpu){ .nowhere = (void *)16, .decoy = decoys[i],
					.config = getenv("FAKE_OTHER_STATE") ? NULL : configs[i] };
	}
	notifier->notify(notifier, NULL);
	for (int i = 0; i < count; i++)
		printf("gpu %02x%02x%02x%02x %02x%02x%02x %02x\n", configs[i][1], configs[i][0],
		       configs[i][3], configs[i][2], configs[i][11], configs[i][10], configs[i][9],
		       decoys[i][0]);
	while (scanf(" %c %c %lx %u %lx", &kind, &where, &at, &size, &value) == 5) {
		struct region *region = find(where, at);

		if (!region)
			puts("none");
		else if (region->memory)
			printf("ram %lx %x\n", region->at, *(unsigned char *)region->memory);
		else if (kind == 'w')
			region->ops->write(region->opaque, at - region->at, value, size);
		else
			printf("%lx\n", region->ops->read(region->opaque, at - region->at, size));
	}
	/* As the harness ends the emulator. */
	fflush(stdout);
	raise(SIGKILL);
}
"""
RING_ADDRESS, RING_DATA = 0x501168e, 0x501168f
MMIO = 0x6030200000000


def scom(kind, number, value=0):
    return f"{kind} s {number * 8:x} 8 {value:x}"


def ring(kind, place, value=0, size=8):
    """The two accesses to SCOM that are one to the ring."""
    return [scom("w", RING_ADDRESS, place << 40 | (2 if size == 4 else 3) << 38),
            scom(kind, RING_DATA, value)]


def mmio(kind, at, value=0, size=8):
    return f"{kind} m {MMIO + at:x} {size} {value:x}"


@pytest.fixture(name="program", scope="module")
def program_fixture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    (folder / "fake.c").write_text(FAKE_EMULATOR, "ascii")
    build.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-rdynamic", "-o",
               folder / "fake", folder / "fake.c"], "the program that plays the emulator")
    return folder / "fake"


@pytest.fixture(name="emulator")
def emulator_fixture(program, tmp_path):
    """Runs the program with the shim: (what it prints, the text of the register log)."""
    def run(*commands, gpus=0, ram=None, status=-signal.SIGKILL, **more):
        log = tmp_path / "log"
        done = subprocess.run(
            [str(program)], input="\n".join(commands), capture_output=True, text=True,
            timeout=limits.seconds(20),
            check=False, env={**os.environ, "LD_PRELOAD": str(machine.shim()), "NPU2_LOG": str(log),
                              "FAKE_GPUS": str(gpus), **({"NPU2_RAM": str(ram)} if ram else {}),
                              **more})
        assert done.returncode == status, done.stderr
        printed = done.stderr if status == 1 else done.stdout
        return printed.splitlines(), log.read_text("ascii")
    return run


def test_shim_takes_nothing_from_the_emulator():
    with open(machine.shim(), "rb") as handle:
        symbols = ELFFile(handle).get_section_by_name(".dynsym")
        defined = [symbol.name for symbol in symbols.iter_symbols()
                   if symbol["st_shndx"] != "SHN_UNDEF"]
        # A weak one would be left out in silence.
        needed = {symbol.name for symbol in symbols.iter_symbols()
                  if symbol["st_shndx"] == "SHN_UNDEF"
                  and symbol["st_info"]["bind"] == "STB_GLOBAL"}
    # What it defined would stand in the place of the emulator's own.
    assert not defined
    assert {name for name in needed if "_" in name.strip("_")} == {
        "qemu_add_machine_init_done_notifier", "object_resolve_path", "memory_region_init_io",
        "memory_region_init_ram_ptr", "memory_region_add_subregion_overlap", "get_system_memory",
        "pci_default_read_config", "process_vm_readv"}


def test_program_that_is_no_emulator_is_stopped(tmp_path):
    done = subprocess.run(["true"], capture_output=True, text=True, check=False, env={
        **os.environ, "LD_PRELOAD": str(machine.shim()), "NPU2_LOG": str(tmp_path / "log")})
    assert done.returncode
    assert "undefined symbol: qemu_add_machine_init_done_notifier" in done.stderr


def test_machine_without_scom_stops_the_emulator(emulator):
    printed, _ = emulator(status=1, FAKE_NO_SCOM="1")
    assert printed == ["npu2 shim: the machine has no chip with SCOM registers: it is for powernv9"]


def test_ring_is_one_by_scom_and_by_mmio(emulator):
    printed, _ = emulator(*ring("w", 0x400020, 0x1122334455667788), mmio("r", 0x400020),
                          mmio("r", 0x400024, size=4), mmio("r", 0x400021, size=1),
                          mmio("w", 0x400022, 0xabcd, size=2), *ring("r", 0x400020),
                          *ring("r", 0x400024, size=4), *ring("w", 0x400020, 0x99 << 56, size=4),
                          mmio("r", 0x400020), mmio("r", 0x400028))
    assert printed == ["1122334455667788", "55667788", "22", "1122abcd55667788", "5566778800000000",
                       "9900000055667788", "0"]


def test_mmio_reaches_the_windows_above_the_ring(emulator):
    printed, log = emulator(mmio("w", 0x171fff8, 5), mmio("r", 0x171fff8), mmio("r", 0x1720000))
    assert printed == ["5", "none"]
    assert log == ""


def test_registers_of_scom_keep_their_values(emulator):
    numbers = [0x5011c0a, 0x5013c43, 0x301100d, 0x301140d, 0x9000009, 0xc000009, 0x1001080e]
    printed, log = emulator(*(scom("w", number, number) for number in numbers),
                            *(scom("r", number) for number in numbers), scom("r", 0x5012000))
    assert printed == [*(f"{number:x}" for number in numbers), "none"]
    assert log == ""


def test_what_is_asked_for_is_done(emulator):
    printed, _ = emulator(
        # A brick in reset is fenced, and then it is not; other blocks are left alone.
        mmio("w", 0x1b00c0, 3 << 54), mmio("r", 0x1b0500), mmio("w", 0x1b00c0, 1 << 55),
        mmio("r", 0x1b0500), mmio("w", 0x1b00c0), mmio("r", 0x1b0500),
        mmio("w", 0x1a00c0, 3 << 54), mmio("r", 0x1a0500),
        # The fence's own state is cleared by what is written.
        mmio("w", 0x7200b0, 1 << 63), mmio("r", 0x7200b0),
        # A cache that is to be emptied is empty.
        scom("w", 0x1001180e, 3 << 62), scom("r", 0x1001180e))
    assert printed == ["c000000000000000", "8000000000000000", "0", "0", "0", "4000000000000000"]


@pytest.mark.parametrize("phy", [0x9010c3f, 0xc010c3f])
def test_phy_answers_by_one_register(emulator, phy):
    def ask(kind, lane=0):
        return scom("w", phy, 1 << 63 | kind << 42 | lane << 32)

    printed, _ = emulator(
        scom("w", phy, 0x0c8 << 42 | 3 << 32 | 0x4000), ask(0x0c8, 3), scom("r", phy),
        ask(0x0c8, 4), scom("r", phy), ask(0x0ca, 5), scom("r", phy), ask(0x3c1), scom("r", phy),
        ask(0x3c3), scom("r", phy), ask(0x3c5), scom("r", phy))
    answers = [int(line, 16) for line in printed]
    assert [answer & 0xffff for answer in answers] == [
        0x4000, 0, 0xc000, 0x2000, 200 << 7, 200 << 7]
    # Complete, and no error.
    assert all(answer >> 28 & 0xf == 8 for answer in answers)


def test_log_has_what_reaches_xts_and_atsd(emulator):
    _, log = emulator(
        *ring("w", 0x710020, 0x42 << 56), *ring("w", 0x710138, 1), *ring("w", 0x714008, 2),
        *ring("w", 0x718020, 3), *ring("r", 0x718020), *ring("w", 0x720030, 4),
        *ring("w", 0x400020, 5), mmio("w", 0x830008, 6), mmio("w", 0x830000, 7),
        mmio("r", 0x830010), mmio("w", 0x1600000, 8), mmio("w", 0x880000, 9))
    assert [str(access) for access in machine.accesses(log)] == [
        "SCOM wr ring 710020 XTS = 4200000000000000",
        "SCOM wr ring 710138 XTS_ATSD_LPARID = 0000000000000001",
        "SCOM wr ring 714008 XTS_BDF_MAP = 0000000000000002",
        "SCOM wr ring 718020 XTS_PID_MAP = 0000000000000003",
        "MMIO wr 0830008/8 ATSD_AVA = 0000000000000006",
        "MMIO wr 0830000/8 ATSD_LAUNCH = 0000000000000007",
        "MMIO rd 0830010/8 ATSD_STATUS = 0000000000000000"]


def test_gpus_become_nvidias(emulator):
    printed, _ = emulator(gpus=2)
    # A V100, a 3D controller; what only looked like the configuration space is as it was.
    assert printed == ["gpu 10de1db1 030200 36"] * 2


def test_gpu_whose_id_cannot_be_set_stops_the_emulator(emulator):
    printed, _ = emulator(gpus=1, status=1, FAKE_OTHER_STATE="1")
    assert printed == ["npu2 shim: gpu0: its configuration space is not where this emulator should "
                       "have it"]


def test_ram_is_the_file_of_the_group(emulator, tmp_path):
    for group in (0, 2):
        (tmp_path / f"ram{group}").write_bytes(bytes([0x50 + group]) + bytes(8191))
    printed, _ = emulator("r m 3e000001fff 1 0", "r m 3e000002000 1 0", "r m 3c000000000 1 0",
                          "r m 3a000000000 1 0", ram=tmp_path)
    assert printed == ["ram 3e000000000 50", "none", "none", "ram 3a000000000 52"]


def test_empty_ram_stops_the_emulator(emulator, tmp_path):
    (tmp_path / "ram0").touch()
    assert emulator(status=1, ram=tmp_path)[0] == [
        f"npu2 shim: cannot map {tmp_path}/ram0, of 0 bytes"]


# The start.

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
