# SPDX-License-Identifier: GPL-2.0-only
"""Which Debian mirror to use: the one this machine's own apt uses, or NVLINK2_MIRROR."""

import os
import re
import subprocess
from pathlib import Path

from lab.errors import LabError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# As apt-get prints what it would fetch of a source.
_INDEX = re.compile(r"^'(.+)/dists/(.+)/main/binary-[^/']+/Packages[^/']*' ", re.MULTILINE)
_SCHEMES = ("http:", "https:", "file:", "ftp:")


def mirror() -> str:
    """The URI below which dists/ and pool/ of Debian are found."""
    chosen = os.environ.get("NVLINK2_MIRROR")
    if chosen:
        return chosen.rstrip("/")
    system = os_release()
    codename = system.get("VERSION_CODENAME", "")
    if system.get("ID") == "debian":
        for uri, suite in sources():
            if suite.strip("/") in (codename, "stable", "oldstable", "testing", "unstable", "sid"):
                return uri
    raise LabError(
        "this machine's apt sources name no Debian mirror (the lab's kernels and emulator are "
        "Debian's): set NVLINK2_MIRROR to the URI of one, as it would stand in a Debian "
        "sources.list between 'deb' and the suite")


def of_suite(suite: str) -> str:
    """The URI for a suite: Debian's security updates are an archive of their own."""
    return security() if suite.endswith("-security") else mirror()


def security() -> str:
    """
    The archive of security updates: the one this machine's apt uses, or the one beside the mirror
    that NVLINK2_MIRROR names, as Debian's own mirrors have it.
    """
    if not os.environ.get("NVLINK2_MIRROR"):
        for uri, suite in sources():
            if suite.strip("/").endswith("-security"):
                return uri
    return f"{mirror()}-security"


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """The fields of os-release as a dictionary."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def sources(etc_apt: Path | None = None) -> list[tuple[str, str]]:
    """
    (URI, suite) of every enabled binary source with main, in the order in which apt would fetch them.
    Apt itself reads its configuration: that of this machine, or the one below a folder.
    """
    there = ["-o", f"Dir::Etc={etc_apt}"] if etc_apt else []
    try:
        # Nothing is fetched. Without lists of before, it names all that it would fetch.
        done = subprocess.run(["apt-get", *there, "-o", "Dir::State::lists=/nonexistent/", "update",
                               "--print-uris"], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        return []
    if done.returncode:
        raise LabError(f"apt cannot read its sources: {done.stderr.strip().splitlines()[0]}: mend them, or "
                       "set NVLINK2_MIRROR to the URI of a Debian mirror")
    # One for each architecture.
    return [found for found in dict.fromkeys(_INDEX.findall(done.stdout)) if found[0].startswith(_SCHEMES)]
