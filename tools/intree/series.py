# SPDX-License-Identifier: GPL-2.0-only
"""
Writes the driver as a series of patches for a kernel's source tree, which `git am` takes.

    python3 -m tools.intree series DIR OUT

First the patches of kernel/patches that the tree lacks, then those of kernel/powernv, which bring
back the NPU2's host bridges, then the driver, in steps after each of which the kernel builds: the
last one lets it be chosen. Author and sign-off are git's identity of whoever runs it. The tree is
only read, and need not be a repository.
"""

from __future__ import annotations

import email
import email.policy
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import cast

from . import tree as in_tree
from .tree import DRIVER, HEADER, INSERTIONS, ROOT, TreeError


@dataclass(frozen=True)
class Step:
    """A patch of the driver: its subject, why, and the pattern of its files."""

    subject: str
    body: str
    files: str

    @property
    def message(self) -> str:
        """Subject and body, in lines as short as the kernel wants them."""
        parts = [textwrap.fill(part, 72) for part in self.body.strip().split("\n\n")]
        return "\n\n".join([self.subject, *parts]) + "\n"


_HOOKS = "|".join(re.escape(name) for name in (f"{DRIVER}/Kconfig", "drivers/vfio/pci/Kconfig",
                                               "drivers/vfio/pci/Makefile"))
STEPS = (
    Step("vfio: Describe the interface to V100 GPUs with NVLink2", """\
A vfio-pci driver that gives a GPU with NVLink2 and its bridges to a virtual
machine shows two regions beside those of PCI: the GPU's RAM, and the registers
of a bridge by which a guest invalidates translations. Capabilities of these
regions carry what the guest's device tree needs.

Linux had this interface from 4.20 to 5.12. The numbers and records are the
same, so that programs written for it work; where <linux/vfio.h> still defines
them, the header asserts that both agree.
""", f"{re.escape(HEADER)}|MAINTAINERS|Documentation/.*"),
    Step("vfio/pci: Add a driver for V100 GPUs with NVLink2", """\
A variant driver of vfio-pci-core for the GPU and the bridges of a POWER9
machine. What the device tree says of them is checked when they are bound to the
driver; at open the GPU is bound to the partition of the virtual machine; the
GPU's RAM and the registers are mapped by faults, which a reset or the end of
the mapping take away again.

It calls no firmware. A platform registers itself with it, by an interface of
two functions. Nothing builds it yet.
""", f"{re.escape(DRIVER)}/(?!Kconfig|sim/).*"),
    Step("vfio/pci: Add a simulated NPU2", """\
Neither a V100 nor an NPU2 is needed to test the driver: this module gives to
PCI functions of any kind the device tree nodes, the memory and the platform
that GPUs and their bridges have. What it did for the driver can be read from
debugfs, and its answers can be made wrong in the ways of real firmware.
""", f"{re.escape(DRIVER)}/sim/.*"),
    Step("vfio/pci: Let the driver for V100 GPUs with NVLink2 be built", """\
Add it and its simulator to Kconfig and Makefile.
""", _HOOKS),
)


# What names a repository that is not the one meant.
_OTHER_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
                     "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"}


