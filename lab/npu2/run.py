# SPDX-License-Identifier: GPL-2.0-only
"""
The platform code of kernel/powernv on machines whose firmware has made an NPU2 (`make test-npu2`).

Linux 6.12 and 7.2 are built with it from Debian's source, once, plain and with what finds faults.
What firmware writes to the NPU2's tables for a KVM guest is compared with what it wrote for Linux
5.10 and the driver of 2018, line by line. The stock kernels run on the same machine, too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypedDict

from lab import limits
from lab.kernels import flavours
from lab.machine.machine import File, Outcome
from lab.npu2 import exports, machine
from lab.paths import ROOT
from lab.progress import note
from lab.suites import clients, judge, suites

SUITE = "npu2"
# The machine is down before the tests of this suite end: its log is judged.
REBOOTS = "npu2_reboot"
GUEST = "npu2_guest_uses_gpu_ram_and_atsd"
REFERENCE = ROOT / "lab/versus/recorded/npu2"
# Registers that 5.10 does not write as it should, and why. Logs that agree may share a mistake: what is
# right there has a case of its own.
DIFFERENCES = {"ATS_TCE_KILL": "5.10 asks for a kind of invalidation that firmware does not know (N2)"}
REBOOTING = "reboot: Restarting system"
# On a quiet machine.
_TIMEOUT = 75
_DEBUG_TIMEOUT = 375


class Given(TypedDict):
    """The arguments of machine.boot() for a board."""
    gpus: int
    links: int
    switch: bool


class Board(NamedTuple):
    """GPUs, links of each, and the log of registers that 5.10 left with these tests."""
    gpus: int
    links: int
    recorded: str
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that people use for it."""
        return f"{self.gpus}x{self.links}"

    @property
    def layout(self) -> Given:
        """The arguments of machine.boot: more than one GPU are behind a switch, as on the board."""
        return {"gpus": self.gpus, "links": self.links, "switch": self.gpus > 1}


BOARDS = {board.name: board for board in (
    Board(1, 3, "registers-kvm-guest-1gpu.txt", (GUEST,)),
    Board(2, 3, "registers-npu2-2x3.txt"),
    Board(3, 2, "registers-npu2-3x2.txt"),
)}

#: (flavour, suite, board), besides the comparisons.
RUNS = tuple(
    (f"{series}-{kernel}", suite, board)
    for series in ("6.12", "7.2")
    for kernel, suite, board in (
        ("npu2", "npu2_platform", "3x2"), ("npu2", REBOOTS, "2x3"),
        ("npu2-debug", "npu2_platform", "2x3"), ("npu2-debug", "npu2_refused", "1x3"),
        ("64k", "npu2_stock", "2x3")))
COMPARED = tuple((f"{series}-npu2", board) for series in ("6.12", "7.2") for board in BOARDS)


def cases() -> Iterator[judge.Case]:
    """Runs everything and yields a judge.Case for each test, machine, log of registers and page."""
    for flavour, board in COMPARED:
        yield from _compared(flavour, BOARDS[board])
    for flavour, suite, board in RUNS:
        yield from _run(flavour, suite, BOARDS[board])
    differences = exports.check()
    yield judge.Case("docs/npu2-module.md is what the kernels export", not differences,
                     "\n".join([*differences[:40], "`python3 -m lab npu2-exports --write` "
                                "writes it"]))


def board_of(flavour: str, suite: str, test: str) -> Board | None:
    """The board that a flavour runs a test on; None when it does not, or no test says which."""
    if suite == SUITE:
        return next((BOARDS[board] for name, board in COMPARED if name == flavour
                     and (not BOARDS[board].tests or test in BOARDS[board].tests)), None)
    return next((BOARDS[board] for name, of, board in RUNS
                 if (name, of) == (flavour, suite) and suite != REBOOTS), None)


def payload(flavour: str, guest: bool) -> list[File]:
    """The files of a machine; `guest`: with QEMU and those that its KVM guest boots."""
    files = suites.payload(flavour, with_tool=not guest)
    files += clients.payload(flavour, "kvm") if guest else []
    return files + ([("lab/health", b"")] if flavours.flavour(flavour).debug else [])


