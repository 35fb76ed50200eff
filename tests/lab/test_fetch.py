# SPDX-License-Identifier: GPL-2.0-only
"""Where packages come from, and what is said when they cannot be had."""

import hashlib

import pytest

from lab import paths, unpack
from lab.debian import apt, mirror
from lab.errors import Gone, LabError

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://one.example/debian/ bookworm main contrib
deb-src http://source.example/debian bookworm main
deb http://other.example/debian bookworm contrib
deb cdrom:[Debian]/ bookworm main
"""
DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://two.example/debian
Suites: trixie
 trixie-updates
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
"""


@pytest.fixture(name="etc")
def etc_fixture(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_sources_one_line_style(etc):
    (etc / "sources.list").write_text(ONE_LINE)
    assert mirror.sources(etc) == [("http://one.example/debian", "bookworm")]


def test_sources_deb822_style(etc):
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    assert mirror.sources(etc) == [("http://two.example/debian", "trixie"),
                                   ("http://two.example/debian", "trixie-updates")]


def test_sources_with_options_and_comments_behind_them(etc):
    """As apt reads them, which is more than the manual page's examples."""
    (etc / "sources.list").write_text(
        "deb [ arch=amd64 lang=de ] http://a.example/debian bookworm main # the old one\n"
        "deb\thttp://b.example/debian/\t./\n")
    (etc / "sources.list.d/c.sources").write_text(
        "Types: deb\nURIs: http://c.example/debian\n http://d.example/debian\nSuites: sid\n"
        "Components: main\n  contrib\nEnabled: TRUE\n")
    assert sorted(mirror.sources(etc)) == [
        ("http://a.example/debian", "bookworm"), ("http://c.example/debian", "sid"),
        ("http://d.example/debian", "sid")]


def test_sources_that_apt_cannot_read_are_its_own_complaint(etc):
    (etc / "sources.list").write_text("debian http://a.example/debian bookworm main\n")
    with pytest.raises(LabError, match=r"apt cannot read its sources: E: .*sources\.list: mend"):
        mirror.sources(etc)


def test_mirror_from_the_environment(monkeypatch):
    monkeypatch.setenv("NVLINK2_MIRROR", "http://mine.example/debian/")
    assert mirror.mirror() == "http://mine.example/debian"


def test_mirror_elsewhere_than_debian_says_what_to_set(monkeypatch):
    monkeypatch.delenv("NVLINK2_MIRROR", raising=False)
    monkeypatch.setattr(mirror, "os_release", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"})
    with pytest.raises(LabError, match="NVLINK2_MIRROR"):
        mirror.mirror()


def test_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))
    assert paths.cache() == tmp_path


def test_newest_counts_numbers(monkeypatch):
    names = "linux-image-6.12.9+deb12-powerpc64le linux-image-6.12.95+deb12-powerpc64le " \
            "linux-image-6.12.96+deb12-powerpc64le-dbg"
    monkeypatch.setattr(apt, "_output", lambda command: names)
    archive = apt.Apt("x", [("suite", ["amd64"])])
    monkeypatch.setattr(archive, "_options", lambda: [])
    pattern = r"linux-image-6\.12\.\d+\+deb\d+-powerpc64le"
    assert archive.newest(pattern) == "linux-image-6.12.95+deb12-powerpc64le"
    with pytest.raises(LabError, match="no package matches linux-image-9 in suite any more"):
        archive.newest("linux-image-9")


def test_package_that_is_gone_is_named(monkeypatch):
    def gone(_):
        raise LabError("apt-get failed: E: Unable to locate package gone-1.2")

    monkeypatch.setattr(apt, "_output", gone)
    archive = apt.Apt("x", [("suite", ["amd64"])])
    monkeypatch.setattr(archive, "_options", lambda: [])
    with pytest.raises(Gone, match="^gone-1.2 cannot be had from suite"):
        archive.resolve(["gone-1.2"])


