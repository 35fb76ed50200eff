# SPDX-License-Identifier: GPL-2.0-only
"""The answers of two drivers are compared; only differences by a known defect pass."""

import pytest

from lab.errors import CheckFailed, Gone, LabError
from lab.npu2.run import difference
from lab.suites import judge, suites
from lab.versus import answers, compare, guest, npu2, page, probes

MAPPED = "vfio_pci_nvgpu_mmap: 0000:01:00.0: 80000000 -> {:x} size=4000000 ret=0"
FAULT = "vfio_pci_nvgpu_mmap_fault: 0000:01:00.0: {:x} -> {:x} ret=256"


def traced(start, *offsets):
    """The lines of a mapping and of faults, as a transcript has them."""
    lines = [MAPPED.format(start), *(FAULT.format(0x80000000 + at, start + at) for at in offsets)]
    return {f"trace gpu {number}": line for number, line in enumerate(lines)}


def live(**changed):
    """Answers that are those that were recorded, but for some."""
    found = dict(answers.recorded())
    for key, value in found.items():
        if key.startswith("info "):
            found[key] = value + "a5" * 16
    found |= traced(0x7fff10000000, 0)
    found["trace npu0 0"] = "vfio_pci_npu2_mmap: 0000:01:00.1: c0000000 -> 7fff20000000 size=10000 ret=0"
    return found | changed


def test_recorded_answers_are_whole():
    old = answers.recorded()
    assert old["pread 8@size"] == "-22" and old["atsd pread 3@5"] == "3"
    assert old["firmware 0"] == "OPAL_NPU_MAP_LPAR phb=0 bdfn=100 lparid=1 lpcr=0 -> 0"
    assert len([key for key in old if key.startswith("info ")]) == 12
    assert not [key for key in old if "smaps" in key]


def test_same_answers_do_not_differ():
    old = answers.recorded()
    assert answers.against_recorded(live(), old) == (len(old), [])


def test_a_byte_that_is_written_behind_the_answer_does():
    """argsz 32: nothing may be written behind the 32 bytes."""
    old = answers.recorded()
    key = "info gpu-argsz32"
    assert old[key].endswith("a5" * 16)
    changed = live(**{key: old[key][:64] + "00" + old[key][66:]})
    found = answers.against_recorded(changed, old)[1]
    assert [(item.key, item.defect) for item in found] == [(key, None)]


@pytest.mark.parametrize("text", [
    "vfio_pci_npu2_mmap: 0000:01:00.1: c0000000 -> 7fff20000000 len=10000 ret=0",
    "vfio_pci_npu2_map: 0000:01:00.1: c0000000 -> 7fff20000000 size=10000 ret=0"])
def test_text_of_a_trace_is_the_recorded_one(text):
    found = answers.against_recorded(live(**{"trace npu0 0": text}), answers.recorded())[1]
    assert len(found) == 2 and not any(item.defect for item in found)


@pytest.mark.parametrize("key, value, defect", [
    ("atsd pread 3@5", "-22", "D17"),
    ("D2 atsd mmap 64K @off+512G", "-22", "D2"),
    ("D11 second mmap after munmap", "0", "D11"),
    ("pread 8@size", "0", None),
    ("firmware 1", "OPAL_NPU_INIT_CONTEXT phb=0 unused=0 msr=4000 bdfn=100 -> 1", None),
])
def test_only_a_named_defect_excuses(key, value, defect):
    found = answers.against_recorded(live(**{key: value}), answers.recorded())[1]
    assert [(item.key, item.new, item.defect) for item in found] == [(key, value, defect)]


def test_an_answer_that_only_one_gives_differs():
    count, found = answers.against_live({"a": "1"}, {"a": "1", "b": "2"})
    assert count == 2
    assert [(item.key, item.old, item.new, item.defect) for item in found] == [
        ("b", "2", "nothing", None)]


def test_traces_are_compared_from_the_start_of_the_mapping():
    assert not answers.against_live(traced(0x7fff10000000, 0, 0x200000),
                                    traced(0x7fff70000000, 0, 0x200000))[1]


@pytest.mark.parametrize("new, old, differ", [
    # One fault fills the block that the other driver faults for page by page.
    ((0,), (0, 0x10000, 0x1f0000), 0),
    ((0,), (0, 0x200000), 1),
    ((0, 0x400000), (0,), 1),
    ((), (0,), 1),
])
def test_faults_may_be_fewer_within_a_block_only(new, old, differ):
    found = answers.against_live(traced(0x7fff10000000, *new), traced(0x7fff10000000, *old))[1]
    assert len(found) == differ and not any(item.defect for item in found)


