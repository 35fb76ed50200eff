# SPDX-License-Identifier: GPL-2.0-only
"""
Installs the Debian packages in a root with nothing but apt in it, uses them, and removes them.

    python3 -m lab.packages.cleanroot

`make test-deb`: it needs Debian's mirror, mmdebstrap, and root or user namespaces; about three
minutes, most of them for what the ABI gate depends on. Exit status: 0 all well; 1 something failed;
2 it could not be tried.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from lab.debian import mirror
from lab.errors import LabError
from lab.kernels import flavours
from lab.paths import BUILD, ROOT

HERE = Path(__file__).resolve().parent
_LOG = BUILD / "logs/clean-root.log"
_END = "end of the checks"


def run(packages: Path) -> list[str]:
    """The lines the script prints in a clean root with a folder of packages."""
    if not shutil.which("mmdebstrap"):
        raise LabError("mmdebstrap is missing: run `sh setup.sh cleanroot`")
    command = ["mmdebstrap", "--variant=apt", "--quiet",
               f"--customize-hook=mkdir \"$1/debs\" && cp {packages}/*.deb {packages}/VERSION \"$1/debs\"",
               f"--customize-hook=cp {HERE / 'cleanroot.sh'} \"$1/check\"",
               "--customize-hook=chroot \"$1\" sh /check", flavours.RELEASE, "/dev/null",
               f"deb {mirror.mirror()} {flavours.RELEASE} main"]
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    with open(_LOG, "w", encoding="utf-8") as log, \
         subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            log.write(line)
            lines.append(line.rstrip("\n"))
            if re.match(r"(not )?ok ", line):
                print(line, end="", flush=True)
    if process.returncode:
        raise LabError("\n".join([f"mmdebstrap failed (all of it: {_LOG}):", *lines[-10:]]))
    return lines


def main() -> int:
    """Builds the packages of the last commit and tries them; returns the exit status."""
    out = BUILD / "deb"
    try:
        done = subprocess.run([sys.executable, ROOT / "packaging/deb.py", "--no-lintian", "--out", out],
                              stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            return 2
        for path in out.glob("*-dbgsym_*.deb"):
            path.unlink()
        shutil.copy(ROOT / "VERSION", out)
        lines = run(out)
    except (LabError, OSError) as error:
        print(f"clean root: {error}", file=sys.stderr)
        return 2
    passed = sum(line.startswith("ok ") for line in lines)
    failed = sum(line.startswith("not ok ") for line in lines)
    if failed or _END not in lines:
        print("\n".join(line for line in lines if line.startswith(("not ok", "# "))))
        failed += _END not in lines
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
