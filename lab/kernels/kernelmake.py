# SPDX-License-Identifier: GPL-2.0-only
"""Configures and builds kernels of our own from Debian's source, outside of that source."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.ageing import used
from lab.errors import LabError
from lab.paths import cache, disk_full

CROSS = "powerpc64le-linux-gnu-"


def command(tree: Path, build: Path, *settings: str) -> list[str | Path]:
    """The make of a source tree with its output in `build`."""
    return ["make", "-C", tree, f"O={build}", "ARCH=powerpc", f"CROSS_COMPILE={CROSS}", *settings,
            f"-j{os.cpu_count() or 1}"]


def cached(compiler: str) -> str:
    """
    The setting CC= for a compiler behind ccache, so that a kernel whose patches or options change
    compiles only what they change. Without ccache it is the compiler alone.
    """
    used(cache() / "ccache")
    return f"CC=ccache {compiler}" if shutil.which("ccache") else f"CC={compiler}"


def configure(make: Sequence[str | Path], tree: Path, build: Path, fragment: Path,
              tools: Sequence[str] = ()) -> None:
    """allnoconfig with a fragment on top, every line of which has to hold."""
    run([*make, "allnoconfig"], "make allnoconfig", tools)
    config = build / ".config"
    run([tree / "scripts/kconfig/merge_config.sh", "-m", "-O", build, config, fragment],
        "merge_config.sh", cwd=build)
    run([*make, "olddefconfig"], "make olddefconfig", tools)
    lost = lost_lines(fragment.read_text("utf-8"), config.read_text("utf-8"))
    if lost:
        raise LabError(f"{fragment.name}: the configuration does not take {', '.join(lost)}; an "
                       "option they depend on is missing")


def lost_lines(fragment: str, config: str) -> list[str]:
    """The settings of a fragment that a configuration does not have."""
    have = set(config.splitlines())
    return [line for line in fragment.splitlines()
            if line.startswith(("CONFIG_", "# CONFIG_")) and line not in have]


def run(words: Sequence[str | Path], what: str, tools: Sequence[str] = (), cwd: Path | None = None) -> str:
    """Runs one step and returns what it prints; its complaint is the error when it fails."""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, env=environment(tools), cwd=cwd)
    except FileNotFoundError:
        raise LabError(f"{words[0]} is missing: run `sh setup.sh test` to install what "
                       "kernels are built with") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise LabError(f"{what} failed:\n{disk_full(said) or said[-2000:]}")
    return done.stdout


def environment(tools: Sequence[str] = ()) -> dict[str, str]:
    """
    Nothing of a make above us, and nothing of this machine in what is built. `tools` are the
    folders of programs that come before the machine's.
    """
    return {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")} | {
                "LC_ALL": "C", "KBUILD_BUILD_TIMESTAMP": "1970-01-01", "KBUILD_BUILD_USER": "lab",
                "KBUILD_BUILD_HOST": "lab",
                # A newer release's compiler is a script here, whose text says nothing of its version.
                "CCACHE_DIR": str(cache() / "ccache"), "CCACHE_MAXSIZE": "2G",
                "CCACHE_COMPILERCHECK": "%compiler% --version",
                "PATH": ":".join([*tools, os.environ.get("PATH", os.defpath)])}
