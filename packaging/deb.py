# SPDX-License-Identifier: GPL-2.0-only
"""
Builds the Debian packages from a commit and asks lintian about them.

    python3 packaging/deb.py [--commit REF] [--out DIR] [--no-lintian]

The name and address in the packages are those of who builds them: DEBFULLNAME and DEBEMAIL, else
git's. Exit status: 0 built and clean; 1 lintian complains; 2 they could not be built.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "vfio-nvlink2"
# Whoever owns the tree: it is the one that was asked for.
GIT = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
PROGRAMS = {"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "dh_dkms": "dh-dkms",
            "dh_python3": "dh-python", "lintian": "lintian", "git": "git"}
# The address is the builder's, of whatever machine it is; and no bug of Debian's asks for it yet.
_SUPPRESSED = ("bogus-mail-host", "bogus-mail-host-in-debian-changelog",
               "initial-upload-closes-no-bugs")


class DebError(Exception):
    """The packages cannot be built; the text says why and what to do."""


def version() -> str:
    """The one version of the project."""
    return (ROOT / "VERSION").read_text("ascii").strip()


def builder() -> str:
    """Name and address of who builds, as Debian's own tools find them."""
    git = {key: subprocess.run([*GIT, "config", f"user.{key}"], check=False, text=True,
                               capture_output=True).stdout.strip() for key in ("name", "email")}
    name = os.environ.get("DEBFULLNAME") or git["name"] or "root"
    address = os.environ.get("DEBEMAIL") or git["email"] or f"root@{os.uname().nodename}"
    return f"{name} <{address}>"


def _run(words: Iterable[object], what: str, folder: Path = ROOT, log: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in words], cwd=folder, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT if log else subprocess.PIPE,
                          env=os.environ | {"LC_ALL": "C.UTF-8"})
    if log:
        log.write_text(done.stdout, "utf-8")
    if done.returncode:
        said = done.stdout if log else done.stderr
        raise DebError(f"{what} failed:\n{said.strip()[-3000:]}" + (f"\n(all of it: {log})" if log else ""))
    return done.stdout


def unpack(commit: str, target: Path) -> Path:
    """Puts a commit into a folder, with debian/ where packages have it; returns the folder."""
    archive = subprocess.run([*GIT, "archive", "--format=tar", commit], check=False,
                             capture_output=True)
    if archive.returncode:
        raise DebError(f"git archive {commit}: {archive.stderr.decode().strip()}")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(target)  # git's own archive
    shutil.copytree(target / "packaging/debian", target / "debian")
    control = target / "debian/control"
    control.write_text(control.read_text("utf-8").replace("@MAINTAINER@", builder()), "utf-8")
    date = _run([*GIT, "log", "-1", "--format=%aD", commit], "git log").strip()
    released = (target / "VERSION").read_text("ascii").strip()
    (target / "debian/changelog").write_text(
        f"{NAME} ({released}) unstable; urgency=medium\n\n  * What changed is in CHANGELOG.md.\n\n"
        f" -- {builder()}  {date}\n", "utf-8")
    return target


def build(commit: str, out: Path) -> list[Path]:
    """Builds the packages of a commit; their paths."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        raise DebError(f"missing: {' '.join(missing)}. Run `sh setup.sh deb`")
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        if path.is_file():
            path.unlink()
    tree = unpack(commit, out / "tree")
    print(f"deb: building {NAME} {version()}", file=sys.stderr)
    _run(["dpkg-buildpackage", "-us", "-uc", "-b"], "dpkg-buildpackage", tree, out / "build.log")
    shutil.rmtree(tree)
    return sorted(out.glob("*.deb"))


def complaints(out: Path) -> list[str]:
    """Returns the errors and warnings of lintian about the packages."""
    changes, = out.glob("*.changes")
    done = subprocess.run(["lintian", "--suppress-tags", ",".join(_SUPPRESSED), "--allow-root",
                           "--tag-display-limit", "0", changes], capture_output=True, text=True,
                          check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    if done.returncode not in (0, 2) or done.stderr.strip():
        raise DebError(f"lintian failed: {done.stderr.strip() or done.stdout.strip()}")
    return [line for line in done.stdout.splitlines() if line.startswith(("E: ", "W: "))]


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="make deb", description="Build the Debian packages from a commit and ask lintian.",
        epilog="exit status: 0 built and clean; 1 lintian complains; 2 they could not be built")
    parser.add_argument("--commit", default="HEAD", metavar="REF")
    parser.add_argument("--out", type=Path, default=ROOT / "build/deb", metavar="DIR")
    parser.add_argument("--no-lintian", action="store_true", help="build only")
    options = parser.parse_args(arguments)
    try:
        for path in build(options.commit, options.out):
            print(path)
        if options.no_lintian:
            return 0
        found = complaints(options.out)
    except (DebError, OSError) as error:
        print(f"deb: {error}", file=sys.stderr)
        return 2
    print("\n".join(found) if found else "lintian: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
