# SPDX-License-Identifier: GPL-2.0-only
"""A private apt: resolves and downloads packages without touching the machine's own state."""

import hashlib
import os
import re
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lab.ageing import used
from lab.debian import mirror
from lab.errors import Gone, LabError
from lab.paths import cache, disk_full, write_atomic
from lab.progress import ProgressReporter, note

_INDEX_LIFE = 3600


class Package(NamedTuple):
    """One package file as the signed index describes it."""
    spec: str
    filename: str
    size: int
    sha256: str


def host_architecture() -> str:
    """Debian's name of this machine's architecture."""
    return _output(["dpkg", "--print-architecture"]).strip()


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True,
                              env=_plain_env()).stdout
    except FileNotFoundError:
        raise LabError(f"{command[0]} is missing: the lab needs a Debian or Ubuntu machine") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"{command[0]} failed: {_last_words(error.stderr)}") from None


def _plain_env() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _last_words(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(("E:", "Err:"))]
    return "; ".join(lines or text.splitlines()[-2:]) or "no message"


class Apt:
    """
    An apt of its own below the cache. `suites` is [(suite, [architecture…])], the last preferred;
    with `sources` it knows their source packages instead.
    """

    def __init__(self, name: str, suites: Sequence[tuple[str, Sequence[str]]], sources: bool = False) -> None:
        self.name = name
        self.suites = suites
        self.kind = "deb-src" if sources else "deb"
        self.folder = cache() / "apt" / name
        self.debs = cache() / "debs"

    def _options(self) -> list[str]:
        host = host_architecture()
        archs = [host] + sorted({arch for _, archs in self.suites for arch in archs
                                 if arch not in (host, "all")})
        settings = {
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "state/status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": host,
            "APT::Architectures": ",".join(archs),
            "APT::Default-Release": self.suites[-1][0],
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::ForceHash": "sha256",
            "Acquire::Retries": "3",
            # A mirror that lags, or a snapshot, is signed all the same, and all that is wanted.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        }
        if os.geteuid() == 0:
            # The unprivileged download user cannot write below a home folder.
            settings["APT::Sandbox::User"] = "root"
        return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]

    def refresh(self, force: bool = False) -> None:
        """Fetches the signed package index unless there is a recent one."""
        stamp = used(self.folder) / "stamp"
        wanted = self._sources()
        known = stamp.exists() and (self.folder / "sources.list").read_text("ascii") == wanted
        if known and not force and time.time() - stamp.stat().st_mtime < _INDEX_LIFE:
            return
        note(f"fetching the package index of {', '.join(suite for suite, _ in self.suites)}")
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / "state/status", b"")
        write_atomic(self.folder / "sources.list", wanted)
        stamp.unlink(missing_ok=True)
        try:
            _output(["apt-get", *self._options(), "-q", "update"])
        except LabError as error:
            if "does not have a Release file" in str(error):
                raise Gone(f"the mirror has no {self.suites[-1][0]} any more ({error})") from None
            raise LabError(f"the package index of {self.name} cannot be fetched ({error}). Check "
                           "the network, or name another mirror with NVLINK2_MIRROR") from None
        stamp.touch()

    def _sources(self) -> str:
        if not mirror.KEYRING.exists():
            raise LabError(f"{mirror.KEYRING} is missing, so no signature can be checked: "
                           "install debian-archive-keyring")
        return "".join(f"{self.kind} [arch={','.join(archs)} signed-by={mirror.KEYRING}] "
                       f"{mirror.of_suite(suite)} {suite} main\n" for suite, archs in self.suites)

    def newest(self, pattern: str) -> str:
        """The name with the highest numbers among the packages a regular expression matches."""
        prefix = re.split(r"[^a-z0-9-]", pattern, maxsplit=1)[0]
        names = _output(["apt-cache", *self._options(), "pkgnames", prefix]).split()
        matches = [name for name in set(names) if re.fullmatch(pattern, name)]
        if not matches:
            raise LabError(f"no package matches {pattern} in {self.suites[-1][0]} any more: the suite "
                           "has moved on, or the mirror is not Debian's (NVLINK2_MIRROR)")
        return max(matches, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])

    def resolve(self, names: Sequence[str], closure: bool = False) -> list[Package]:
        """Package files for names ("name:arch"); with closure, all they depend on too."""
        verb = ["install", "--yes"] if closure else [self._verb()]
        command = ["apt-get", *self._options(), "-qq", *verb, "--print-uris", *names]
        try:
            text = _output(command)
        except LabError as error:
            gone = re.findall(r"(?:Unable to locate package|find package|no installation candidate"
                              r"|Package) '?([\w.+:-]+)", str(error))
            kind = Gone if gone else LabError
            raise kind(f"{', '.join(dict.fromkeys(gone)) or ' '.join(names)} cannot be had from "
                       f"{self.suites[-1][0]} ({error})") from None
        lines = [line for line in text.splitlines() if line.startswith("'")]
        if self.kind == "deb-src":
            name, = names
            return [parse_uri(line)._replace(spec=name) for line in lines]
        return [parse_uri(line) for line in lines]

    def _verb(self) -> str:
        """The options with which apt-get brings packages, or the files of source packages."""
        return "source" if self.kind == "deb-src" else "download"

    def fetch(self, names: Sequence[str], what: str, closure: bool = False) -> list[Path]:
        """Resolves and downloads; with a fresh index once more if the mirror has moved on."""
        try:
            return self.download(self.resolve(names, closure), what)
        except LabError as error:
            note(f"{error}; trying again with a fresh index")
        self.refresh(force=True)
        return self.download(self.resolve(names, closure), what)

    def download(self, packages: Sequence[Package], what: str) -> list[Path]:
        """Brings the files into the cache, verified; an interrupted download goes on."""
        used(self.debs).mkdir(parents=True, exist_ok=True)
        missing = [package for package in packages if not self._verified(package)]
        if missing:
            reporter = ProgressReporter(f"downloading {what}", sum(package.size for package in missing))
            watcher = _Watcher(reporter, [self.debs / package.filename for package in missing])
            with watcher:
                self._get(missing)
        for package in missing:
            if not self._verified(package):
                (self.debs / package.filename).unlink(missing_ok=True)
                raise LabError(f"{package.filename} arrived damaged: its checksum is not the one in "
                               "the signed index. Run the command again")
        return [self.debs / package.filename for package in packages]

    def _get(self, packages: Sequence[Package]) -> None:
        only = ["--download-only"] if self.kind == "deb-src" else []
        command = ["apt-get", *self._options(), "-qq", self._verb(), *only,
                   *dict.fromkeys(package.spec for package in packages)]
        with subprocess.Popen(command, cwd=self.debs, env=_plain_env(), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            try:
                _, errors = process.communicate()
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise LabError(f"a download failed: {disk_full(errors) or _last_words(errors)}. What has "
                           "arrived is kept: run the command again")

    def _verified(self, package: Package) -> bool:
        path = self.debs / package.filename
        if not path.exists() or path.stat().st_size != package.size:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as handle:
            for block in iter(lambda: handle.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest() == package.sha256


def parse_uri(line: str) -> Package:
    """One line of `apt-get --print-uris`."""
    match = re.fullmatch(r"'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})", line.strip())
    if not match:
        raise LabError(f"apt-get described a package in an unknown way: {line.strip()}")
    if not match[2].endswith(".deb"):
        return Package("", match[2], int(match[3]), match[4])
    # The stored name is name_version_arch.deb with ':' of the version percent-encoded.
    name, version, arch = urllib.parse.unquote(match[2]).removesuffix(".deb").split("_")
    return Package(f"{name}:{arch}={version}" if arch != "all" else f"{name}={version}",
                   match[2], int(match[3]), match[4])


class _Watcher:
    """Reports the growth of files while something else downloads them."""

    def __init__(self, reporter: ProgressReporter, paths: Sequence[Path]) -> None:
        self.reporter = reporter
        self.paths = paths
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self.done.wait(0.2):
            self.reporter.update(sum(path.stat().st_size for path in self.paths if path.exists()))

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.reporter.close()
