# SPDX-License-Identifier: GPL-2.0-only
"""
The debug kernels: each built once from Debian's source with debug.config, then kept compressed.

What is kept is what the stock packages give for the other flavours: vmlinux, the modules the
tests need, and a tree to build our modules against. Its key is the source's version, the
configuration, the patches and the compiler; a part of it that changes makes a new kernel.

The patches are those of kernel/patches: faults of the kernel that would stop every run in the
debug kernel at the same place, before anything of ours. A second vmlinux, of the source as it is,
is kept for the tests that show those faults; the patches change no interface of a module.
"""

import hashlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from . import kernelmake, source
from .errors import LabError
from .kernelmake import CROSS, run
from .paths import BUILD, ROOT, cache, locked, write_atomic
from .progress import note
from .unpack import make_once, remove, remove_tree

FRAGMENT = Path(__file__).with_name("debug.config")
# What a series has otherwise.
OWN_FRAGMENTS = {"7.2": Path(__file__).with_name("debug-7.2.config")}
UNPATCHED = "vmlinux-unpatched"
# The compiler of the stock kernels of the series, unless they have tools of their own.
COMPILER = f"{CROSS}gcc-12"
_MODULES = ("arch/powerpc/kvm/kvm.ko", "arch/powerpc/kvm/kvm-hv.ko")
# Raised when what is kept is made in another way.
_RECIPE = 2
_LOG = BUILD / "logs/debug-kernel.log"
# Folders of one build, and a file.
_SCRATCH = ("build", "keep", "source", "settings.config")
# Clones that share a cache may each have another kernel of a series in use.
_KEPT = 3
# Lines `make` prints for all of it; only for telling how far it is.
_STEPS = 1700


def patches(series):
    """What mends the kernels of a series, in order."""
    found = sorted((ROOT / "kernel/patches" / series).glob("*.patch"))
    if not found:
        raise LabError(f"kernel/patches/{series} has no patch")
    return found


def fragment(series):
    """The settings of a series' debug kernel, as a text for merge_config.sh."""
    text = FRAGMENT.read_text("utf-8")
    own = OWN_FRAGMENTS[series].read_text("utf-8") if series in OWN_FRAGMENTS else ""
    for name in re.findall(r"^(?:# )?(CONFIG_\w+)(?:=| is not set)", own, re.M):
        text = re.sub(rf"^(?:# )?{name}(?:=.*| is not set)\n", "", text, flags=re.M)
    return text + own


class Tools(NamedTuple):
    """What a kernel is compiled with: folders that come first in PATH, and the compiler's name."""
    folders: tuple = ()
    compiler: str = COMPILER


def kernel(apt, series, tools=Tools(), refresh=False):
    """(release, folder) of a series' debug kernel, built when it is not in the cache."""
    home = cache() / "debug-kernel"
    record = home / f"source-{series}.json"
    with locked(home):
        if refresh or not record.exists():
            _record(apt, series, record)
        archive = _archive(home, series, tools, record)
        if not archive.exists():
            _record(apt, series, record)
            archive = _archive(home, series, tools, record)
        if not archive.exists():
            try:
                _make(source.tree(apt, series), series, tools, archive)
            finally:
                for path in (home / name for name in _SCRATCH):
                    if path.exists():
                        remove(path)
        folder = home / archive.name.removesuffix(".tar.xz")
        make_once(folder, lambda draft: run(["tar", "-xJf", archive, "-C", draft], "tar"))
        _tidy(home, archive)
        return (folder / "release").read_text("utf-8").strip(), folder


def _record(apt, series, record):
    """Writes down which version of the source the index has."""
    version = source.package(apt, series)[1]
    write_atomic(record, json.dumps({"version": version}) + "\n")


def _archive(home, series, tools, record):
    version = json.loads(record.read_text("utf-8"))["version"]
    return home / f"{key_of(series, version, tools)}.tar.xz"


def _tidy(home, used):
    """Removes what an interrupted start left, and all kernels but the last that were used."""
    used.touch()
    archives = sorted(home.glob("*.tar.xz"), key=lambda path: path.stat().st_mtime)
    series_of = {path: path.name.partition("-")[0] for path in archives}
    kept = {".lock"} | {path.name for path in home.glob("source-*.json")}
    for series in set(series_of.values()):
        of_series = [path for path in archives if series_of[path] == series]
        kept |= {path.name.removesuffix(".tar.xz") for path in of_series[-_KEPT:]}
    for path in home.iterdir():
        if path.name.removesuffix(".tar.xz") not in kept:
            remove(path)


