# SPDX-License-Identifier: GPL-2.0-only
"""Everything that is compared, as cases that pass or fail, and the page about it."""

from collections.abc import Callable, Sequence

from lab.errors import CheckFailed, Gone
from lab.kernels import flavours, reference
from lab.npu2.run import difference
from lab.progress import note
from lab.suites import suites
from lab.suites.judge import Case
from lab.versus import answers, guest, npu2, page, probes

OLD, NEW, MODERN = "5.10-2018", "5.10", "6.12-64k"


class Comparison:
    """One run: `cases` as they come, what the page is made of, and what could not run."""

    def __init__(self, report: Callable[[Case], object]) -> None:
        self.report = report
        self.passed = self.failed = 0
        self.not_run: list[str] = []
        self.same: dict[str, int] = {}
        self.differences: list[answers.Difference] = []
        self.probes: dict[str, list[probes.Probe]] = {}
        self.registers: dict[str, int] = {}
        self.costs: dict[str, dict[str, int]] = {}

    def case(self, case: Case) -> None:
        """Counts a case and reports it."""
        self.passed += case.ok
        self.failed += not case.ok
        self.report(case)

    def whole(self) -> bool:
        """Says whether there is enough for a page: both drivers ran."""
        return not self.not_run and not self.failed

    def run(self) -> None:
        """Compares all there is; what needs the kernel of 5.10 is counted when that is gone."""
        old = answers.recorded()
        self._answers_of(MODERN, old, "recorded of 2018")
        try:
            flavours.kernel(OLD)
        except Gone as error:
            note(f"only recorded answers are compared: {error}")
            self.not_run = ["the drop-in builds without a warning", "the tree is as it was",
                            f"{OLD}: answers are those that were recorded",
                            f"{NEW}: answers are those of 2018",
                            f"{MODERN}: answers are those of 2018",
                            *(f"{flavour} {suite}" for flavour in (OLD, NEW)
                              for suite in (*probes.SUITES, "QEMU 7.2 and its guest",
                                            *npu2.BOARDS))]
            return
        self._builds()
        live = self._live(old)
        if live:
            for flavour in (NEW, MODERN):
                self._answers_of(flavour, live, "of 2018, live")
        for suite in probes.SUITES:
            self._ours(suite)
            self._theirs(suite)
        self._guests()
        for board in npu2.BOARDS:
            self._on_firmwares_npu2(board)

    def _builds(self) -> None:
        warnings = reference.warnings()
        self.case(Case("the drop-in builds without a warning", not warnings, "\n".join(warnings)))
        detail = reference.undone()
        self.case(Case("the tree is as it was when the drop-in is taken out", not detail, detail))

    def _live(self, old: answers.Answers) -> answers.Answers | None:
        try:
            live = answers.run(OLD)
        except CheckFailed as error:
            self.case(Case(f"{OLD}: its answers", False, str(error)))
            return None
        count, found = answers.against_recorded(live, old)
        self.case(Case(f"{OLD}: {count} answers are those that were recorded",
                       not found and count == len(old), _in_words(found)))
        self.costs[OLD] = answers.costs(live)
        return live

    def _answers_of(self, flavour: str, old: answers.Answers, whose: str) -> None:
        try:
            new = answers.run(flavour)
        except CheckFailed as error:
            self.case(Case(f"{flavour}: its answers", False, str(error)))
            return
        if whose.startswith("recorded"):
            count, found = answers.against_recorded(new, old)
        else:
            if flavour == MODERN:
                # Its platform is the simulator's own, which has no firmware.
                old = {key: value for key, value in old.items() if not key.startswith("firmware ")}
            count, found = answers.against_live(new, old)
            self.costs[flavour] = answers.costs(new)
            self.same[flavour] = count - len(found)
            if flavour == NEW:
                self.differences = found
        strange = [difference for difference in found if not difference.defect]
        self.case(Case(f"{flavour}: {count - len(found)} answers are those {whose}, {len(found)} "
                       "differ by a defect", not strange and count > len(found), _in_words(strange)))

    def _ours(self, suite: str) -> None:
        outcome = suites.run_suite(NEW, suite)
        for case in suites.verdict(outcome, NEW, suite):
            self.case(Case(f"{NEW} {suite}: {case.name}", case.ok, case.detail))

    def _theirs(self, suite: str) -> None:
        self.probes[suite] = probes.run(OLD, suite)
        strange = [probe for probe in self.probes[suite] if not probe.ok and not probe.defects]
        for probe in self.probes[suite]:
            what = "the same" if probe.ok else f"better, {', '.join(probe.defects) or 'but why'}"
            self.case(Case(f"{OLD} {suite}: {probe.name}: {what}", probe not in strange,
                           f"fails with the driver of 2018, and no defect is named for it in "
                           f"{answers.DIFFERENCES.name}: {probe.why}"))


    def _guests(self) -> None:
        try:
            old, new = guest.run(OLD), guest.run(NEW)
        except CheckFailed as error:
            self.case(Case("QEMU 7.2 and its guest", False, str(error)))
            return
        self.same["QEMU"] = len(new)
        different = guest.difference(new, old)
        self.case(Case(f"{NEW}: QEMU 7.2's trace and the device tree it builds are the same",
                       not different, different))
        for flavour, lines in ((OLD, old), (NEW, new)):
            gone = guest.missing(lines)
            self.case(Case(f"{flavour}: QEMU 7.2's trace has what was recorded", not gone,
                           "\n".join(gone)))

    def _on_firmwares_npu2(self, board: str) -> None:
        logs: dict[str, list[str]] = {}
        for flavour in (OLD, NEW):
            cases, logs[flavour] = npu2.run(flavour, board)
            for case in cases:
                self.case(case)
        self.registers[board] = len(logs[NEW])
        different = difference(logs[NEW], logs[OLD])
        self.case(Case(f"{NEW} npu2, {board}: the registers are written as by the driver of 2018",
                       not different, different))
        if board in npu2.RECORDED:
            recorded = npu2.RECORDED[board].read_text("ascii").splitlines()
            different = difference(logs[NEW], recorded)
            self.case(Case(f"{NEW} npu2, {board}: the registers are written as was recorded",
                           not different, different))


def _in_words(differences: Sequence[answers.Difference]) -> str:
    return "\n".join(f"{item.key}: {item.old!r} became {item.new!r}"
                     + (f" ({item.defect})" if item.defect else ", which no defect names")
                     for item in differences)


def run(write: bool, report: Callable[[Case], object]) -> Comparison:
    """Runs the comparison and writes or checks the page; the Comparison."""
    comparison = Comparison(report)
    comparison.run()
    if comparison.whole():
        if write:
            page.write(comparison)
        else:
            comparison.case(page.case(comparison))
    elif write:
        raise CheckFailed("docs/versus-2018.md is left as it is: not all of it could be compared")
    return comparison
