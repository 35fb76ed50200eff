# SPDX-License-Identifier: GPL-2.0-only
"""The kernels the lab boots, and how their pieces come out of Debian's packages."""

import json
import lzma
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from lab.ageing import used
from lab.debian import toolchain
from lab.debian.apt import Apt, host_architecture
from lab.debian.privateroot import PrivateRoot
from lab.errors import LabError
from lab.kernels import debugkernel, reference, source
from lab.paths import cache, locked, write_atomic
from lab.progress import note
from lab.unpack import make_once, remove_tree, unpack

RELEASE = "bookworm"
SUITE = "bookworm-backports"
GUEST_ARCH = "ppc64el"

# The machine's clock counts its instructions, and idle time passes at once: a run is about
# four times as fast and repeats to the instruction. A person at the console needs real time.
COUNTED_TIME = ("-icount", "shift=0,sleep=off")
# Processors that run at once: for races between them. The clock cannot count instructions then, and
# the emulator has a race of its own: once in some runs a processor's access to the interrupt
# controller fails, with a machine check, while another maps a BAR. So only what looks for such
# races has two (Suite.emulator()).
TWO_PROCESSORS = ("-smp", "2")

# What the tests need of the stock modules; their own dependencies are added.
STOCK_MODULES = ("vfio", "vfio_iommu_spapr_tce", "vfio-pci-core", "vfio-pci", "kvm-hv")
_MODULE_FOLDERS = ("*/kernel/drivers/vfio/*", "*/kernel/arch/powerpc/kvm/*")


class Flavour(NamedTuple):
    """
    A kernel: its series, Debian's name of the configuration, the suite it comes from, and what is
    added to the kernel's command line. `parts` are the packages with vmlinux, the list of what is
    built in, and the modules; `own_tools`: only the suite's own compiler can build for it. Of those
    that the lab builds: `recipe`, how; `patched`, whether with the patches of kernel/patches; and
    whether with lockdep.
    """
    name: str
    series: str
    debian: str
    suite: str = SUITE
    parts: tuple[str, ...] = ("image",)
    own_tools: bool = False
    append: str = ""
    recipe: debugkernel.Recipe | None = None
    patched: bool = True
    lockdep: bool = True

    @property
    def reference(self) -> bool:
        """Says whether the driver is a part of it, ours or the one of 2018."""
        return self.series == reference.SERIES

    @property
    def debug(self) -> bool:
        """Says whether the lab builds it itself, with all that finds faults."""
        return bool(self.recipe and self.recipe.debug)

    @property
    def base(self) -> str:
        """The flavour whose kernel it is, and whose build of our modules it loads."""
        return self.name.removesuffix("-unpatched").removesuffix("-hash")


_FORKY_PARTS = ("binary", "base", "modules")
# The stock kernels; those that the lab builds itself have no name of Debian's.
FLAVOURS = {flavour.name: flavour for flavour in (
    Flavour("6.12-64k", "6.12", "powerpc64le-64k"),
    Flavour("6.12-4k", "6.12", "powerpc64le"),
    Flavour("7.2-64k", "7.2", "powerpc64le-64k", "forky", _FORKY_PARTS, own_tools=True),
    Flavour("7.2-4k", "7.2", "powerpc64le", "forky", _FORKY_PARTS, own_tools=True),
)}
DEBUG = {flavour.name: flavour for flavour in (
    Flavour("6.12-debug", "6.12", "", recipe=debugkernel.DEBUG),
    Flavour("7.2-debug", "7.2", "", suite="forky", own_tools=True, recipe=debugkernel.DEBUG,
            lockdep=False),
)}
# The same without the patches, which are there to show what those mend.
UNPATCHED = {flavour.name: flavour for flavour in (
    Flavour("6.12-debug-unpatched", "6.12", "", recipe=debugkernel.DEBUG, patched=False),
    Flavour("7.2-debug-unpatched", "7.2", "", suite="forky", own_tools=True,
            recipe=debugkernel.DEBUG, patched=False, lockdep=False),
)}
# Stock kernels with the other MMU of the processor, where pages are put in in another way.
HASH = {flavour.name: flavour for flavour in (
    FLAVOURS[name]._replace(name=f"{name}-hash", append="disable_radix")
    for name in ("6.12-64k", "6.12-4k"))}
