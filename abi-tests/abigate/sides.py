# SPDX-License-Identifier: GPL-2.0-only
"""What is compared: a header, and where there is one the spec it is made from."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import GateError
from .keep import Keep

if TYPE_CHECKING:
    from codegen.errors import Finding
    from codegen.loader import Document
    from codegen.model import Spec

ROOT = Path(__file__).resolve().parents[2]
HEADER = "uapi/linux/vfio_nvlink2.h"
SPEC = "spec/vfio_nvlink2.yaml"
BASELINES = ROOT / "abi-tests/baselines"

_READ, _RENDERED = Keep(), Keep()


@dataclass(frozen=True)
class Header:
    """A header as it is included, and how it is called in messages."""

    path: str                        # linux/x.h
    text: str
    shown: str
    includes: tuple[Path, ...] = ()  # where the headers beside it are

    @property
    def content(self) -> tuple[str, str, tuple[Path, ...]]:
        """All that a compiler gets of it: the same for two that are only called differently."""
        return self.path, self.text, self.includes


@dataclass(frozen=True)
class SpecSide:
    """A spec and the document its lines are in; `problems` when it breaks the rules of specs."""

    spec: Spec
    document: Document
    shown: str
    problems: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Side:
    name: str                        # how the side is called: v1, HEAD~3, a file
    header: Header
    spec: SpecSide | None = None
    baseline: Path | None = None


def shown(path: Path) -> str:
    """A path as one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is not UTF-8 text"
        raise GateError(f"cannot read {shown(path)}: {reason}") from err


def header_file(path: Path, includes: tuple[Path, ...] = ()) -> Header:
    """
    A header of whatever name. One below a directory linux/ is included as <linux/...>, with the
    other kernel headers there, when there are any.
    """
    text = _text(path)
    absolute = path.resolve()
    if absolute.parent.name != "linux":
        return Header(absolute.name, text, shown(path), includes)
    beside = absolute.parents[1]
    if (beside / "linux/types.h").is_file():
        includes = (*includes, beside)
    return Header(f"linux/{absolute.name}", text, shown(path), includes)


def newest_baseline() -> Path:
    found = baselines()
    if not found:
        raise GateError("there is no released ABI below abi-tests/baselines; "
                        "make one with `make abi-release VERSION=1`")
    return found[-1]


def baselines() -> list[Path]:
    """The released versions, oldest first."""
    found = [path for path in BASELINES.glob("v*") if re.fullmatch(r"v\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name[1:]))


def spec_file(path: Path, name: str | None = None, judged: bool = True) -> SpecSide:
    """A spec. One that is not judged (an old one) need not keep the rules of today."""
    # Another project's header has no spec, and then none of the generator's packages is needed.
    from codegen import build, loader, rules, schema  # pylint: disable=import-outside-toplevel
    from codegen.cli import SCHEMA  # pylint: disable=import-outside-toplevel
    from codegen.errors import SpecError, UsageError  # pylint: disable=import-outside-toplevel
    name = name or shown(path)
    problems: tuple[Finding, ...] = ()
    try:
        document = loader.load(path, name)
        if judged:
            rule = ROOT / SCHEMA
            # It is judged by the same schema as the spec before it, which is slow to read.
            schema.validate(document, _READ.get((rule, _text(rule)), lambda: schema.load_schema(rule)))
        spec = build.build(document)
    except UsageError as err:
        raise GateError(str(err)) from err
    except SpecError as err:
        raise GateError(f"{name} cannot be read as a spec: {err.findings[0]}; "
                        "`python3 -m codegen check` says all of it") from err
    except (KeyError, TypeError) as err:
        raise GateError(f"{name} has a form that today's gate does not know ({err}); compare with "
                        "a baseline or with the header instead") from err
    if judged:
        try:
            rules.check(spec, document)
        except SpecError as err:
            problems = tuple(err.findings)
    return SpecSide(spec, document, name, problems)


def generated(spec: SpecSide, name: str = HEADER) -> str:
    """
    The header that a spec makes, or another of the generator's files.

    Every configuration asks for the same of a spec, and the templates are slow: a spec in another
    wording is another question.
    """
    from codegen import render  # pylint: disable=import-outside-toplevel
    files = _RENDERED.get(repr(spec.spec), lambda: render.render(spec.spec, SPEC))
    return files[name].decode("utf-8")


def tree() -> Side:
    """The working tree."""
    path = ROOT / HEADER
    return Side("the tree", Header("linux/vfio_nvlink2.h", _text(path), shown(path)),
                spec_file(ROOT / SPEC))


def baseline(folder: Path) -> Side:
    """A released version."""
    header = folder / HEADER
    return Side(folder.name, Header("linux/vfio_nvlink2.h", _text(header), shown(header)),
                spec_file(folder / "spec.yaml", judged=False), folder)


def _git(*args: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, timeout=1800,
                              check=False)
    except FileNotFoundError:
        raise GateError("git is missing: apt-get install git") from None


def revision(ref: str) -> Side:
    """A commit: its header is built from its spec by its own generator."""
    known = _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if known.returncode:
        raise GateError(f"--against {ref}: no such file, baseline (there is "
                        f"{', '.join(path.name for path in baselines()) or 'none'}) or git commit. "
                        "A shallow clone has no old commits: fetch them first")
    short = known.stdout.decode()[:12]
    archive = _git("archive", short, "codegen", "spec", HEADER)
    if archive.returncode:
        raise GateError(f"{ref} ({short}) has no codegen/, spec/ and {HEADER}: "
                        f"{archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="abi-gate-ref-") as name:
        folder = Path(name)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder)
        done = subprocess.run([sys.executable, "-m", "codegen", "generate", "--out",
                               folder / "out"], cwd=folder, capture_output=True, text=True,
                              timeout=1800, check=False)
        if done.returncode:
            raise GateError(f"{ref} ({short}) does not generate its header: {done.stderr.strip()}")
        return Side(f"{ref} ({short})",
                    Header("linux/vfio_nvlink2.h", _text(folder / "out" / HEADER), f"{short}:{HEADER}"),
                    spec_file(folder / SPEC, f"{short}:{SPEC}", judged=False))


def against(name: str, includes: tuple[Path, ...] = ()) -> Side:
    """The old side: a file, a baseline, or a git ref."""
    if Path(name).is_file():
        return Side(name, header_file(Path(name), includes))
    if (BASELINES / name).is_dir() and re.fullmatch(r"v\d+", name):
        return baseline(BASELINES / name)
    return revision(name)