def _git(repository: Path, *arguments: object,
         check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in _OTHER_REPOSITORY}
    done = subprocess.run(["git", "-C", str(repository), *map(str, arguments)], text=True,
                          capture_output=True, check=False, env=environment | {"LC_ALL": "C"})
    if check and done.returncode:
        raise TreeError(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def _identity() -> dict[str, str]:
    """Returns the name and address that sign the patches, as git has them where the command runs."""
    if not shutil.which("git"):
        raise TreeError("git is missing, which writes the patches: apt-get install git")
    found = {key: _git(Path.cwd(), "config", key, check=False).stdout.strip()
             for key in ("user.name", "user.email")}
    missing = [key for key, value in found.items() if not value]
    if missing:
        raise TreeError(f"git has no {' and no '.join(missing)} to sign the patches with: "
                        + "; ".join(f"git config {key} ..." for key in missing))
    return found


PLATFORM = ROOT / "kernel/powernv"
# Where the files of PLATFORM go; the patch that names a file in a Makefile brings it along.
PLATFORM_IN_TREE = "arch/powerpc/platforms/powernv"


def _patches(folder: Path, version: tuple[int, int, int]) -> list[Path]:
    return sorted((folder / f"{version[0]}.{version[1]}").glob("*.patch"))


def fixes(version: tuple[int, int, int]) -> list[Path]:
    """The patches of the kernel itself for a tree of that version, in order."""
    return _patches(ROOT / "kernel/patches", version)


def platform(version: tuple[int, int, int]) -> list[Path]:
    """The patches of the NPU2's platform code for a tree of that version, in order."""
    return _patches(PLATFORM / "patches", version)


def platform_files(patch: str) -> dict[str, str]:
    """Returns the files that a patch of the platform needs beside itself: {path in the tree: text}."""
    return {f"{PLATFORM_IN_TREE}/{path.name}": path.read_text("utf-8")
            for path in sorted(PLATFORM.glob("*.[ch]"))
            if re.search(rf"^\+.*\b{re.escape(path.stem)}\.o$", patch, re.M)}


def message_of(patch: str) -> str:
    """The commit message a patch carries."""
    # It is this policy that makes the message one with get_content().
    mail = cast(EmailMessage, email.message_from_string(patch.partition("\n")[2],
                                                        policy=email.policy.default))
    subject = re.sub(r"^\[PATCH[^]]*\] ", "", " ".join(mail["Subject"].split()))
    return f"{subject}\n\n{mail.get_content().partition(chr(10) + '---' + chr(10))[0].strip()}\n"


def _base(tree: Path, version: tuple[int, int, int], repository: Path) -> None:
    """Puts the files of the tree that any patch touches, without the driver, into a repository."""
    names = {insertion.file for insertion in INSERTIONS}
    for path in [*fixes(version), *platform(version)]:
        names |= set(re.findall(r"^diff --git a/(\S+)", path.read_text("utf-8"), re.M))
    without = in_tree.edits(tree, False)
    for name in sorted(names):
        if not (tree / name).is_file():
            raise TreeError(f"{tree} has no {name}: it is no whole kernel source tree")
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        text = without.get(name) or (tree / name).read_text("utf-8")
        (repository / name).write_text(text, "utf-8")
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message", "base")


def _commit(repository: Path, message: str) -> None:
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--signoff", "--message", message)


def _apply_patches(tree: Path, version: tuple[int, int, int], repository: Path) -> list[str]:
    """Commits what the tree lacks; the names of those it has already."""
    there = []
    for path in [*fixes(version), *platform(version)]:
        text = path.read_text("utf-8")
        if not _git(repository, "apply", "--reverse", "--check", path, check=False).returncode:
            _must_be_whole(tree, path.name, platform_files(text))
            there.append(path.name)
            continue
        _git(repository, "apply", path)
        for name, source in platform_files(text).items():
            (repository / name).write_text(source, "utf-8")
        _commit(repository, message_of(text))
    return there


def _must_be_whole(tree: Path, patch: str, files: dict[str, str]) -> None:
    """A tree that has a patch has the files that came with it, as they are now."""
    for name, source in files.items():
        found = (tree / name).read_text("utf-8") if (tree / name).is_file() else None
        if found != source:
            raise TreeError(f"{tree} has {patch}, but {'no' if found is None else 'another'} {name}: "
                            f"copy the one of {PLATFORM.relative_to(ROOT)} there, or take the patch "
                            "out with `git apply --reverse`")


def _apply_driver(tree: Path, version: tuple[int, int, int], repository: Path) -> None:
    files = {**in_tree.files_for(version), **in_tree.edited(tree)}
    for step in STEPS:
        chosen = [name for name in files if re.fullmatch(step.files, name)]
        for name in chosen:
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(files.pop(name), "utf-8")
        _commit(repository, step.message)
    if files:
        raise TreeError(f"no step of the series takes {', '.join(files)}")


def write(tree: Path, out: Path) -> tuple[list[Path], list[str]]:
    """Writes the series; (its files in order, the kernel's own patches the tree has already)."""
    version = in_tree.version_of(tree)
    identity = _identity()
    with tempfile.TemporaryDirectory(prefix="vfio-nvlink2-series-") as folder:
        repository = Path(folder)
        _git(repository, "init", "--quiet")
        for key, value in {**identity, "commit.gpgsign": "false", "core.autocrlf": "false"}.items():
            _git(repository, "config", key, value)
        _base(tree, version, repository)
        base = _git(repository, "rev-parse", "HEAD").stdout.strip()
        there = _apply_patches(tree, version, repository)
        _apply_driver(tree, version, repository)
        drafts = repository / "series"
        _git(repository, "format-patch", "--quiet", "--zero-commit", "--no-signature",
             "--subject-prefix", "PATCH", "--numbered", "--output-directory", drafts, base)
        out.mkdir(parents=True, exist_ok=True)
        # Those of an earlier run would be sent along.
        for path in out.glob("[0-9][0-9][0-9][0-9]-*.patch"):
            path.unlink()
        return [Path(shutil.copy(path, out)) for path in sorted(drafts.iterdir())], there