def test_another_text_of_a_trace_differs():
    new = traced(0x7fff10000000, 0)
    new["trace gpu 1"] = new["trace gpu 1"].replace("ret=256", "ret=0")
    assert answers.against_live(new, traced(0x7fff10000000, 0))[1]


@pytest.mark.parametrize("name, defects", [
    ("lpar_failed_open_is_undone_D10", ["D10"]),
    ("refs_with_a_vm_balance_D20_D21", ["D20", "D21"]),
    ("rw_write_from_half_a_buffer_N1", ["N1"]),
    ("rw_unreadable_buffer_is_efault", ["N1"]),
    ("gpu_ram_private_mmap_is_refused", []),
])
def test_numbers_of_defects(name, defects):
    assert answers.defects_of(name, answers.allowed()["tests"]) == defects


def test_every_named_difference_is_one_that_can_be():
    """A test or an answer that is gone excuses nothing, nor does a defect that nobody knows."""
    table = answers.allowed()
    known = {*page.numbers(), "also"}
    assert set(table["answers"].values()) | set(table["tests"].values()) <= known
    names = {name for suite in probes.SUITES for name in probes.wanted(suite)}
    assert set(table["tests"]) <= names
    # Their own number says it already.
    assert not [name for name in table["tests"] if answers.defects_of(name, {})]


def test_faults_of_the_new_driver_alone_are_not_asked():
    names = probes.wanted(suites.IN_VFIO_PCI)
    assert "vm_attached_later_is_bound_D8" in names and len(names) > 100
    assert not [name for name in names if name.startswith(("fault_", "copy_map_"))]


def test_what_another_test_left_is_tried_again(monkeypatch):
    asked = []

    def boot(_flavour, _suite, names, _timeout):
        asked.append(names)
        if len(names) > 1:
            return [judge.Case(names[0], False, "# device.c:74: /dev/vfio/0: Device or resource busy"),
                    judge.Case(names[1], False, "# x.c:1: wrong")]
        return [judge.Case(names[0], True, "")]

    monkeypatch.setattr(probes, "_boot", boot)
    monkeypatch.setattr(probes, "wanted", lambda suite: ["one_D1", "two"])
    found = probes.run("5.10-2018", "in_vfio_pci")
    assert asked == [["one_D1", "two"], ["one_D1"]]
    assert [(probe.ok, probe.why, probe.defects) for probe in found] == [
        (True, "", ("D1",)), (False, "wrong", ())]


def comparison(monkeypatch, found):
    """A Comparison whose driver of 2018 gave these Probes."""
    monkeypatch.setattr(probes, "run", lambda flavour, suite: found)
    cases = []
    made = compare.Comparison(cases.append)
    made._theirs("in_vfio_pci")  # pylint: disable=protected-access
    return made, cases


def test_a_test_that_fails_without_a_defect_fails_the_run(monkeypatch):
    made, cases = comparison(monkeypatch, [
        probes.Probe("a_D1", False, "maps page 0", ("D1",)),
        probes.Probe("b", True, "", ()), probes.Probe("c", False, "odd", ())])
    assert [case.ok for case in cases] == [True, True, False]
    assert "no defect is named for it" in cases[2].detail and not made.whole()


def test_without_the_kernel_it_counts_what_did_not_run(monkeypatch):
    def gone(_):
        raise Gone("linux-source-5.10 is gone")

    monkeypatch.setattr(compare.flavours, "kernel", gone)
    monkeypatch.setattr(answers, "run", lambda flavour: live(transcript="whole"))
    made = compare.Comparison(lambda case: None)
    made.run()
    assert (made.passed, made.failed) == (1, 0) and len(made.not_run) > 8 and not made.whole()


RECORDED = npu2.RECORDED["1 GPU with 3 links"].read_text("ascii").splitlines()


@pytest.mark.parametrize("new, says", [
    (RECORDED, ""),
    (RECORDED[:-1], "lines, not"),
    ([*RECORDED, RECORDED[-1]], "lines, not"),
    ([*RECORDED[:5], RECORDED[6], RECORDED[5], *RECORDED[7:]], "line 6 is"),
])
def test_register_logs_are_compared_line_by_line(new, says):
    found = difference(new, RECORDED)
    assert says in found and bool(found) == bool(says)


def test_register_logs_that_say_nothing_are_not_the_same():
    assert "did not get so far" in difference(RECORDED[:6], RECORDED[:6])


