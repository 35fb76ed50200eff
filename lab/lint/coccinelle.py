# SPDX-License-Identifier: GPL-2.0-only
"""
The kernel's own semantic patches (scripts/coccinelle), run over our C by spatch.

spatch passes over what it cannot read and prints nothing when it finds nothing, so that a run
proves two things of itself: planted mistakes are reported, and every line was read.
"""

import re
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import limits
from lab.errors import LabError
from lab.kernels import build
from lab.paths import BUILD, locked

# Scripts that are not run. Each needs an OCaml compiler at run time.
NOT_RUN = {
    "api/check_bq27xxx_data.cocci": "is about one table in a driver of batteries",
    "null/badzero.cocci": "compares pointers with 0, which sparse reports (-Wnon-pointer-null)",
}

# Lines at most that spatch cannot read: macros that are more than an expression.
UNREAD = {
    "generated/kernel/nvlink2_contract.h": 8,  # the list of identifiers and its use
    "kernel/compat.h": 5,  # members of an initializer
    "kernel/main.c": 9,
    "kernel/trace.h": 1,
    "uapi/linux/vfio_nvlink2.h": 7,
}

PLANTED = "kernel/planted.c"
_MISTAKES = """\
#include <linux/slab.h>
int planted(int x);
int planted(int x)
{
	int ret = 0;
	int *p = kmalloc(sizeof(p), GFP_KERNEL);

	if (!p)
		kfree(p->q);
	if (x) {
		x++;
	};
	return ret;
}
"""
# What the mistakes are called, by one script each.
_EXPECTED = ("sizeof to pointer", "Unneeded variable", "Unneeded semicolon", "NULL but dereferenced")
_FINDING = re.compile(r"(\S+?\.[ch]):(\d+):[\d-]+: (.*)")


def findings(source: Path) -> list[str]:
    """Returns the findings of a kernel source's scripts about the module's sources."""
    tree = BUILD / "lint-coccinelle"
    with locked(tree):
        build.planted_copy(tree, PLANTED, _MISTAKES)
        folder = source / "scripts/coccinelle"
        scripts = sorted(path for path in folder.rglob("*.cocci")
                         if str(path.relative_to(folder)) not in NOT_RUN)
        with ThreadPoolExecutor(max_workers=2) as pool:
            output = list(pool.map(lambda script: _run(script, source, tree), scripts))
        return without_planted(parse("".join(output))) + unread(tree)


def options(script: str) -> list[str]:
    """The options a script asks for in its head."""
    return [word for line in re.findall(r"^// Options:(.*)$", script, re.MULTILINE)
            for word in line.split()]


def _run(script: Path, source: Path, tree: Path) -> str:
    text = script.read_text("utf-8")
    includes = [f"{source}/arch/powerpc/include", f"{source}/include", f"{source}/include/uapi",
                "kernel", "generated/kernel", "uapi"]
    done = _spatch(["-D", "report", "--no-show-diff", "--very-quiet", "--cocci-file", script,
                    "--dir", ".", *(word for path in includes for word in ("-I", path)),
                    *options(text)], tree)
    if done.returncode:
        raise LabError(f"spatch cannot run {script.relative_to(source)}; if it never will, list it "
                       f"in {Path(__file__).name} with the reason: {_last_line(done.stderr)}")
    return done.stdout


def _spatch(words: Iterable[str | Path], tree: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["spatch", *map(str, words)], cwd=tree, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=limits.seconds(300))
    except FileNotFoundError:
        raise LabError("spatch is missing: run `sh setup.sh lint` to install coccinelle") from None
    except subprocess.TimeoutExpired as error:
        raise LabError(f"spatch did not end in {error.timeout:.0f} s: {' '.join(error.cmd)}") from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def parse(output: str) -> list[str]:
    """Each finding once, as `file:line: text`. A script may say the same of a file twice."""
    found = []
    for line in filter(None, map(str.strip, output.splitlines())):
        match = _FINDING.fullmatch(line)
        found.append(f"{match[1].removeprefix('./')}:{match[2]}: {match[3]}" if match else line)
    return list(dict.fromkeys(found))


def without_planted(found: Sequence[str]) -> list[str]:
    """The findings that are ours to mend; an error when a planted mistake is not among them."""
    planted = [line for line in found if line.startswith(f"{PLANTED}:")]
    lost = [text for text in _EXPECTED if not any(text in line for line in planted)]
    if lost:
        raise LabError(f"coccinelle did not report a planted mistake: {', '.join(lost)}")
    return [line for line in found if line not in planted]


def unread(tree: Path) -> list[str]:
    """The files below a folder with more lines than known that no script has seen."""
    names = [str(path.relative_to(tree)) for path in sorted(tree.rglob("*.[ch]"))]
    counts = {name: unread_file(name, tree) for name in names}
    return [f"{name}:1: coccinelle cannot read {count} lines of it"
            for name, count in counts.items() if count > UNREAD.get(name, 0)]


def unread_file(name: str, tree: Path) -> int:
    """How many lines of a file spatch passes over."""
    done = _spatch(["--no-includes", "--parse-c", name], tree)
    match = re.search(r"^nb good = \d+,\s+nb bad = (\d+)", done.stdout + done.stderr, re.MULTILINE)
    if not match:
        raise LabError(f"spatch --parse-c {name}: {_last_line(done.stderr)}")
    return int(match[1])
