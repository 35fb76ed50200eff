# SPDX-License-Identifier: GPL-2.0-only
"""
Debian packages with everything they depend on, unpacked into a folder of their own.

    root = packages("trixie", ["python3-jinja2"])
    subprocess.run(root.command("/usr/bin/python3", "-c", "import jinja2"), env=root.environment())

Programs run with the folder's own loader and libraries, so that it does not matter which
release, or which distribution, the machine has. Nothing needs root or a container.
"""

import hashlib
import os
import re
import struct
import subprocess
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile

from lab.ageing import used
from lab.debian.apt import Apt, host_architecture
from lab.errors import LabError
from lab.paths import cache, locked
from lab.progress import note
from lab.unpack import make_once, remove_tree, unpack_all


class PrivateRoot:
    """An unpacked set of packages."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def file(self, name: str) -> Path:
        """The host's path of a file of the root, symbolic links followed inside the root."""
        current = self.path
        parts = list(Path(name).parts[1:])
        for _ in range(200):
            if not parts:
                return current
            step = current / parts.pop(0)
            if step.is_symlink():
                target = Path(os.readlink(step))
                parts = list(target.parts) + parts
                if target.is_absolute():
                    current = self.path
                    parts = parts[1:]
            elif step.name == "..":
                current = current.parent if current != self.path else current
            else:
                current = step
        raise LabError(f"{name}: too many symbolic links in {self.path}")

    def library_path(self) -> str:
        """The library folders of the root, as the loader takes them."""
        folders = sorted(self.path.glob("usr/lib/*-linux-gnu*")) + \
            sorted(self.path.glob("lib/*-linux-gnu*"))
        folders += [self.path / "usr/lib", self.path / "lib"]
        return ":".join(str(folder) for folder in folders if folder.is_dir())

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        """The command line that runs a program of the root with the root's own libraries."""
        binary = self.file(program)
        loader = self.file(_interpreter(binary))
        return [str(loader), "--inhibit-cache", "--library-path", self.library_path(),
                "--argv0", program, str(binary), *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        """The caller's environment without what would lead Python or the loader elsewhere."""
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("PYTHON", "LD_"))}
        kept["PYTHONHOME"] = str(self.path / "usr")
        kept["PYTHONPATH"] = str(self.path / "usr/lib/python3/dist-packages")
        return kept

    def check_libraries(self, program: str) -> None:
        """Fails unless each library a program needs is found inside the root."""
        loader, *rest = self.command(program)
        listed = subprocess.run([loader, "--list", *rest], capture_output=True, text=True, check=False)
        outside = [line.strip() for line in listed.stdout.splitlines()
                   if "not found" in line
                   or ("=> /" in line and str(self.path) not in line)]
        if listed.returncode or outside:
            raise LabError(f"{program} of {self.path.name} lacks libraries: "
                           f"{'; '.join(outside) or listed.stderr.strip()}")


    def version(self, package: str) -> str:
        """The version of one of the root's packages."""
        names = (self.path / ".packages").read_text("utf-8").splitlines()
        found = [name for name in names if name.startswith(f"{package}_")]
        if len(found) != 1:
            raise LabError(f"{self.path.name} has {len(found)} packages {package}, not 1")
        return urllib.parse.unquote(found[0].split("_")[1])

    def needed(self, program: str, *modules: str) -> list[str]:
        """
        A program, its loader and all libraries that it and its modules need, as paths in the root.
        Read from the ELF files, so that it works for another architecture's too.
        """
        found, todo = [], [program, _interpreter(self.file(program)), *modules]
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.append(name)
            with open(self.file(name), "rb") as handle:
                dynamic = ELFFile(handle).get_section_by_name(".dynamic")
                libraries = [tag.needed for tag in dynamic.iter_tags()
                             if tag.entry.d_tag == "DT_NEEDED"]
            todo += [self._library(library) for library in libraries]
        return found

    def _library(self, name: str) -> str:
        for folder in self.library_path().split(":"):
            if (Path(folder) / name).exists():
                return f"/{(Path(folder) / name).relative_to(self.path)}"
        raise LabError(f"{self.path.name} has no {name}")


def interpreter(binary: Path) -> str | None:
    """The loader an ELF program names (its PT_INTERP); None when it names none."""
    with open(binary, "rb") as handle:
        data = handle.read(4096)
    if data[:5] != b"\x7fELF\x02":
        raise LabError(f"{binary} is no 64-bit ELF program")
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        if offset + (index + 1) * size > len(data):
            break
        kind, _, start = struct.unpack_from("<IIQ", data, offset + index * size)
        if kind == 3:
            return data[start:data.index(b"\0", start)].decode()
    return None


def _interpreter(binary: Path) -> str:
    """The loader of a program that has to have one."""
    loader = interpreter(binary)
    if not loader:
        raise LabError(f"{binary} is not dynamically linked")
    return loader


def packages(suite: str, names: Sequence[str], backports: bool = False, refresh: bool = False,
             arch: str | None = None, bare: Sequence[str] = ()) -> PrivateRoot:
    """
    The private root with `names` and their dependencies, from a suite or from its backports; for
    this machine's architecture or for another one, whose programs cannot run here. What is `bare`
    comes without its dependencies.
    """
    arch = arch or host_architecture()
    suites = [(suite, [arch])] + ([(f"{suite}-backports", [arch])] if backports else [])
    title = f"{suites[-1][0]}-{names[0]}"
    wanted = (suites, sorted(names), *([sorted(bare)] if bare else []))
    digest = hashlib.sha256(repr(wanted).encode()).hexdigest()[:8]
    target = cache() / "roots" / f"{re.sub('[^A-Za-z0-9.-]', '_', title)}-{digest}"
    with locked(cache()):
        used(target)
        if refresh or not target.exists():
            _fill(target, suites, [f"{name}:{arch}" for name in names],
                  [f"{name}:{arch}" for name in bare], refresh)
    return PrivateRoot(target)


def _fill(target: Path, suites: Sequence[tuple[str, Sequence[str]]], wanted: list[str], bare: list[str],
          refresh: bool) -> None:
    last, (arch,) = suites[-1]
    apt = Apt(f"{last}-{arch}", suites)
    apt.refresh(force=refresh)
    files = apt.resolve(wanted, closure=True) + (apt.resolve(bare) if bare else [])
    versions = "\n".join(package.filename for package in files)
    known = target / ".packages"
    if known.exists() and known.read_text("utf-8") == versions:
        return
    names = ", ".join(spec.partition(":")[0] for spec in wanted + bare)
    debs = apt.fetch(wanted, f"{names} of {last}", closure=True)
    debs += apt.fetch(bare, f"{names} of {last}") if bare else []
    note(f"unpacking {len(debs)} packages into {target.name}")
    remove_tree(target)

    def fill(draft: Path) -> None:
        unpack_all(debs, draft)
        _merge_usr(draft)
        (draft / ".packages").write_text(versions, "utf-8")

    make_once(target, fill)
    for deb in debs:
        deb.unlink()


def _merge_usr(root: Path) -> None:
    """Gives the root the /lib64 and such that base-files makes in an installation."""
    for name in ("lib", "lib64", "bin", "sbin"):
        if not (root / name).exists() and (root / "usr" / name).exists():
            (root / name).symlink_to(f"usr/{name}")