def _boot(flavour: str, suite: str, board: Board, tests: Sequence[str] = (),
          guest: bool = False) -> tuple[str, Outcome, list[machine.Access]]:
    """(title, Outcome, [Access]) of one start."""
    chosen = flavours.flavour(flavour)
    title = f"{flavour} {suite} {board.name}"
    note(f"{title}: starting the machine")
    files = payload(flavour, guest)
    outcome, accesses = machine.boot(
        flavour, ["/bin/nvtest", suite, *tests], files, **board.layout,
        timeout=limits.seconds(_DEBUG_TIMEOUT if chosen.debug else _TIMEOUT),
        log=suites.log_path(flavour, f"{suite}-{board.name}"))
    note(f"{title}: stopped after {outcome.seconds:.1f} s ({outcome.reason})")
    return title, outcome, accesses


def _compared(flavour: str, board: Board) -> Iterator[judge.Case]:
    title, outcome, accesses = _boot(flavour, SUITE, board, board.tests, guest=True)
    names = board.tests or suites.names(SUITE)
    for case in [*judge.judge_tests(outcome, names), *judge.judge_machine(outcome)]:
        yield case._replace(name=f"{title}: {case.name}")
    recorded = (REFERENCE / board.recorded).read_text("ascii").splitlines()
    parted = difference([str(access) for access in accesses if access.name not in DIFFERENCES], recorded)
    yield judge.Case(f"{title}: registers are written as Linux 5.10 had them written", not parted,
                     f"{parted}, in {board.recorded}")
    yield judge_invalidation(title, accesses)


def _run(flavour: str, suite: str, board: Board) -> Iterator[judge.Case]:
    title, outcome, accesses = _boot(flavour, suite, board)
    chosen = flavours.flavour(flavour)
    found: Iterable[judge.Case]
    if suite == REBOOTS:
        found = judge_reboot(outcome, accesses, board)
    else:
        found = [*judge.judge_tests(outcome, suites.names(suite)),
                 *judge.judge_machine(outcome, chosen.debug, chosen.lockdep)]
    for case in found:
        yield case._replace(name=f"{title}: {case.name}")


def difference(new: Sequence[str], old: Sequence[str]) -> str:
    """Where two register logs part, in words; "" when they are the same and say something."""
    if not any("ATSD_LAUNCH" in line for line in old):
        return "the register log has no invalidation: the guest did not get so far"
    for number, (one, other) in enumerate(zip(new, old), 1):
        if one != other:
            return f"line {number} is {one!r}, not {other!r}"
    if len(new) != len(old):
        return f"{len(new)} lines, not {len(old)}"
    return ""


def judge_invalidation(title: str, accesses: Sequence[machine.Access]) -> judge.Case:
    """Whether firmware has taken the calls that empty the TCE cache, which 5.10's it refuses (N2)."""
    count = sum(access.name == "ATS_TCE_KILL" and access.kind == "wr" for access in accesses)
    return judge.Case(f"{title}: the TCE cache is invalidated (N2)", count > 0,
                      "firmware wrote nothing to the register that does it")


def judge_reboot(outcome: Outcome, accesses: Sequence[machine.Access], board: Board) -> Iterator[judge.Case]:
    """
    A machine that went down while a VM had all its GPUs: it did reboot, and left each to the host.

    The log of registers ends where firmware begins anew; what was last written to each entry is
    what the next kernel would find.
    """
    restarted = any(REBOOTING in line for line in outcome.console)
    yield judge.Case("the machine rebooted", restarted and outcome.reason == "exit",
                     f"it ended by {outcome.reason!r}, and the kernel "
                     f"{'said' if restarted else 'did not say'} {REBOOTING!r}")
    yield judge.judge_log(outcome)
    written = [access for access in accesses if access.kind == "wr"]
    had = {access.place for access in written if access.name == "XTS_BDF_MAP"
           and access.value & 0xfff}
    yield judge.Case("a VM had each GPU", len(had) == board.gpus,
                     f"{len(had)} of {board.gpus} GPUs were bound to a partition")
    last = {access.place: access for access in written if access.name.startswith("XTS_")}
    wrong = [str(access) for access in last.values() if not _is_hosts(access)]
    yield judge.Case("each GPU was left to the host", not wrong and bool(had), "\n".join(wrong))


# What the host's entries have: valid and of partition 0; rights with HV; the register's HV bit.
_HOSTS: dict[str, Callable[[int], object]] = {
    "XTS_BDF_MAP": lambda value: value >> 63 and not value & 0xfff,
    "XTS_PID_MAP": lambda value: value >> 32 == 0xe000005a,
    "XTS_ATSD_LPARID": lambda value: value == 0x1000}


def _is_hosts(access: machine.Access) -> bool:
    return access.name not in _HOSTS or bool(_HOSTS[access.name](access.value))
