# SPDX-License-Identifier: GPL-2.0-only
"""Which Debian mirror to use: the one this machine's own apt uses, or NVLINK2_MIRROR."""

import os
import re
from pathlib import Path

from lab.errors import LabError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SCHEMES = ("http:", "https:", "file:", "ftp:")


def mirror():
    """The URI below which dists/ and pool/ of Debian are found."""
    chosen = os.environ.get("NVLINK2_MIRROR")
    if chosen:
        return chosen.rstrip("/")
    system = os_release()
    codename = system.get("VERSION_CODENAME", "")
    if system.get("ID") == "debian":
        for uri, suite in sources(Path("/etc/apt")):
            if suite.strip("/") in (codename, "stable", "oldstable", "testing", "unstable", "sid"):
                return uri
    raise LabError(
        "this machine's apt sources name no Debian mirror (the lab's kernels and emulator are "
        "Debian's): set NVLINK2_MIRROR to the URI of one, as it would stand in a Debian "
        "sources.list between 'deb' and the suite")


def of_suite(suite):
    """The URI for a suite: Debian's security updates are an archive of their own."""
    return security() if suite.endswith("-security") else mirror()


def security():
    """
    The archive of security updates: the one this machine's apt uses, or the one beside the mirror
    that NVLINK2_MIRROR names, as Debian's own mirrors have it.
    """
    if not os.environ.get("NVLINK2_MIRROR"):
        for uri, suite in sources(Path("/etc/apt")):
            if suite.strip("/").endswith("-security"):
                return uri
    return f"{mirror()}-security"


def os_release(path=Path("/etc/os-release")):
    """The fields of os-release as a dictionary."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def sources(etc_apt):
    """(URI, suite) of every enabled binary source below an apt configuration folder."""
    lists = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*.list"))]
    found = []
    for path in lists:
        found += _one_line_style(_read(path))
    for path in sorted((etc_apt / "sources.list.d").glob("*.sources")):
        found += _deb822_style(_read(path))
    return [(uri.rstrip("/"), suite) for uri, suite in found if uri.startswith(_SCHEMES)]


def _read(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _one_line_style(text):
    pattern = re.compile(r"^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", re.MULTILINE)
    return pattern.findall(text)


def _deb822_style(text):
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if (fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0")
                or "deb" not in fields.get("types", [])
                or "main" not in fields.get("components", [])):
            continue
        found += [(uri, suite) for uri in fields.get("uris", [])
                  for suite in fields.get("suites", [])]
    return found


def _fields(stanza):
    lines = [line for line in stanza.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
    pairs = (line.split(":", 1) for line in joined.splitlines() if ":" in line)
    return {key.strip().lower(): value.split() for key, value in pairs}
