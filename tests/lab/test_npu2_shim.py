# SPDX-License-Identifier: GPL-2.0-only
"""
The shim that gives an emulator the registers of an NPU2, and their log. A small program plays the
emulator, with the functions that the shim calls.
"""

import os
import signal
import subprocess

import pytest
from elftools.elf.elffile import ELFFile

from lab import limits
from lab.errors import LabError
from lab.kernels import build
from lab.npu2 import machine


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
    with pytest.raises(LabError, match="a line that the shim does not write"):
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
    # A name that it defined would stand in the place of the emulator's own.
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


def test_log_has_whole_invalidations_of_the_tce_cache_and_no_page(emulator):
    _, log = emulator(*ring("w", 0x700120, 1 << 63), *ring("w", 0x700120, 0x25 << 56 | 0x1000),
                      mmio("w", 0x700120, 1 << 63), mmio("w", 0x700120, 0x25 << 56),
                      *ring("w", 0x700118, 1 << 63))
    assert [str(access) for access in machine.accesses(log)] == [
        "SCOM wr ring 700120 ATS_TCE_KILL = 8000000000000000",
        "MMIO wr 0700120/8 ATS_TCE_KILL = 8000000000000000"]


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