def test_uri_line_is_understood():
    package = apt.parse_uri("'http://x.example/p/q%2b.deb' q_1%3a2~b+1_amd64.deb 12 SHA256:" + "a" * 64)
    assert package == apt.Package("q:amd64=1:2~b+1", "q_1%3a2~b+1_amd64.deb", 12, "a" * 64)
    with pytest.raises(LabError):
        apt.parse_uri("'http://x.example/q.deb' q_1_all.deb 12 MD5Sum:" + "a" * 32)


def test_uri_line_of_a_source_is_understood():
    package = apt.parse_uri("'http://x.example/p/q.dsc' q_1%3a2.dsc 12 SHA256:" + "a" * 64)
    assert (package.filename, package.size, package.sha256) == ("q_1%3a2.dsc", 12, "a" * 64)


def test_sources_are_asked_for_as_such(monkeypatch, tmp_path):
    """In sources.list, when names are resolved, and when the files are fetched."""
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))
    archive = apt.Apt("x", [("suite", ["amd64"])], sources=True)
    asked = []

    def answer(command):
        asked.append(command)
        if command[0] == "dpkg":
            return "amd64\n"
        return "".join(f"'http://x.example/{name}' {name} 3 SHA256:{'a' * 64}\n"
                       for name in ("q.dsc", "q.orig.tar.xz"))

    monkeypatch.setattr(apt, "_output", answer)
    archive.refresh()
    assert (tmp_path / "apt/x/sources.list").read_text().startswith("deb-src [arch=amd64 ")
    files = archive.resolve(["q=1"])
    assert [file.filename for file in files] == ["q.dsc", "q.orig.tar.xz"]
    assert {file.spec for file in files} == {"q=1"}
    assert asked[-1][-3:] == ["source", "--print-uris", "q=1"]


def test_damaged_download_is_refused_and_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))
    archive = apt.Apt("x", [("suite", ["amd64"])])
    good = apt.Package("q=1", "q_1_all.deb", 3, hashlib.sha256(b"abc").hexdigest())
    path = tmp_path / "debs/q_1_all.deb"
    monkeypatch.setattr(archive, "_get", lambda packages: path.write_bytes(b"abX"))
    with pytest.raises(LabError, match="checksum"):
        archive.download([good], "q")
    assert not path.exists()
    monkeypatch.setattr(archive, "_get", lambda packages: path.write_bytes(b"abc"))
    assert archive.download([good], "q") == [path]
    monkeypatch.setattr(archive, "_get", lambda packages: pytest.fail("downloaded again"))
    assert archive.download([good], "q") == [path]


def test_folder_is_made_completely_or_not_at_all(tmp_path):
    target = tmp_path / "made"

    def half(draft):
        (draft / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack.make_once(target, half)
    assert not target.exists()
    unpack.make_once(target, lambda draft: (draft / "whole").touch())
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_security_updates_come_from_their_archive(monkeypatch):
    """Beside the mirror that is named, or where this machine's apt has them."""
    monkeypatch.setenv("NVLINK2_MIRROR", "http://named.example/debian/")
    assert mirror.of_suite("bookworm-backports") == "http://named.example/debian"
    assert mirror.of_suite("bullseye-security") == "http://named.example/debian-security"
    monkeypatch.delenv("NVLINK2_MIRROR")
    monkeypatch.setattr(mirror, "sources", lambda *_: [
        ("http://one.example/debian", "bookworm"),
        ("http://two.example/updates", "bookworm-security")])
    assert mirror.of_suite("bullseye-security") == "http://two.example/updates"


@pytest.mark.parametrize("said, gone", [
    ("E: The repository 'http://x.example suite Release' does not have a Release file.", True),
    ("E: Failed to fetch http://x.example/Release  Could not resolve 'x.example'", False),
])
def test_suite_that_is_gone_is_known_from_a_network_that_is(monkeypatch, tmp_path, said, gone):
    monkeypatch.setenv("NVLINK2_CACHE", str(tmp_path))

    def answer(command):
        if command[0] == "dpkg":
            return "amd64\n"
        raise LabError(said)

    monkeypatch.setattr(apt, "_output", answer)
    with pytest.raises(LabError) as error:
        apt.Apt("x", [("suite", ["amd64"])]).refresh()
    assert isinstance(error.value, Gone) == gone