def test_registers_written_in_another_way_fail(monkeypatch):
    logs = {"5.10-2018": RECORDED, "5.10": [*RECORDED[:-1], "SCOM wr ring 714000 XTS_BDF_MAP = 0"]}
    monkeypatch.setattr(npu2, "run", lambda flavour, board: ([], logs[flavour]))
    cases = []
    made = compare.Comparison(cases.append)
    made._on_firmwares_npu2("1 GPU with 3 links")  # pylint: disable=protected-access
    assert [case.ok for case in cases] == [False, False] and not made.whole()


def test_kernel_that_does_not_build_is_no_missing_source(monkeypatch):
    def broken(_):
        raise LabError("the kernel does not build")

    monkeypatch.setattr(compare.flavours, "kernel", broken)
    monkeypatch.setattr(answers, "run", lambda flavour: live(transcript="whole"))
    with pytest.raises(LabError, match="does not build"):
        compare.Comparison(lambda case: None).run()


TREE = ["# qemu: vfio_prereg_register va=0x7fff1 size=0x4000000 ret=0",
        "nvtest said something", "# guest: /memory@400000000000 reg[0] = 0x400000000000"]


def test_what_qemu_and_the_guest_say():
    assert guest.said(TREE) == ["qemu: vfio_prereg_register va size=0x4000000 ret=0",
                                "guest: /memory@400000000000 reg[0] = 0x400000000000"]
    assert len(guest.recorded()) == 7 and guest.missing(guest.recorded()) == []
    assert guest.missing(guest.recorded()[1:]) == [guest.recorded()[0]]


@pytest.mark.parametrize("new, differs", [(["a", "b"], False), (["a", "c"], True), (["a"], True),
                                          (["a", "b", "c"], True)])
def test_lines_of_two_guests(new, differs):
    assert bool(guest.difference(new, ["a", "b"])) == differs


def test_guest_that_shows_no_tree_is_an_error(monkeypatch):
    outcome = answers.machine.Outcome([f"nvlab| {line}" for line in TREE], "x", "end", 1, 0)
    monkeypatch.setattr(guest.machine, "boot", lambda *args, **more: outcome)
    monkeypatch.setattr(suites, "payload", lambda flavour: [])
    monkeypatch.setattr(guest.clients, "payload", lambda flavour, suite: [])
    with pytest.raises(CheckFailed, match="showed no device tree"):
        guest.run("5.10")


def test_transcript_that_ends_early_is_an_error(monkeypatch):
    outcome = answers.machine.Outcome(["Linux version 5.10", "nvlab| pread 8@0 = 8"], "x", "end", 1, 0)
    monkeypatch.setattr(answers.machine, "boot", lambda *args, **more: outcome)
    monkeypatch.setattr(suites, "payload", lambda flavour: [])
    with pytest.raises(CheckFailed, match="the transcript is not whole"):
        answers.run("5.10")


@pytest.fixture(name="made")
def made_fixture(monkeypatch):
    """A Comparison that has compared."""
    made, _ = comparison(monkeypatch, [probes.Probe("a_D1", False, "maps 7fff12345678", ("D1",)),
                                       probes.Probe("b", True, "", ())])
    made.same = {"5.10": 500, "QEMU": 40}
    made.registers = {"1 GPU with 3 links": 22}
    made.differences = [answers.Difference("atsd pread 3@5", "3", "-22", "D17")]
    made.costs = {"5.10-2018": {"pread": 100}, "5.10": {"pread": 50}}
    return made


def test_page_shows_what_is_same_better_and_the_cost(made):
    text = page.render(made)
    assert "500 answers" in text and "- 1 tests of the suite `in_vfio_pci`" in text
    assert "- 22 accesses to the registers" in text and "- 40 lines of QEMU 7.2" in text
    assert "| D1 | `a_D1` | maps an address |" in text
    assert "| D17 | `atsd pread 3@5` | 3, now -22 |" in text
    assert "| pread | 100 | 50 | 0.50 |" in text
    assert "D28" in text.partition("Not shown by this comparison")[2]


def test_page_of_another_run_is_found(made, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    assert not page.case(made).ok
    page.write(made)
    assert page.case(made).ok
    # Counts vary a little; what is the same and what is better does not.
    made.costs["5.10"]["pread"] = 51
    assert page.case(made).ok
    made.probes["in_vfio_pci"] = made.probes["in_vfio_pci"][1:]
    assert not page.case(made).ok