# The last kernel with the driver of 2018, and with ours in its place. Not for every run: it takes a
# kernel of its own, and a client that knows both (`make test-reference`).
REFERENCE = {flavour.name: flavour for flavour in (
    Flavour("5.10-2018", reference.SERIES, "", suite=reference.SUITE),
    Flavour("5.10", reference.SERIES, "", suite=reference.SUITE),
)}
# Kernels with the platform's part of NPU2 (kernel/powernv): plain ones, and ones that find faults.
# Not for every run either: each takes minutes to build, and again after each change there.
NPU2 = {flavour.name: flavour for flavour in (
    Flavour("6.12-npu2", "6.12", "", recipe=debugkernel.NPU2, lockdep=False),
    Flavour("7.2-npu2", "7.2", "", suite="forky", own_tools=True, recipe=debugkernel.NPU2,
            lockdep=False),
    Flavour("6.12-npu2-debug", "6.12", "", recipe=debugkernel.NPU2_DEBUG),
    Flavour("7.2-npu2-debug", "7.2", "", suite="forky", own_tools=True,
            recipe=debugkernel.NPU2_DEBUG, lockdep=False),
)}
ALL = {**FLAVOURS, **HASH, **DEBUG, **UNPATCHED, **REFERENCE, **NPU2}
# Those that our modules are built for in every run; the others load one of these builds, or are for
# runs of their own.
BUILT_FOR = (*FLAVOURS, *DEBUG)


class Kernel(NamedTuple):
    """A fetched kernel."""
    release: str
    vmlinux: Path
    modules: list[Path]
    headers: Path


class _Record(TypedDict, total=False):
    """What the cache knows of a stock kernel that it has; nothing when it has none."""
    release: str
    package_release: str
    wanted: list[str]
    modules: list[str]


def flavour(name: str) -> Flavour:
    """The flavour of that name."""
    if name not in ALL:
        raise LabError(f"no flavour {name}: there is {', '.join(ALL)}")
    return ALL[name]


def index(suite: str = SUITE) -> Apt:
    """The private apt that knows the kernels (guest) and the build tools of them (host)."""
    host = host_architecture()
    return Apt(f"{suite}-{host}-{GUEST_ARCH}", [(suite, [host, GUEST_ARCH])])


def build_path(name: str) -> list[str]:
    """Returns the folders that come before PATH to build modules for a flavour: none, or its compiler's."""
    chosen = flavour(name)
    return [str(toolchain.bin_folder(chosen.suite))] if chosen.own_tools else []


def tools_of(chosen: Flavour) -> debugkernel.Tools:
    """Returns the tools that compile a flavour's kernel when the lab builds it."""
    if not chosen.own_tools:
        return debugkernel.Tools()
    return debugkernel.Tools((str(toolchain.bin_folder(chosen.suite)),), f"{toolchain.CROSS}gcc")


def kernel(name: str, refresh: bool = False) -> Kernel:
    """Fetches or builds a flavour's kernel, modules and headers, and returns where they are."""
    chosen = flavour(name)
    if chosen.reference:
        used(cache() / "reference-kernel")
        # The tree is compared with it.
        source.have(reference.SERIES)
        return Kernel(*reference.kernel(index(chosen.suite), refresh))
    if chosen.recipe:
        release, folder = _built(chosen, chosen.recipe, refresh)
        if not used(folder).exists():
            # It was old, and went before it was marked.
            release, folder = _built(chosen, chosen.recipe, refresh)
        order = (folder / "order").read_text("utf-8").split()
        image = "vmlinux" if chosen.patched else debugkernel.UNPATCHED
        return Kernel(release, folder / image,
                      [folder / "modules" / f"{module}.ko" for module in order], folder / "tree")
    folder = cache() / "kernels" / chosen.base
    record = folder / "kernel.json"
    # It takes the same lock.
    tools = toolchain.root_of(chosen.suite, refresh) if chosen.own_tools else None
    with locked(cache()):
        used(folder)
        known: _Record = json.loads(record.read_text("utf-8")) if record.exists() else {}
        # A cache of before a module was added is fetched anew, and what of it has gone.
        if refresh or known.get("wanted") != list(STOCK_MODULES) or not _whole(folder, known):
            _fetch(chosen, folder, record, refresh, tools)
            known = json.loads(record.read_text("utf-8"))
    base = folder / known["release"]
    return Kernel(known["release"], base / "vmlinux",
                  [base / "modules" / f"{module}.ko" for module in known["modules"]],
                  _headers_folder(known["package_release"])
                  / f"usr/src/linux-headers-{known['release']}")


def _built(chosen: Flavour, recipe: debugkernel.Recipe, refresh: bool) -> tuple[str, Path]:
    return debugkernel.kernel(index(chosen.suite), chosen.series, tools_of(chosen), refresh, recipe)


def _headers_folder(package_release: str) -> Path:
    return used(cache() / "headers" / package_release)


def _whole(folder: Path, known: _Record) -> bool:
    return (folder / known["release"]).exists() and _headers_folder(known["package_release"]).exists()


