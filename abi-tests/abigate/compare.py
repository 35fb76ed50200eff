# SPDX-License-Identifier: GPL-2.0-only
"""Old against new, in every configuration, by every detector."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from . import agreement, planted, release
from .detectors import assertions, endianness, libabigail, macros, names, pahole
from .detectors import spec as spec_detector
from .errors import GateError
from .findings import Finding, Sighting, gather
from .inventory import Broken, Inventory
from .keep import Keep
from .locate import Locator
from .measure import Configuration, Measured, measure
from .origins import configurations
from .rules import NOTES
from .sides import Header, Side, SpecSide
from .toolchain import Toolchain

#: Names that this project's header may introduce.
_PREFIX = r"_?(?:vfio|VFIO)_"

DETECTORS = ("spec", "macros", "names", "assertions", "pahole", "libabigail", "endianness",
             "agreement")


@dataclass
class Result:
    findings: list[Finding]
    notes: list[Finding]
    configurations: list[str]


@dataclass
class Gate:
    """
    Compares sides. The measurements of an old side, and that the detectors can see, are kept
    for the next comparison, and with one `keep` and a scratch that lasts for the next gate, too.
    """

    chains: list[Toolchain]
    scratch: Path
    jobs: int = 2
    system: Path | None = None
    progress: Callable[[str], None] = lambda text: None
    keep: Keep = field(default_factory=Keep)

    def _folder(self, what: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{what}-", dir=self.scratch))

    def _old(self, header: Header, configuration: Configuration,
             surface: set[str] | None) -> Measured:
        def measured() -> Measured:
            try:
                return measure(header, configuration, self._folder("old"), surface, keep=self.keep)
            except Broken as err:
                cure = "\nThe C library's headers come with libc6-dev-ARCH-cross, others with " \
                    "--include DIR" if "not found" in str(err) else ""
                raise GateError(f"{header.shown} does not compile for {configuration.name}, so there "
                                f"is nothing to compare with:\n{err}{cure}") from err
        return self.keep.get(("old", header, configuration, frozenset(surface or ())), measured)

    def _check_detectors(self, chain: Toolchain) -> None:
        """The planted change is found by every detector with this compiler; once a process."""
        def proven() -> bool:
            old, new = planted.headers()
            folder = self._folder("planted")
            plain = Configuration(chain, "system")
            try:
                before, after = (measure(header, plain, folder / side, keep=self.keep)
                                 for header, side in ((old, "old"), (new, "new")))
            except Broken as err:
                raise GateError(f"{chain.name} does not compile the planted headers:\n{err}") from err
            planted.judge(_detect(before, after, ""), chain.name,
                          () if chain.compiler == "clang" else ("names",))
            return True
        self.keep.get(("sees", chain), proven)

    def _agreement_sees(self, spec: SpecSide, measured: Measured) -> None:
        """The comparison with the spec finds another version, in this configuration; once a process."""
        def proven() -> bool:
            planted.judge_agreement(spec, measured)
            return True
        self.keep.get(("agreement sees", measured.configuration), proven)

    def _seen_by(self, chain: Toolchain, header: Header) -> list[Configuration]:
        # Clang says it for every compiler of the architecture.
        return self.keep.get(
            ("configurations", header.content, chain.clang, chain.system, self.system),
            lambda: configurations(chain, [header], self._folder("headers"), self.system))

    def _configurations(self, chain: Toolchain, old: Header, new: Header) -> list[Configuration]:
        """The configurations of a compiler; an old header that shows them all is asked once."""
        for header in (old, new):
            found = self._seen_by(chain, header)
            if len(found) > 1:
                break
        return [dataclasses.replace(one, toolchain=chain) for one in found]

    def _chain(self, chain: Toolchain, old: Side,
               new: Side) -> tuple[list[Sighting], list[Measured]]:
        self._check_detectors(chain)
        seen: list[Sighting] = []
        measured: list[Measured] = []
        found = self._configurations(chain, old.header, new.header)
        surfaces: list[set[str] | None] = [None, None]
        for configuration in found:
            before = self._old(old.header, configuration, surfaces[0])
            _expect(old, before)
            if old.baseline:
                release.check(old.baseline, before)
            try:
                # The very same header is not looked at twice.
                after = before if old.header.content == new.header.content else \
                    measure(new.header, configuration, self._folder("new"), surfaces[1], before,
                            self.keep)
            except Broken as err:
                seen.append(_sighting(("HEADER_BROKEN", new.header.path, _first(str(err))), "names",
                                      configuration))
                surfaces = [before.inventory.names()] * 2
                continue
            measured += [before, after]
            stored = release.stored_abi(old.baseline, before) if old.baseline else None
            seen += _detect(before, after, _PREFIX if new.spec else "", stored)
            if new.spec and not new.spec.problems:
                self._agreement_sees(new.spec, after)
                seen += [_sighting(s, "agreement", configuration)
                         for s in agreement.detect(new.spec, after)]
            if configuration.origin == "own":
                surfaces = [before.inventory.names(), after.inventory.names()]
        if len(found) == 1:
            # The two are the same.
            seen = [dataclasses.replace(s, origin="") for s in seen]
        return seen, measured

    def old_inventory(self, header: Header) -> Inventory:
        """What a header that was compared defines, on the first architecture."""
        return next(kept.inventory for (_, old, *_), kept in self.keep.items("old")
                    if old == header and isinstance(kept, Measured))

    def compare(self, old: Side, new: Side) -> Result:
        """Everything that is incompatible in the new side."""
        seen: list[Sighting] = []
        excused: set[tuple[str, str]] = set()
        if old.spec and new.spec:
            planted.judge_spec(old.spec.spec)
            change = spec_detector.compare(old.spec.spec, new.spec.spec)
            seen += [Sighting(*s, "spec") for s in change.seen]
            excused = change.excused
        if new.spec:
            seen += [Sighting("SPEC_INVALID", f"{p.rule} in line {p.line}", p.message, "spec")
                     for p in new.spec.problems]
        measured: list[Measured] = []
        for sightings, views in self._in_parallel(old, new):
            seen += sightings
            measured += views
        seen = [s for s in seen if (s.rule, s.subject) not in excused]
        found = gather(seen, Locator(old, new, measured))
        return Result([f for f in found if f.rule not in NOTES],
                      [f for f in found if f.rule in NOTES], [chain.name for chain in self.chains])

    def _in_parallel(self, old: Side, new: Side) -> Iterable[tuple[list[Sighting], list[Measured]]]:
        with ThreadPoolExecutor(self.jobs) as pool:
            waiting = {pool.submit(self._chain, chain, old, new): chain for chain in self.chains}
            try:
                for n, future in enumerate(as_completed(waiting), 1):
                    done = future.result()
                    self.progress(f"{n}/{len(waiting)} {waiting[future].name}")
                    yield done
            except BaseException:
                # What has not begun need not.
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _expect(old: Side, measured: Measured) -> None:
    """GateError unless what the old side has to have is in view: what is not seen never changes."""
    where = f"{old.header.shown}, {measured.configuration.name}"
    if old.spec:
        wanted = {f"struct {cap.struct}" for cap in old.spec.spec.capabilities}
        wanted |= {cap.constant for cap in old.spec.spec.capabilities}
        unseen = sorted(wanted - measured.inventory.names())
        if unseen:
            raise GateError(f"{where}: {', '.join(unseen)} cannot be seen, so no change of it could be")
        return
    written = set(re.findall(r"^struct \w+(?= \{)", old.header.text, re.M))
    if written and not written & measured.inventory.names():
        raise GateError(f"{where}: none of the structs in it can be seen; does something it includes "
                        "define them already? Name that header's directory with --include")


def _first(text: str) -> str:
    """The first of a compiler's errors, without the directories."""
    match = re.search(r"^(.*?):(\d+):.*?error: (.*)$", text, re.M)
    return f"{Path(match[1]).name}:{match[2]}: {match[3]}" if match else text[:300]


def _sighting(seen: tuple[str, str, str], detector: str, configuration: Configuration) -> Sighting:
    return Sighting(*seen, detector, configuration.toolchain.arch, configuration.origin)


def _detect(old: Measured, new: Measured, prefix: str, stored: Path | None = None) -> list[Sighting]:
    """
    The sightings of the headers' detectors in one configuration.

    Where the compiler sees the same in both, only other languages may see more: what the release
    has of libabigail is compared all the same.
    """
    by = {"libabigail": libabigail.detect(old, new, stored)} if stored or not new.alike(old) else {}
    if not new.alike(old):
        by |= {"macros": macros.detect(old, new), "assertions": assertions.detect(old, new),
               "pahole": pahole.detect(old, new), "endianness": endianness.detect(old, new)}
    # The program that uses all names is compiled with clang, whatever made the probe.
    if new.configuration.toolchain.compiler == "clang":
        by["names"] = names.detect(old, new, prefix)
    return [_sighting(seen, detector, new.configuration) for detector, sightings in by.items()
            for seen in sightings]