def key_of(series, version, tools=Tools()):
    """The name of a kernel: another one for each source, recipe and compiler."""
    compiler = run([tools.compiler, "--version"], tools.compiler, tools.folders).splitlines()[0]
    recipe = f"{_RECIPE}\0{_MODULES}\0{version}\0{compiler}\0".encode()
    recipe += fragment(series).encode()
    # What they say is of no matter to a kernel.
    recipe += "".join(path.read_text("utf-8").partition("\ndiff ")[2]
                      for path in patches(series)).encode()
    digest = hashlib.sha256(recipe).hexdigest()
    return f"{series}-{re.sub('[^A-Za-z0-9.]', '_', version)}-{digest[:12]}"


def _make(tree, series, tools, archive):
    """Builds in a folder of its own, first without the patches, and packs what is kept."""
    build, keep, copy = (archive.parent / name for name in _SCRATCH[:3])
    for folder in (build, keep):
        remove_tree(folder)
        folder.mkdir()
    # A copy whose files are links: patch replaces those it changes.
    remove_tree(copy)
    run(["cp", "-al", tree, copy], "cp")
    make = kernelmake.command(copy, build, f"CC={tools.compiler}")
    note(f"building the debug kernel {series} (once; 5 to 10 minutes on 2 cores)")
    settings = keep.parent / _SCRATCH[3]
    settings.write_text(fragment(series), "utf-8")
    kernelmake.configure(make, copy, build, settings, tools.folders)
    run_long([*make, "vmlinux", "modules"], tools.folders)
    _strip(build / "vmlinux", keep / UNPATCHED)
    for path in patches(series):
        note(f"applying {path.name}")
        run(["patch", "-p1", "-d", copy, "--fuzz=0", "--no-backup-if-mismatch", "-i", path],
            f"patch {path.name}")
    run_long([*make, "vmlinux", "modules"], tools.folders, again=True)
    _keep(make, copy, build, keep, tools)
    note("packing the debug kernel")
    draft = archive.with_suffix(".draft")
    run(["tar", "-cf", draft, "-C", keep, "--use-compress-program=xz -1 -T0", "."], "tar")
    draft.replace(archive)


def _strip(path, target):
    run([f"{CROSS}strip", "-g", "-o", target, path], "strip")


def _keep(make, tree, build, keep, tools):
    release = run([*make, "-s", "kernelrelease"], "make kernelrelease", tools.folders).split()[-1]
    (keep / "release").write_text(release + "\n", "utf-8")
    _strip(build / "vmlinux", keep / "vmlinux")
    if (keep / "vmlinux").read_bytes() == (keep / UNPATCHED).read_bytes():
        raise LabError("the patches changed nothing in the kernel: they were not compiled")
    (keep / "modules").mkdir()
    for module in _MODULES:
        _strip(build / module, keep / "modules" / Path(module).name)
    (keep / "order").write_text("".join(f"{Path(module).stem}\n" for module in _MODULES), "utf-8")
    # The script would make the build's own tools anew, for the machine the kernel is for; they are
    # to run here.
    command = f"+env CC=gcc HOSTCC=gcc {tree}/scripts/package/install-extmod-build {keep / 'tree'}"
    run([*make, "run-command", f"KBUILD_RUN_COMMAND={command}"], "install-extmod-build",
        tools.folders)
    # It leaves out what a build of modules against vmlinux does not need.
    shutil.copyfile(build / "Module.symvers", keep / "tree/Module.symvers")


def run_long(command, tools=(), again=False, log=None):
    """Runs a build with its output in a log, and says how far it is; `again`: adds to the log."""
    log = log or _LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    said = time.monotonic()
    lines = 0
    with open(log, "a" if again else "w", encoding="utf-8") as file, \
         subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=kernelmake.environment(tools)) as process:
        try:
            for line in process.stdout:
                file.write(line)
                lines += 1
                if time.monotonic() - said > 5:
                    said = time.monotonic()
                    known = not again and log == _LOG
                    note(f"kernel: {lines} steps" + (f" of about {_STEPS}" if known else ""))
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = log.read_text("utf-8").splitlines()
        errors = [line for line in said if re.search(r"\berror:|\*\*\*", line)][:5]
        raise LabError("\n".join(["the kernel does not build:", *(errors or said[-20:]),
                                  f"(all of it: {log})"]))
