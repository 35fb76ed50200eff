# SPDX-License-Identifier: GPL-2.0-only
"""
Released versions of the interface, below abi-tests/baselines.

A release is the header, the spec, what programs and drivers are built from, and what the tools
saw of it at the time: layout/ARCH.txt and macros.txt to be read, abi/ARCH.abi for libabigail. It
is written once. MANIFEST has the checksum of every file.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from .errors import GateError
from .measure import Measured
from .sides import BASELINES, HEADER, ROOT, SPEC, Side

_MANIFEST = "MANIFEST"
#: As the header that they describe.
_SPDX = "# SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause"

#: What a release keeps of the tree: {name in the release: name in the tree}.
_FILES = {"spec.yaml": SPEC, HEADER: HEADER,
          "user/vfio_nvlink2_decode.h": "generated/user/vfio_nvlink2_decode.h",
          "kernel/nvlink2_regions.h": "generated/kernel/nvlink2_regions.h"}
_GOLDEN = "generated/user/golden"


def _sums(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  "
                   f"{path.relative_to(folder).as_posix()}\n" for path in files)


def verify(folder: Path) -> None:
    """GateError when a file of a release is not what it was."""
    try:
        wanted = (folder / _MANIFEST).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as err:
        raise GateError(f"{folder.name} has no readable {_MANIFEST}: {err}; restore it with git") \
            from err
    if _sums(folder) != wanted:
        changed = {line.split("  ")[1] for line in
                   set(_sums(folder).splitlines()) ^ set(wanted.splitlines())}
        raise GateError(f"{', '.join(sorted(changed))} of the released {folder.name} changed after "
                        "the release; a release is never edited: restore it with git")


def _layout(measured: Measured) -> str:
    lines = [_SPDX, f"# {measured.configuration.toolchain.arch}, with the header's own definitions.",
             "# What clang makes of the structs, as pahole shows it, then every number.", ""]
    lines += [line.rstrip() for line in measured.pahole.splitlines()] + [""]
    lines += [f"{fact} = {number}" for fact, number in measured.numbers.items()]
    return "\n".join(lines) + "\n"


def _macros(measured: Measured) -> str:
    lines = [_SPDX, "# Every macro of the header, as it is written."]
    lines += [f"{m.name}{m.parameters or ''}\t{m.body}" for m in measured.inventory.macros.values()]
    return "\n".join(lines) + "\n"


def check(folder: Path, measured: Measured) -> None:
    """GateError when the released header no longer measures what it measured at its release."""
    path = folder / "layout" / f"{measured.configuration.toolchain.arch}.txt"
    if measured.configuration.origin != "own":
        return
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise GateError(f"the release {folder.name} says nothing of {path.stem}: {err}") from err
    then = {name: int(number) for name, number in re.findall(r"^(\w+ .*) = (-?\d+)$", text, re.M)}
    now = {str(fact): number for fact, number in measured.numbers.items()}
    differs = [f"{name} was {then[name]}, is {now[name]}" for name in then
               if name in now and now[name] != then[name]]
    if differs or not set(then) & set(now):
        raise GateError(f"{measured.configuration.name} measures the released {folder.name} "
                        f"differently than at its release: {'; '.join(differs) or 'nothing in common'}. "
                        "Neither side changed, so it is the compiler or the system's headers")


def stored_abi(folder: Path, measured: Measured) -> Path | None:
    """Abidw's file of the release, when it is of the same probe as today's."""
    chain = measured.configuration.toolchain
    path = folder / "abi" / f"{chain.arch}.abi"
    if measured.configuration.origin != "own" or chain.compiler != "clang" or not path.is_file():
        return None
    stored = set(re.findall(r"<var-decl name='(gate__\w+)'", path.read_text(encoding="utf-8")))
    return path if stored == set(measured.variables()) else None


def refuse(version: int, side: Side) -> None:
    """GateError unless the tree can be released as this version."""
    from codegen import render, tree  # pylint: disable=import-outside-toplevel
    if (BASELINES / f"v{version}").exists():
        raise GateError(f"version {version} is released, and a release is never changed; the next "
                        f"one is VERSION={version + 1}")
    if side.spec is None:
        raise GateError(f"{side.name} has no spec, so it cannot be released")
    if side.spec.spec.version != version:
        raise GateError(f"the spec is of version {side.spec.spec.version}, not {version}: set "
                        "abi.version, describe it in abi.history, and run `make generate`")
    if side.spec.problems or tree.compare(ROOT, render.render(side.spec.spec, SPEC)):
        raise GateError("what would be released is not what the spec says: run `make generate`")


def make(version: int, measured: list[Measured], tools: dict[str, str]) -> Path:
    """Write a release; `measured` has the header's own definitions on every architecture."""
    target = BASELINES / f"v{version}"
    BASELINES.mkdir(exist_ok=True)
    # A reader, or an interrupted run, never sees half a release.
    with tempfile.TemporaryDirectory(prefix=".release-", dir=BASELINES) as name:
        draft = Path(name) / target.name
        _fill(draft, measured, tools)
        draft.replace(target)
    return target


def _fill(draft: Path, measured: list[Measured], tools: dict[str, str]) -> None:
    for there, here in _FILES.items():
        (draft / there).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / here, draft / there)
    for blob in sorted((ROOT / _GOLDEN).glob("*.bin")):
        (draft / "user/golden").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(blob, draft / "user/golden" / blob.name)
    for folder in ("layout", "abi"):
        (draft / folder).mkdir()
    for one in measured:
        arch = one.configuration.toolchain.arch
        (draft / "layout" / f"{arch}.txt").write_text(_layout(one), encoding="utf-8")
        shutil.copyfile(one.abi, draft / "abi" / f"{arch}.abi")
    (draft / "macros.txt").write_text(_macros(measured[0]), encoding="utf-8")
    text = "".join(f"{tool} {version}\n" for tool, version in sorted(tools.items()))
    (draft / "TOOLS").write_text(f"{_SPDX}\n# What the files of this release were made with.\n{text}",
                                 encoding="ascii")
    (draft / _MANIFEST).write_text(_sums(draft), encoding="ascii")
