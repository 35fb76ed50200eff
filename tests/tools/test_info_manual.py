# SPDX-License-Identifier: GPL-2.0-only
"""nvlink2-info as a program: how it is used, built, installed, documented and completed."""

import re
import struct

import pytest

from .support import BUILD, GOLDEN, TOOL, build, need, run

MAN = TOOL / "nvlink2-info.1"
OPTIONS = {"all", "dot", "from", "json", "save", "sysfs", "dev", "help", "version",
           "watch"}


@pytest.mark.parametrize("arguments, sentence", [
    (["--nonsense"], "unrecognized option '--nonsense'"),
    (["-x"], "invalid option -- 'x'"),
    (["--from"], "option '--from' requires an argument"),
    (["nonsense"], "'nonsense' is no address of a PCI function, such as 0004:04:00.0"),
    (["0000:00:20.0"], "is no address"),
    (["0000:00:00.8"], "is no address"),
    (["0000:00:00.0x"], "is no address"),
    (["-1:00.0"], "invalid option"),
    (["+1:00.0"], "is no address"),
    ([""], "is no address"),
    (["--from", "x", "0000:01:00.0"], "--from reads files and no devices"),
    (["--from", "x", "--save", "y"], "--from reads files and no devices"),
    (["--from", "x", "--all"], "--from reads files and no devices"),
])
def test_usage_error(info, arguments, sentence):
    done = info(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.endswith("Try 'nvlink2-info --help'.\n")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(info, option):
    done = info(option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: nvlink2-info ")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Examples:" in done.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(info, option):
    done = info(option)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"nvlink2-info \d+\.\d+\.\d+, ABI version 1\n", done.stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"],
                                       ["--json", "--from", GOLDEN / "atsd.bin"]])
def test_output_that_cannot_be_written_is_a_failure(tool, arguments):
    done = run("sh", "-c", '"$@" >/dev/full', "sh", tool, *arguments)
    assert done.returncode == 2
    assert done.stderr == ("nvlink2-info: the output could not be written: "
                           "No space left on device\n")


def test_help_manual_and_completion_have_the_same_options(info):
    text = info("--help").stdout
    page = MAN.read_text("utf-8")
    documented = re.findall(r"^\.It .*Fl \\-([a-z]+)", page, flags=re.M)
    assert set(documented) == OPTIONS
    assert set(re.findall(r"^  .{4}--([a-z]+)", text, flags=re.M)) == OPTIONS
    completion = (TOOL / "nvlink2-info.bash").read_text("utf-8")
    words = re.search(r"-W '([^$]*?)'", completion)[1]
    assert set(words.replace("--", "").split()) == OPTIONS
    short = dict(re.findall(r"^  -([a-zA-Z]), --([a-z]+)", text, flags=re.M))
    assert short == {"a": "all", "d": "dot", "j": "json", "f": "from", "s": "save",
                     "w": "watch", "h": "help", "V": "version"}
    assert dict(re.findall(r"^\.It Fl ([a-zA-Z]) , Fl \\-([a-z]+)", page, flags=re.M)) == short


def test_manual_documents_every_key_of_the_json():
    page = MAN.read_text("utf-8")
    keys = set(re.findall(r'json, "([a-z_]+)"', (TOOL / "show_json.c").read_text("utf-8")))
    assert len(keys) > 25
    words = set(re.findall(r"[a-z_]+", page))
    assert keys - words == set()


def test_manual_lint():
    done = run(need("mandoc"), "-T", "lint", "-W", "style", MAN)
    # Whether the pages it refers to are installed here is no matter of style.
    found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert found == []


def test_manual_lint_bites(tmp_path):
    broken = tmp_path / "broken.1"
    broken.write_text(MAN.read_text("utf-8").replace(".Sh FILES", ".Nonsense", 1))
    assert "unknown macro" in run(need("mandoc"), "-T", "lint", broken).stdout


def test_manual_in_groff_is_without_warnings(tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    done = run(need("man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", MAN, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    broken = tmp_path / "broken.1"
    broken.write_text(MAN.read_text("utf-8") + ".nonsense\n")
    done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", broken, env=environment)
    assert "nonsense" in done.stderr


COMPLETE = """
source "$1"; shift
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_nvlink2_info
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, cwd=None):
    done = run(need("bash"), "--norc", "-c", COMPLETE, "bash", TOOL / "nvlink2-info.bash",
               "nvlink2-info", *words, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_completion_of_options():
    assert complete("--s") == ["--save", "--sysfs"]
    assert set(complete("-")) == {f"--{name}" for name in OPTIONS}


def test_completion_of_devices_and_files(machine, tmp_path):
    machine.function("0000:01:00.0")
    machine.function("0004:04:00.0", driver="nvme", vfio=False)
    assert complete("--sysfs", machine.sysfs, "") == ["0000:01:00.0"]
    assert complete("--sysfs", machine.sysfs, "0004") == []
    (tmp_path / "region.bin").write_text("")
    assert complete("--from", "reg", cwd=tmp_path) == ["region.bin"]
    assert complete("--save", "de", cwd=tmp_path) == ["dev"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_build_is_clean(compiler):
    program = build(BUILD / f"clean-{compiler}", f"CC={need(compiler)}", "CFLAGS=-O2 -pedantic")
    assert run(program, "--version").returncode == 0


def test_build_for_the_guest_is_static():
    need("powerpc64le-linux-gnu-gcc")
    program = build(BUILD / "guest", "CROSS_COMPILE=powerpc64le-linux-gnu-", "STATIC=1")
    image = program.read_bytes()
    assert image[:6] == b"\x7fELF\x02\x01"
    machine, = struct.unpack_from("<H", image, 18)
    first, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    segments = [struct.unpack_from("<I", image, first + n * size)[0] for n in range(count)]
    assert (machine, 1 in segments, 3 in segments) == (21, True, False)  # EM_PPC64, LOAD, INTERP


def test_build_uses_nothing_of_the_interface_but_what_is_generated():
    """Numbers and records come from the spec: no second copy of them here."""
    for path in TOOL.glob("*.[ch]"):
        text = path.read_text("utf-8")
        assert not re.search(r"vfio_region_info_cap_|0x10de|0x1014|25\.78", text, re.I), path


def test_install(tmp_path):
    folder = BUILD / "clean-gcc"
    build(folder, f"CC={need('gcc')}", "CFLAGS=-O2 -pedantic", "install", "PREFIX=/usr",
          f"DESTDIR={tmp_path}")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "usr/bin/nvlink2-info", "usr/share/man/man1/nvlink2-info.1",
        "usr/share/bash-completion/completions/nvlink2-info"}
    assert (tmp_path / "usr/bin/nvlink2-info").stat().st_mode & 0o777 == 0o755


def test_clean(tmp_path):
    program = build(tmp_path / "out", f"CC={need('gcc')}")
    assert program.exists()
    run("make", "-C", TOOL, f"O={tmp_path / 'out'}", "clean")
    assert not list((tmp_path / "out").iterdir())
