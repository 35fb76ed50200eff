# SPDX-License-Identifier: GPL-2.0-only
"""
The programs of examples/, for the machine: built as their README says, against a header that
pkg-config finds where it was installed, and Debian's Python for the one that is not built.
"""

import functools
import threading
from modulefinder import ModuleFinder
from pathlib import Path

from lab.debian import privateroot
from lab.errors import LabError
from lab.kernels import build, flavours
from lab.machine.machine import File
from lab.paths import BUILD, ROOT, locked
from lab.suites.suite import Suite

_FOLDER = BUILD / "examples"
_PYTHON = "/usr/bin/python3"
_PACKAGES = ("python3-minimal", "libpython3-stdlib")
# What the interpreter itself imports when it starts.
_AT_START = ("site", "encodings.utf_8", "encodings.ascii", "encodings.latin_1", "encodings.aliases")
_building = threading.Lock()


@functools.cache
def _programs() -> tuple[Path, Path, Path, Path]:
    installed = _FOLDER / "root"
    settings = {"PKG_CONFIG_LIBDIR": f"{installed}/usr/share/pkgconfig",
                "PKG_CONFIG_SYSROOT_DIR": str(installed), "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}
    with locked(_FOLDER):
        build.run(["make", "-s", "-C", ROOT / "packaging", "install-dev", "PREFIX=/usr",
                   f"DESTDIR={installed}"], "make install-dev", env=build.clean_env())
        build.run(["make", "-s", "-B", "-C", ROOT / "examples", f"O={_FOLDER}",
                   f"CC={build.CROSS}gcc", f"CXX={build.CROSS}g++", "LDFLAGS=-static",
                   "CFLAGS=-O2 -Wall -Wextra -Werror", "CXXFLAGS=-O2 -Wall -Wextra -Werror"],
                  "examples", env=build.clean_env() | settings)
    return (_FOLDER / "regions-c", _FOLDER / "regions-cpp", ROOT / "examples/regions.py",
            installed / "usr/lib/python3/dist-packages/vfio_nvlink2.py")


def programs() -> tuple[Path, Path, Path, Path]:
    """
    The examples in C, C++ and Python, and the module that the last one imports. Two of them are
    built for the machine, once: another machine may be reading them.
    """
    with _building:
        return _programs()


def python(script: Path, module: Path) -> list[File]:
    """
    Debian's Python of the machine's architecture, with the modules that a script imports; [(path in
    the machine, file)]. `module` is one of ours that it imports.
    """
    root = privateroot.packages(flavours.RELEASE, list(_PACKAGES), arch=flavours.GUEST_ARCH)
    library, = root.path.glob("usr/lib/python3.*")
    finder = ModuleFinder([str(library), str(module.parent)])
    for name in _AT_START:
        finder.import_hook(name)
    finder.run_script(str(script))
    # It is a class of the library's own, and no module, that has the attribute in every case.
    files = [getattr(module, "__file__", None) for module in finder.modules.values()]
    read = [Path(file) for file in files if file]
    found = [f"/{path.relative_to(root.path)}" for path in read if path.is_relative_to(library)]
    # In C for another architecture: to this machine's Python they are missing.
    found += [f"/{path.relative_to(root.path)}" for path in library.glob("lib-dynload/*.so")
              if path.name.partition(".")[0] in finder.any_missing()]
    if not any("/_ctypes." in name for name in found):
        raise LabError(f"{library} has no ctypes: are {' '.join(_PACKAGES)} all that it needs?")
    found += root.needed(_PYTHON, *(name for name in found if name.endswith(".so")))
    return [(name.lstrip("/"), root.file(name)) for name in sorted(set(found))]


class ExamplesSuite(Suite):
    """A suite that carries the examples and a Python for one of them."""

    def payload(self, _: str) -> list[File]:
        in_c, in_cpp, script, module = programs()
        return [("bin/regions-c", in_c), ("bin/regions-cpp", in_cpp), ("examples/regions.py", script),
                ("examples/vfio_nvlink2.py", module), *python(script, module)]