def _fetch(chosen: Flavour, folder: Path, record: Path, refresh: bool, tools: PrivateRoot | None) -> None:
    apt = index(chosen.suite)
    apt.refresh(force=refresh)
    series = re.escape(chosen.series)
    first = chosen.parts[0]
    image = apt.newest(rf"linux-{first}-{series}\.\d+\+deb\d+-{chosen.debian}")
    release = image.removeprefix(f"linux-{first}-")
    package_release = release.removesuffix(f"-{chosen.debian}")
    known: _Record = {"release": release, "package_release": package_release,
                      "wanted": list(STOCK_MODULES)}

    target = folder / release
    if target.exists() and (target / "wanted").read_text("utf-8").split() != known["wanted"]:
        remove_tree(target)
    if not target.exists():
        debs = apt.fetch([f"linux-{part}-{release}:{GUEST_ARCH}" for part in chosen.parts],
                         f"the kernel {release}")
        note(f"taking vmlinux and modules out of {image}")
        make_once(target, lambda draft: _take_image(debs, draft))
        for deb in debs:
            deb.unlink()
    _fetch_headers(apt, release, package_release, tools)
    known["modules"] = (target / "order").read_text("utf-8").split()
    write_atomic(record, json.dumps(known, indent=1) + "\n")
    for other in folder.iterdir():
        if other not in (target, record):
            remove_tree(other)


def _take_image(debs: Sequence[Path], draft: Path) -> None:
    raw = draft / "raw"
    # One package has everything, or each of several a part; and the image has two usual places.
    for deb in debs:
        unpack(deb, raw, ["./boot/vmlinux-*", "*/modules/*/vmlinuz", *_MODULE_FOLDERS,
                          "*/modules.builtin"], some=True)
    image = _only(debs, [*raw.glob("boot/vmlinux-*"), *raw.glob("usr/lib/modules/*/vmlinuz")],
                  "kernel image")
    with open(image, "rb") as handle:
        if handle.read(4) != b"\x7fELF":
            raise LabError(f"{image.name} of {debs[0].name} is no plain ELF file: the emulator "
                           "cannot start it, and it would have to be taken apart")
    image.rename(draft / "vmlinux")
    found = {path.name.split(".")[0].replace("-", "_"): path
             for path in raw.glob("**/*.ko*")}
    builtin_list = _only(debs, [*raw.glob("**/modules.builtin")], "file modules.builtin")
    builtin = {Path(line).stem.replace("-", "_") for line in
               builtin_list.read_text("utf-8").splitlines()}
    order: list[str] = []
    (draft / "modules").mkdir()
    for module in STOCK_MODULES:
        _take_module(module, found, builtin, draft, order)
    (draft / "order").write_text("\n".join(order) + "\n", "utf-8")
    (draft / "wanted").write_text("\n".join(STOCK_MODULES) + "\n", "utf-8")
    for folder, _, names in os.walk(raw, topdown=False):
        for name in names:
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _only(debs: Sequence[Path], found: Sequence[Path], what: str) -> Path:
    if len(found) != 1:
        raise LabError(f"{', '.join(deb.name for deb in debs)}: {len(found) or 'no'} {what} where "
                       "there should be one: what is taken out of the packages (lab/kernels/"
                       "flavours.py) has to follow their new layout")
    return found[0]


def _take_module(module: str, found: dict[str, Path], builtin: set[str], draft: Path,
                 order: list[str]) -> None:
    """Stores a module after those it depends on; a module built into the kernel needs neither."""
    key = module.replace("-", "_")
    if module in order or key in builtin:
        return
    if key not in found:
        raise LabError(f"the kernel package has no module {module}: STOCK_MODULES or the members "
                       "taken out of the package have to follow the new layout")
    data = found[key].read_bytes()
    if found[key].suffix == ".xz":
        data = lzma.decompress(data)
    depends = re.search(rb"\0depends=([^\0]*)\0", data)
    for other in depends[1].decode().split(",") if depends and depends[1] else []:
        _take_module(other, found, builtin, draft, order)
    (draft / "modules" / f"{module}.ko").write_bytes(data)
    order.append(module)


def _fetch_headers(apt: Apt, release: str, package_release: str, tools: PrivateRoot | None) -> None:
    """Headers (guest), common part (all) and build tools (host) in one prefix per version."""
    prefix = _headers_folder(package_release)
    wanted = [f"linux-headers-{release}:{GUEST_ARCH}", f"linux-headers-{package_release}-common",
              f"linux-kbuild-{package_release}:{host_architecture()}"]
    wanted = [spec for spec in wanted if not _unpacked(prefix, spec).exists()]
    if not wanted:
        return
    debs = apt.fetch(wanted, f"the headers of {release}")
    note(f"unpacking the headers of {release}")
    for deb in debs:
        unpack(deb, prefix)
        deb.unlink()
    # The flavour's Makefile names folders by the paths they have when installed.
    makefile = prefix / f"usr/src/linux-headers-{release}/Makefile"
    text = makefile.read_text("utf-8")
    write_atomic(makefile, re.sub(r"(?<=[ =])/usr/src/", f"{prefix}/usr/src/", text))
    if tools:
        toolchain.wrap(prefix / f"usr/lib/linux-kbuild-{package_release}", tools)
    # With vmlinux there, a build adds type information by a tool (pahole) nothing here reads.
    (makefile.parent / "vmlinux").unlink(missing_ok=True)
    for spec in wanted:
        _unpacked(prefix, spec).touch()


def _unpacked(prefix: Path, spec: str) -> Path:
    return prefix / f".unpacked-{spec.partition(':')[0]}"
