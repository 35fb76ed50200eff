# SPDX-License-Identifier: GPL-2.0-only
"""
The debug kernel: built once from Debian's source with debug.config, then kept compressed.

What is kept is what the stock packages give for the other flavours: vmlinux, the modules the
tests need, and a tree to build our modules against. Its key is the source's version, the
configuration, the patches and the compiler; a part of it that changes makes a new kernel.

The patches are those of kernel/patches: faults of the kernel that would stop every run in the
debug kernel at the same place, before anything of ours.
"""

import hashlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from . import kernelmake, source
from .errors import LabError
from .kernelmake import CROSS, run
from .paths import BUILD, ROOT, cache, locked, write_atomic
from .progress import note
from .unpack import make_once, remove, remove_tree

SERIES = "6.12"
PATCHES = sorted((ROOT / "kernel/patches" / SERIES).glob("*.patch"))
FRAGMENT = Path(__file__).with_name("debug.config")
# The compiler of the stock kernels of the series.
COMPILER = f"{CROSS}gcc-12"
_MODULES = ("arch/powerpc/kvm/kvm.ko", "arch/powerpc/kvm/kvm-hv.ko")
# Raised when what is kept is made in another way.
_RECIPE = 1
_LOG = BUILD / "logs/debug-kernel.log"
# Folders of one build.
_SCRATCH = ("build", "keep", "source")
# Clones that share a cache may each have another kernel in use.
_KEPT = 3
# Lines `make` prints for all of it; only for telling how far it is.
_STEPS = 1650


def kernel(apt, refresh=False):
    """(release, folder) of the debug kernel, built when it is not in the cache."""
    home = cache() / "debug-kernel"
    record = home / "source.json"
    with locked(home):
        if refresh or not record.exists():
            version = source.package(apt, SERIES)[1]
            write_atomic(record, json.dumps({"version": version}) + "\n")
        version = json.loads(record.read_text("utf-8"))["version"]
        key = key_of(version)
        archive = home / f"{key}.tar.xz"
        folder = home / key
        if not archive.exists():
            version = source.package(apt, SERIES)[1]
            write_atomic(record, json.dumps({"version": version}) + "\n")
            key = key_of(version)
            archive, folder = home / f"{key}.tar.xz", home / key
        if not archive.exists():
            try:
                _make(source.tree(apt, SERIES), archive)
            finally:
                for name in _SCRATCH:
                    remove_tree(home / name)
        make_once(folder, lambda draft: run(["tar", "-xJf", archive, "-C", draft], "tar"))
        _tidy(home, archive, {record.name, ".lock"})
        return (folder / "release").read_text("utf-8").strip(), folder


def _tidy(home, used, names):
    """Removes what an interrupted start left, and all kernels but the last that were used."""
    used.touch()
    archives = sorted(home.glob("*.tar.xz"), key=lambda path: path.stat().st_mtime)
    kept = {path.name.removesuffix(".tar.xz") for path in archives[-_KEPT:]} | names
    for path in home.iterdir():
        if path.name.removesuffix(".tar.xz") not in kept:
            remove(path)


def key_of(version):
    """The name of a kernel: another one for each source, recipe and compiler."""
    compiler = run([COMPILER, "--version"], COMPILER).splitlines()[0]
    recipe = f"{_RECIPE}\0{_MODULES}\0{version}\0{compiler}\0".encode()
    recipe += b"".join(path.read_bytes() for path in [FRAGMENT, *PATCHES])
    digest = hashlib.sha256(recipe).hexdigest()
    return f"{SERIES}-{re.sub('[^A-Za-z0-9.]', '_', version)}-{digest[:12]}"


def _make(tree, archive):
    """Builds in a folder of its own and packs what is kept."""
    build, keep, copy = (archive.parent / name for name in _SCRATCH)
    for folder in (build, keep):
        remove_tree(folder)
        folder.mkdir()
    tree = _patched(tree, copy)
    make = kernelmake.command(tree, build, f"CC={COMPILER}")
    note(f"building the debug kernel {SERIES} (once; 5 to 10 minutes on 2 cores)")
    kernelmake.configure(make, tree, build, FRAGMENT)
    run_long([*make, "vmlinux", "modules"])
    _keep(make, tree, build, keep)
    note("packing the debug kernel")
    draft = archive.with_suffix(".draft")
    run(["tar", "-cf", draft, "-C", keep, "--use-compress-program=xz -1 -T0", "."], "tar")
    draft.replace(archive)


def _patched(tree, copy):
    """A copy of the source with the patches. Its files are links, which patch replaces."""
    remove_tree(copy)
    run(["cp", "-al", tree, copy], "cp")
    for path in PATCHES:
        note(f"applying {path.name}")
        run(["patch", "-p1", "-d", copy, "--fuzz=0", "--no-backup-if-mismatch", "-i", path],
            f"patch {path.name}")
    return copy


def _keep(make, tree, build, keep):
    release = run([*make, "-s", "kernelrelease"], "make kernelrelease").split()[-1]
    (keep / "release").write_text(release + "\n", "utf-8")
    run([f"{CROSS}strip", "-g", "-o", keep / "vmlinux", build / "vmlinux"], "strip")
    (keep / "modules").mkdir()
    for module in _MODULES:
        run([f"{CROSS}strip", "-g", "-o", keep / "modules" / Path(module).name, build / module],
            "strip")
    (keep / "order").write_text("".join(f"{Path(module).stem}\n" for module in _MODULES), "utf-8")
    run([*make, "run-command", "KBUILD_RUN_COMMAND="
         f"+{tree}/scripts/package/install-extmod-build {keep / 'tree'}"], "install-extmod-build")
    # The script leaves out what a build of modules against vmlinux does not need.
    shutil.copyfile(build / "Module.symvers", keep / "tree/Module.symvers")
    # And it makes the build's own tools for the machine the kernel is for; ours runs here.
    for path in (keep / "tree/scripts").rglob("*"):
        tool = build / path.relative_to(keep / "tree")
        if path.is_file() and tool.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            shutil.copy2(tool, path)


def run_long(command):
    """Runs the build with its output in a log, and says how far it is."""
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    said = time.monotonic()
    lines = 0
    with open(_LOG, "w", encoding="utf-8") as log, \
         subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=kernelmake.environment()) as process:
        try:
            for line in process.stdout:
                log.write(line)
                lines += 1
                if time.monotonic() - said > 5:
                    said = time.monotonic()
                    note(f"debug kernel: {lines} steps of about {_STEPS}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = _LOG.read_text("utf-8").splitlines()
        errors = [line for line in said if re.search(r"\berror:|\*\*\*", line)][:5]
        raise LabError("\n".join(["the debug kernel does not build:", *(errors or said[-20:]),
                                  f"(all of it: {_LOG})"]))
